"""Days differ: how much the level of a cost moves from day to day, and what a day to come may be.

The mean log cost of a day is a level, a day effect and noise. What the day effects are like (how
large, how alike from day to day) is not known: a grid of hypotheses is weighed by the likelihood of
the days seen. With one day nothing is learned and the prior speaks.

Source: restricted likelihood (Harville, 1977) and kriging; prior calibrated on simulated laws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.records import DAY_MS

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints

# Standard deviations of a day effect, in logs, and how alike adjacent days are, a priori.
_NO_EFFECT_CHANCE = 0.7
_EFFECT_SDS = (0.1, 0.2, 0.35, 0.6, 1.0)
_LIKENESS = ((0.0, 0.4), (0.8, 0.3), (0.98, 0.3))
DAYS_MAX = 30
# Levels are drawn day by day so far ahead; later days are like the last of these.
AHEAD_MAX = 30
SPLIT_DAYS_MIN = 6


@dataclass(frozen=True, slots=True, eq=False)
class DayLevels:
    """What the newest days say. Hypotheses: shape (g,); days, oldest first: shape (d,).

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
        """How many days."""
        return int(self.days.size)

    def days_ahead(self, calls: float) -> float:
        """How many days beyond the present one that many calls reach."""
        return max(calls / self.calls_a_day - self.share_of_today, 0.0)

    def factors(self, calls: float, paths: Floats) -> Floats:
        """What the days that planned calls fall on multiply their total by.

        Args:
            calls: How many are planned.
            paths: From `paths`.

        Returns:
            Shape (draws,).
        """
        shares = self.shares(calls)
        return np.asarray(paths[:, : shares.size] @ shares)

    def paths(self, days: int, level: float, rng: np.random.Generator, draws: int) -> Floats:
        """What today and each day ahead multiply a cost by.

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
        """Which share of planned calls falls on today and on each day ahead."""
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
