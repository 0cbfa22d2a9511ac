"""What is believed of a rate before its first call, from other dependencies of the kind.

Source: Kleinman, JASA 68 (1973), for the prior by moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.records import Ints

PRIOR_STRENGTH_RANGE = (0.5, 50.0)
POPULATION_MIN = 3


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before the first call: a mean rate, worth `strength` calls."""

    mean: float = 0.5
    strength: float = 2.0


def population_prior(good: Ints, n: Ints) -> Prior:
    """The prior that other dependencies of the kind give, by moments.

    Args:
        good: Shape (m,), good calls of each dependency.
        n: Shape (m,), calls of each; those without calls do not count.

    Returns:
        Mean and strength, the strength within 0.5 to 50; the uniform prior where fewer than
        three dependencies have calls.
    """
    called = n > 0
    good, n = good[called].astype(float), n[called].astype(float)
    if n.size < POPULATION_MIN:
        return Prior()
    rate, weight = good / n, n
    mean, spread = 0.5, 0.0
    for _ in range(3):
        share = weight / weight.sum()
        mean = float(share @ rate)
        within = mean * (1 - mean)
        if within == 0:
            break
        # E[sum share (rate - mean)^2] = within * (noise + spread * rest), solved for the spread.
        noise = float(np.sum(share * (1 - share) / n))
        rest = float(np.sum(share * (1 - share) * (n - 1) / n))
        seen = float(share @ (rate - mean) ** 2) / within
        spread = min(max((seen - noise) / rest, 0.0), 1.0) if rest > 0 else 0.0
        weight = n / (1 + (n - 1) * spread)
    low, high = PRIOR_STRENGTH_RANGE
    strength = min(max(1 / spread - 1, low), high) if spread > 0 else high
    # Half a good and half a bad call keep the mean inside (0, 1).
    calls = float(weight.sum())
    return Prior((mean * calls + 0.5) / (calls + 1), strength)
