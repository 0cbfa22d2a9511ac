"""Days differ: how much the level of a cost moves from day to day, and what a day to come may be.

The mean log cost of a day is a level, a day effect and noise. What the day effects are like (how
large, how alike from day to day) is not known: a grid of hypotheses is weighed by the likelihood of
the days seen. With one day nothing is learned and the prior speaks.

Source: restricted likelihood (Harville, 1977) and kriging; prior calibrated on simulated laws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.cost.dependence import correlation_time
from gonogo.records import DAY_MS

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats, Ints

# Standard deviations of a day effect, in logs, and how alike adjacent days are, a priori.
_NO_EFFECT_CHANCE = 0.7
_EFFECT_SDS = (0.1, 0.2, 0.35, 0.6, 1.0)
_LIKENESS = ((0.0, 0.4), (0.8, 0.3), (0.98, 0.3))
DAYS_MAX = 30
# Levels are drawn day by day so far ahead; later days are like the last of these.
AHEAD_MAX = 30
SPLIT_DAYS_MIN = 6
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
class DayLevels:
    """Beliefs about the level of the newest days. Hypotheses: shape (g,); days, oldest first: shape (d,).

    `share_of_today` is how much of the present day is to come, `calls_a_day` what a full day has.
    """

    weights: Floats
    sds: Floats
    likeness: Floats
    days: Ints
    means: Floats
    noise: Floats
    effects: Floats  # of each day, averaged over the hypotheses
    spent_variance: float  # of the mean level, which the calls' own draws already have
    today: int
    calls_a_day: float
    share_of_today: float

    @property
    def seen(self) -> int:
        """The number of days."""
        return int(self.days.size)

    def days_ahead(self, calls: float) -> float:
        """The number of days beyond the present one that so many calls reach."""
        return max(calls / self.calls_a_day - self.share_of_today, 0.0)

    def factors(self, calls: float, paths: Floats) -> Floats:
        """Draw the factors by which the days of planned calls multiply their total.

        Args:
            calls: How many are planned.
            paths: From `paths`.

        Returns:
            Shape (draws,).
        """
        shares = self.shares(calls)
        return np.asarray(paths[:, : shares.size] @ shares)

    def paths(self, days: int, level: float, rng: np.random.Generator, draws: int) -> Floats:
        """Draw the factors by which today and each day ahead multiply a cost.

        The levels of all days are drawn together: what is not known of them is common to them.

        Args:
            days: How many, today first.
            level: Mean log cost of the calls that the costs were drawn from.
            rng: Randomness.
            draws: How many.

        Returns:
            Shape (draws, days).
        """
        offsets = self.today + np.arange(days)
        which = rng.choice(self.weights.size, draws, p=self.weights)
        normal = rng.standard_normal((draws, AHEAD_MAX + 1))[:, :days]
        found = np.empty((draws, days))
        for g in np.unique(which):
            mean, covariance = self._ahead(int(g), offsets)
            rows = which == g
            found[rows] = mean + normal[rows] @ _root(covariance).T
        return np.asarray(np.exp(found - level))

    def shares(self, calls: float) -> Floats:
        """The share of planned calls that falls on today and on each day ahead."""
        left = max(self.share_of_today * self.calls_a_day, 1.0)
        if calls <= left:
            return np.ones(1)
        ahead = int(min(np.ceil((calls - left) / self.calls_a_day), AHEAD_MAX))
        filled = np.r_[left, np.full(ahead, self.calls_a_day)]
        filled[-1] = calls - filled[:-1].sum()
        return np.asarray(filled / calls)

    def _ahead(self, g: int, offsets: Ints) -> tuple[Floats, Floats]:
        sd2, rho = self.sds[g] ** 2, self.likeness[g]
        inverse = np.linalg.inv(_kernel(self.days, self.days, sd2, rho) + np.diag(self.noise))
        across = _kernel(offsets, self.days, sd2, rho)
        one = inverse.sum(axis=1)
        total = float(one.sum())
        centre = float(one @ self.means) / total
        mean = centre + across @ inverse @ (self.means - centre)
        unexplained = 1 - across @ one
        covariance = (
            _kernel(offsets, offsets, sd2, rho)
            - across @ inverse @ across.T
            + np.outer(unexplained, unexplained) / total
            - self.spent_variance
        )
        return mean, covariance


def _kernel(left: Ints, right: Ints, sd2: float, rho: float) -> Floats:
    apart = np.abs(left[:, None] - right[None, :]).astype(float)
    return np.asarray(sd2 * (np.power(rho, apart) if rho else (apart == 0).astype(float)))


def _root(covariance: Floats) -> Floats:
    """A root of a covariance whose rounding may have left it a little below none."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)


