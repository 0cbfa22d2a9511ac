"""The prior of a rate before its first call, from other dependencies of the kind.

Source: Kleinman, JASA 68 (1973), for the prior by moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Ints

PRIOR_STRENGTH_RANGE = (0.5, 50.0)
POPULATION_MIN = 3


@dataclass(frozen=True, slots=True)
class Prior:
    """The belief before the first call: a mean rate, worth `strength` calls."""

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
    return population_priors(good[None], n[None])[0]


def population_priors(good: Ints, n: Ints) -> list[Prior]:
    """The priors of several populations, one a row, by moments; shapes (populations, m)."""
    called = n > 0
    rate, calls = good / np.maximum(n, 1), n.astype(float)
    per_call = called / np.maximum(n, 1)
    weight, spread = calls, np.zeros(n.shape[0])
    mean = np.full(n.shape[0], 0.5)
    for _ in range(3):
        share = weight / np.maximum(weight.sum(axis=1), 1)[:, None]
        mean = (share * rate).sum(axis=1)
        within = mean * (1 - mean)
        # E[sum share (rate - mean)^2] = within * (noise + spread * rest), solved for the spread.
        apart = share * (1 - share) * per_call
        noise, rest = apart.sum(axis=1), (apart * (n - 1)).sum(axis=1)
        seen = (share * (rate - mean[:, None]) ** 2).sum(axis=1) / np.maximum(within, 1e-300)
        found = np.clip((seen - noise) / np.where(rest > 0, rest, 1.0), 0.0, 1.0)
        spread = np.where(within > 0, np.where(rest > 0, found, 0.0), spread)
        weight = calls / (1 + np.maximum(n - 1, 0) * spread[:, None])
    low, high = PRIOR_STRENGTH_RANGE
    strength = np.clip(1 / np.maximum(spread, 1e-9) - 1, low, high)
    # Half a good and half a bad call keep the mean inside (0, 1).
    worth = weight.sum(axis=1)
    mean = (mean * worth + 0.5) / (worth + 1)
    enough = called.sum(axis=1) >= POPULATION_MIN
    return [
        Prior(float(mean[row]), float(strength[row])) if enough[row] else Prior()
        for row in range(n.shape[0])
    ]
