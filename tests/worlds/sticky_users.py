"""Users who each keep one of two equal versions: their calls hang together, which an interval by call does not know.

Used by a test and by `benchmarks/promotion.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.promotion.difference import rate_difference


def sticky_users(
    rng: np.random.Generator, users: int, *, heavy: float, hours: int = 240
) -> tuple[Floats, list[Floats]]:
    """Equal versions, each user on one of them for good and with a rate of his own; shapes (4, hours).

    `heavy`: the share of a side's calls that the first user has.
    """
    active = rng.lognormal(0, 1, users)
    if heavy:
        active[0] = heavy / (1 - heavy) * active[1:].sum() / 2
    side, rate = rng.integers(0, 2, users), np.clip(0.1 + rng.normal(0, 0.05, users), 0.01, 0.6)
    n = rng.poisson(40 * active / active.sum(), (hours, users))
    bad, keys = rng.binomial(n, rate), []
    for user in range(users):
        counts = np.zeros((4, hours))
        counts[2 * side[user]], counts[2 * side[user] + 1] = n[:, user], bad[:, user]
        keys.append(counts)
    return np.sum(keys, axis=0), keys


def ever_misses(counts: Floats, keys: Sequence[Floats]) -> bool:
    """Whether the interval of two equal versions leaves out 0 at any of six looks."""
    ends = np.linspace(0, counts.shape[1], 7, dtype=int)[1:]
    asked = [
        rate_difference(*counts[:, :end], keys=[each[:, :end] for each in keys]) for end in ends
    ]
    return any(not one.interval95[0] <= 0 <= one.interval95[1] for one in asked if one is not None)