def day_levels(
    logs: Floats, ts_ms: Ints, *, now_ms: int, correlation: float
) -> tuple[DayLevels, Ints]:
    """Weigh what the day effects of log costs are like.

    Args:
        logs: Shape (n,), oldest first, finite.
        ts_ms: When each call was made, shape (n,), ascending.
        now_ms: The time; the days ahead begin with the one that it lies in.
        correlation: Correlation time of the calls within a day, at least 1.

    Returns:
        The levels, and which of their days each call belongs to (-1: an older one), shape (n,).
    """
    day = ts_ms // DAY_MS
    days, at, counts = np.unique(day, return_inverse=True, return_counts=True)
    first = max(days.size - DAYS_MAX, 0)
    means = np.bincount(at, logs) / counts
    within = logs - means[at]
    degrees = max(logs.size - days.size, 1)
    variance = max(float(within @ within) / degrees, 1e-12)
    noise = variance * np.minimum(correlation, counts) / counts
    days, means, noise = days[first:], means[first:], noise[first:]
    sds, likeness, prior = _hypotheses()
    fits, effects = zip(
        *(_fit(days, means, noise, sd, rho) for sd, rho in zip(sds, likeness, strict=True)),
        strict=True,
    )
    weights = prior * np.exp(np.array(fits) - max(fits))
    weights /= weights.sum()
    # The first and the present day are not whole.
    full = counts[1:-1]
    calls_a_day = float(np.median(full) if full.size else counts.max())
    return (
        DayLevels(
            weights=weights,
            sds=sds,
            likeness=likeness,
            days=days,
            means=means,
            noise=noise,
            effects=weights @ np.array(effects),
            spent_variance=variance * correlation / logs.size,
            today=int(max(now_ms // DAY_MS, int(days[-1]))),
            calls_a_day=max(calls_a_day, 1.0),
            share_of_today=1 - (now_ms % DAY_MS) / DAY_MS,
        ),
        at - first,
    )


def _hypotheses() -> tuple[Floats, Floats, Floats]:
    grid = [(0.0, 0.0, _NO_EFFECT_CHANCE)]
    each = (1 - _NO_EFFECT_CHANCE) / len(_EFFECT_SDS)
    grid += [(sd, rho, each * share) for sd in _EFFECT_SDS for rho, share in _LIKENESS]
    sds, likeness, prior = np.array(grid).T
    return sds, likeness, prior


def _fit(days: Ints, means: Floats, noise: Floats, sd: float, rho: float) -> tuple[float, Floats]:
    """Restricted log likelihood of the days' means, and the day effects given the hypothesis."""
    kernel = _kernel(days, days, sd**2, rho)
    covariance = kernel + np.diag(noise)
    inverse = np.linalg.inv(covariance)
    one = inverse.sum(axis=1)
    total = float(one.sum())
    apart = means - float(one @ means) / total
    explained = inverse @ apart
    log_determinant = float(np.linalg.slogdet(covariance)[1])
    fit = -(log_determinant + np.log(total) + float(apart @ explained)) / 2
    return float(fit), kernel @ explained


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
    """The variance of block means as a multiple of independent calls', times calls; and the block size.

    Calls come in bursts of a kind: a mean of n costs is less certain than n independent ones say. A
    sum is of costs, and what is alike in them weighs more there than in their logarithms.
    """
    size = costs.size // _BURST_BLOCKS
    blocks = costs[costs.size % size :].reshape(-1, size).mean(axis=1)
    cv2 = float(costs.var()) / float(costs.mean()) ** 2
    if cv2 == 0:
        return 0.0, size
    factor = float(blocks.var(ddof=1)) / float(costs.mean()) ** 2 * size / cv2
    # Ten block means tell a variance poorly: shrunk towards none.
    believed = (_BURST_BLOCKS - 1) / (_BURST_BLOCKS - 1 + BURST_PRIOR)
    alike = max(correlation, correlation_time(costs))
    return max((factor - 1) * believed, alike - 1) * cv2, size


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
    """Weigh one jump of the log level, so many calls ago; weights are Bayes factors.

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
