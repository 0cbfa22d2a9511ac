"""How far the level of a cost may move between the calls seen and the calls planned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.records import Floats

# Candidate variances, per call, of the steps of the log level: from none to a fifth in ten calls.
STEP_VARIANCES = np.array([0, 1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
# A priori the level stands still with this chance; the rest is spread evenly.
STILL_CHANCE = 0.5
# Variance of the log level that drift may add at most: e^±0.5, as in the traces measured.
DRIFT_VARIANCE_MAX = 0.25
# Below this many calls the blocks say nothing and the prior stands.
CALLS_MIN = 20
_BLOCKS_MAX = 40
_BLOCK_CALLS_MIN = 4


@dataclass(frozen=True, slots=True, eq=False)
class LevelDrift:
    """Weighted hypotheses about the drift of the log level. All arrays have the same shape."""

    weights: Floats
    shift: Floats  # of the present level against the mean of all calls seen, in logs
    known_variance: Floats  # of the present level, beyond that of a level that stands still
    step_variance: Floats  # of a step from call to call

    def spread(self, calls: float) -> Floats:
        """Standard deviation of the log level, averaged over the next `calls` calls."""
        variance = self.known_variance + self.step_variance * calls / 3
        return np.sqrt(np.minimum(variance, DRIFT_VARIANCE_MAX))


def level_drift(costs: Floats) -> LevelDrift:
    """Weigh how fast the level of a cost drifts, and where it stands.

    Logarithms of block means follow a random walk seen through noise; a Kalman filter weighs each
    candidate step variance by its likelihood. A walk, rather than the difference of adjacent
    windows as long as the plan, lets 1,000 calls speak about the next 1,000.

    Args:
        costs: Shape (n,), oldest first, all ≥ 0, some positive.

    Source: local level model (Durbin & Koopman, 2012, ch. 2), Bayesian average over its variance.
    """
    n = costs.size
    steps = STEP_VARIANCES
    prior = np.full(steps.size, (1 - STILL_CHANCE) / (steps.size - 1))
    prior[0] = STILL_CHANCE
    if n < CALLS_MIN:
        # The calls seen lie n/2 behind on average, which the prior walk has to cross as well.
        return LevelDrift(prior, np.zeros(steps.size), steps * n / 3, steps)
    size = max(_BLOCK_CALLS_MIN, math.ceil(n / _BLOCKS_MAX))
    blocks = costs[n % size :].reshape(-1, size).mean(axis=1)
    mean = float(costs.mean())
    seen = np.log(np.maximum(blocks, 1e-3 * mean))
    noise = math.log1p(float(costs.var()) / mean**2 / size)
    at = np.full(steps.size, seen[0])
    variance = np.full(steps.size, noise)
    log_likelihood = np.zeros(steps.size)
    for value in seen[1:]:
        variance = variance + steps * size
        total = variance + noise
        surprise = value - at
        log_likelihood -= (np.log(total) + surprise**2 / total) / 2
        gain = variance / total
        at = at + gain * surprise
        variance = variance * (1 - gain)
    weights = prior * np.exp(log_likelihood - log_likelihood.max())
    # Candidate 0 stands still: its estimate is the mean, and its variance the forecast has already.
    return LevelDrift(
        weights / weights.sum(),
        at - at[0],
        np.maximum(variance - variance[0], 0) + steps * size / 2,
        steps,
    )
