"""Where the level of a cost stands, and how far it may move while planned calls are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.records import Floats

# What the level may have done, a priori: stood still, walked, or jumped once, too lately or too
# little for the split of regimes to have seen it.
STILL_CHANCE = 0.68
WALK_CHANCE = 0.2
JUMP_CHANCE = 0.12
# Variances, per call, of the steps of a walk of the log level: up to a tenth at every call.
WALK_VARIANCES = np.array([1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
JUMP_SD = 1.0
# Numbers of calls since a jump.
JUMPS_SINCE = np.array([3, 5, 7, 10, 14, 20, 28, 40, 56, 80])
# Variance of the log level that the future may add at most: e^±0.5, as in the traces measured.
DRIFT_VARIANCE_MAX = 0.25
# Below this many calls the blocks say nothing: the prior stands, with a larger share of walks, and
# the level is less well known than a lognormal would have it (the constant is per call seen).
CALLS_MIN = 20
THIN_WALK_CHANCE = 0.5
THIN_VARIANCE = 0.6
BURST_PRIOR = 2
_BURST_BLOCKS = 10
_BLOCKS_MAX = 40
_BLOCK_CALLS_MIN = 4


@dataclass(frozen=True, slots=True, eq=False)
class LevelDrift:
    """Weighted hypotheses about the log level. All arrays have the same shape."""

    weights: Floats
    shift: Floats  # of the present level against the mean of all calls seen, in logs
    known_variance: Floats  # of the present level, beyond that of a level that stands still
    step_variance: Floats  # of a step from call to call
    burst_variance: float = 0.0  # times calls: what bursts add to the variance of a mean
    burst_calls: int = 1

    def spread(self, calls: float) -> Floats:
        """Standard deviation of the log level, averaged over the next `calls` calls."""
        ahead = np.minimum(self.step_variance * calls / 3, DRIFT_VARIANCE_MAX)
        bursts = self.burst_variance / max(calls, self.burst_calls)
        return np.sqrt(self.known_variance + ahead + bursts)


def level_drift(costs: Floats, *, correlation: float = 1.0) -> LevelDrift:
    """Weigh what the level of a cost has done, and where it stands.

    Each hypothesis is weighed by its likelihood against a level that stands still.

    Args:
        costs: Shape (n,), oldest first, all ≥ 0, some positive.
        correlation: Correlation time of the calls, at least 1: noise of neighbours that are alike
            averages out so much more slowly.
    """
    n = costs.size
    if n < CALLS_MIN:
        steps = np.r_[0, WALK_VARIANCES]
        walk_prior = np.full(WALK_VARIANCES.size, THIN_WALK_CHANCE / WALK_VARIANCES.size)
        # The calls seen lie n/2 behind on average, which the prior walk has to cross as well.
        known = steps * n / 3 + THIN_VARIANCE / n
        return LevelDrift(
            np.r_[1 - THIN_WALK_CHANCE, walk_prior], np.zeros(steps.size), known, steps
        )
    walks, jumps = _walks(costs, correlation), _jumps(costs, correlation)
    weights = np.r_[
        STILL_CHANCE,
        WALK_CHANCE / walks.weights.size * walks.weights,
        JUMP_CHANCE / jumps.weights.size * jumps.weights,
    ]
    bursts, size = _bursts(costs, correlation)
    return LevelDrift(
        weights / weights.sum(),
        np.r_[0.0, walks.shift, jumps.shift],
        np.r_[0.0, walks.known_variance, jumps.known_variance] + bursts / n,
        np.r_[0.0, walks.step_variance, jumps.step_variance],
        bursts,
        size,
    )


def _bursts(costs: Floats, correlation: float) -> tuple[float, int]:
    """How much more block means vary than those of independent calls, times calls; block size.

    Calls come in bursts of a kind: a mean of n costs is less certain than n independent ones say.
    """
    size = costs.size // _BURST_BLOCKS
    blocks = costs[costs.size % size :].reshape(-1, size).mean(axis=1)
    cv2 = float(costs.var()) / float(costs.mean()) ** 2
    if cv2 == 0:
        return 0.0, size
    factor = float(blocks.var(ddof=1)) / float(costs.mean()) ** 2 * size / cv2
    # Ten block means tell a variance poorly: shrunk towards none.
    believed = (_BURST_BLOCKS - 1) / (_BURST_BLOCKS - 1 + BURST_PRIOR)
    return max((factor - 1) * believed, correlation - 1) * cv2, size


def _walks(costs: Floats, correlation: float) -> LevelDrift:
    """A random walk of the level seen through noise, one Kalman filter for each step variance.

    A walk, rather than the difference of adjacent windows as long as the plan, lets 1,000 calls
    speak about the next 1,000. Weights are likelihood ratios.

    Source: local level model (Durbin & Koopman, 2012, ch. 2).
    """
    steps = np.r_[0.0, WALK_VARIANCES]
    size = max(_BLOCK_CALLS_MIN, math.ceil(costs.size / _BLOCKS_MAX))
    blocks = costs[costs.size % size :].reshape(-1, size).mean(axis=1)
    mean = float(costs.mean())
    seen = np.log(np.maximum(blocks, 1e-3 * mean))
    # Equal costs have no noise, and a likelihood needs some.
    alike = min(correlation, size)
    noise = max(math.log1p(float(costs.var()) / mean**2 * alike / size), 1e-12)
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
    # The first one stands still: its estimate is the mean, and its variance the forecast has.
    known = np.maximum(variance - variance[0], 0) + steps * size / 2
    ratios = np.exp(log_likelihood - log_likelihood[0])
    return LevelDrift(ratios[1:], (at - at[0])[1:], known[1:], WALK_VARIANCES)


def _jumps(costs: Floats, correlation: float) -> LevelDrift:
    """One jump of the log level, so many calls ago; weights are Bayes factors.

    Source: the normal model with known variance and a normal prior on the jump.
    """
    n = costs.size
    since = JUMPS_SINCE[n // 2 >= JUMPS_SINCE]
    logs = np.log(np.maximum(costs, costs[costs > 0].min()))
    sums = np.cumsum(logs[::-1])
    after = sums[since - 1] / since
    difference = after - (sums[-1] - sums[since - 1]) / (n - since)
    alike = np.minimum(correlation, since) / since + min(correlation, n) / (n - since)
    noise = max(float(logs.var()), 1e-12) * alike
    prior = JUMP_SD**2
    log_factor = (
        np.log(noise / (noise + prior)) + difference**2 * (1 / noise - 1 / (noise + prior))
    ) / 2
    believed = prior / (noise + prior)
    older = 1 - since / n
    return LevelDrift(
        np.exp(np.minimum(log_factor, 700)),
        difference * believed * older,
        noise * believed * older**2,
        np.zeros(since.size),
    )
