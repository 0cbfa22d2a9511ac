"""How many labels carry one independent label's information, where days differ or hours hang together.

Both are learned from few days, and while the level may already be moving.

A provider is overloaded for an evening, a tool is slow for a morning: the level of an hour is near
that of the hour before. Days tell little of that, for there are few of them and the evening ends
before the day does. Hours within a day tell more: each is `usual rate of that hour of the day +
hidden level + chance`, the level being an AR(1) whose variance, over what chance makes of one hour,
is `variance`, and whose correlation an hour is `correlation`. A sum over many hours then varies as
if labels were fewer by 1 + variance (1 + correlation) / (1 - correlation).

The law of both is weighed on a grid, by the likelihood of each day's hours less that day's mean: a
fall is a step between days and leaves no trace in it, but on the days that it begins and ends.

Source: restricted likelihood, Patterson & Thompson (1971); the variance of a mean of an AR(1).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints, check_counts
from gonogo.detectors.rate.rule import Dispersion

# Days' worth of "days do not differ" that a short baseline starts from.
PRIOR_DAYS = 3.0
# Standard errors by which what so few days tell is raised.
CAUTION_SE = 1.5
# From so many steps on, the second largest is left out as well: a fall in the middle of a day
# makes two.
STEPS_TWO = 5

HOURS_A_DAY = 24
DAYS_MIN = 5
# The two days that speak most for dependence are left out: an outage, or a fall, may span a midnight.
DAYS_LEFT_OUT = 2
# What hangs together for longer, or differs by less, is told by days.
CORRELATIONS = np.array([0.0, 0.5, 0.7, 0.8, 0.9, 0.95])
# Standard deviations of an hour's level, log-odds.
SPREADS = np.array([0.15, 0.25, 0.4, 0.6, 0.9, 1.3])
# Before anything is seen, hours are as likely to be independent as not.
INDEPENDENT = 0.5
# Where it is more likely than that once all is seen, hours tell nothing: steady labels lose none of their worth.
INDEPENDENT_AFTER = 0.7
# Standard deviations of the logarithm by which the estimate is raised, towards what would be worse.
CAUTION_SD = 1.5
# With fewer labels an hour, chance covers what an hour's level does, and days tell it as well.
LABELS_AN_HOUR_MIN = 5.0
# A burst of errors counts as an hour so many chance deviations off: sums of days tell of bursts.
DEVIATION_MAX = 4.0
# An hour with so many times its usual labels is a job of its own; it is as certain as it has labels.
CROWDED = 3.0
_LAG = np.abs(np.subtract.outer(np.arange(HOURS_A_DAY), np.arange(HOURS_A_DAY)))

_NORMAL = NormalDist()


def early_dispersion(n: ArrayLike, bad: ArrayLike) -> Dispersion:
    """Learn from successive days how many labels carry one independent label's information.

    A day is compared with the day before it, so that a slow slide hardly counts, and the largest
    step is left out, for the fall that is looked for is one: days may reach beyond the baseline.
    What is left is set against its expectation where days do not differ. The estimate is shrunk
    towards 1, for a few days tell little, and raised by `CAUTION_SE` standard errors.

    Args:
        n: Labels of each day, shape (days,).
        bad: Bad outcomes of each day, shape (days,); may be fractional.

    Raises:
        DataError: The counts are malformed.

    Source: von Neumann (1941), the mean square successive difference; Blom (1958), the expected
    order statistics by which it is trimmed.
    """
    labels, failures = check_counts(n, bad)
    labels, failures = labels[labels > 0], failures[labels > 0]
    days = len(labels)
    rate = float(failures.sum() / labels.sum()) if days else 0.0
    if days < 2 or not 0 < rate < 1:  # noqa: PLR2004 - a difference needs two
        return Dispersion(observed=1.0, used=1.0, days=days)
    steps = np.diff(failures / labels)
    chance = rate * (1 - rate) * (1 / labels[1:] + 1 / labels[:-1])
    return trimmed_dispersion(steps**2 / chance, days=days)


def trimmed_dispersion(ratios: Floats, *, days: int) -> Dispersion:
    """Learn it from squared steps between days over what chance makes of them, the largest left out.

    Args:
        ratios: Shape (steps,), each 1 on average where days do not differ.
        days: That the steps are between.
    """
    ranked = np.sort(ratios)
    kept = len(ranked) - (2 if len(ranked) >= STEPS_TWO else 1)
    if kept < 1:
        return Dispersion(observed=1.0, used=1.0, days=days)
    observed = float(ranked[:kept].sum()) / _expected(len(ranked), kept)
    weight = kept + PRIOR_DAYS
    shrunk = (observed * kept + PRIOR_DAYS) / weight
    return Dispersion(shrunk, max(1.0, shrunk * (1 + CAUTION_SE * math.sqrt(2 / weight))), days)


def _expected(steps: int, kept: int) -> float:
    """The sum of the `kept` smallest of so many squared standard normals, on average."""
    places = [(rank - 0.375) / (steps + 0.25) for rank in range(1, steps + 1)]
    squares = [_NORMAL.inv_cdf((1 + place) / 2) ** 2 for place in places]
    return steps * sum(squares[:kept]) / sum(squares)


def hours_dispersion(n: Floats, bad: Floats, hour: Ints) -> Dispersion:
    """Labels that carry one independent label's information, as hours within days tell it.

    Args:
        n: Labels of each batch, shape (batches,).
        bad: Bad outcomes among them.
        hour: Of each batch, ascending, hours since some midnight.

    Returns:
        The geometric mean of what is likely, and that raised; 1 where there are too few days to tell.
    """
    day = hour // HOURS_A_DAY - int(hour[0]) // HOURS_A_DAY if len(hour) else hour
    cells = day * HOURS_A_DAY + hour % HOURS_A_DAY
    size = (int(day[-1]) + 1) * HOURS_A_DAY if len(day) else 0
    labels, failed = (
        np.bincount(cells, counted, size).astype(np.float64).reshape(-1, HOURS_A_DAY)
        for counted in (n, bad)
    )
    seen = labels.any(axis=1)
    labels, failed = labels[seen], failed[seen]
    days, rate = len(labels), float(failed.sum() / labels.sum()) if seen.any() else 0.0
    few = days < DAYS_MIN or labels.sum() < LABELS_AN_HOUR_MIN * HOURS_A_DAY * days
    if few or not 0 < rate < 1:
        return Dispersion(observed=1.0, used=1.0, days=days)
    # Chosen, and then left out of what is usual too: an outage makes its hours of every other day look too good.
    nats, _ = _log_likelihoods(labels, failed)
    kept = np.sort(np.argsort((nats - nats[:, :1]).max(axis=1))[: days - DAYS_LEFT_OUT])
    nats, inflation = _log_likelihoods(labels[kept], failed[kept])
    prior = np.full(nats.shape[1], math.log((1 - INDEPENDENT) / (nats.shape[1] - 1)))
    prior[0] = math.log(INDEPENDENT)
    posterior = prior + nats.sum(axis=0)
    weight = np.exp(posterior - posterior.max())
    weight /= weight.sum()
    if weight[0] >= INDEPENDENT_AFTER:
        return Dispersion(observed=1.0, used=1.0, days=days)
    mean = float(weight @ inflation)
    sd = math.sqrt(float(weight @ (inflation - mean) ** 2))
    return Dispersion(math.exp(mean), math.exp(mean + CAUTION_SD * sd), days)


def _deviations(labels: Floats, failed: Floats, rate: float) -> Floats:
    """Bad labels less those usual at that hour of the day, in units of chance; shape (days, 24)."""
    usual = (failed.sum(axis=0) + 4 * rate) / (labels.sum(axis=0) + 4)
    profile = labels.mean(axis=0)
    worth = np.where(labels > CROWDED * profile, labels, profile)
    off = (failed - labels * usual) / np.sqrt(worth * rate * (1 - rate) + 1e-9)
    # What the usual rates, learned from the same days, have taken out of them.
    off *= math.sqrt(len(labels) / (len(labels) - 1))
    return np.asarray(np.clip(off, -DEVIATION_MAX, DEVIATION_MAX))


def _log_likelihoods(labels: Floats, failed: Floats) -> tuple[Floats, Floats]:
    """Of each day under each law, shape (days, laws), and the logarithm of each law's dispersion; independent hours come first."""
    rate = float(failed.sum() / labels.sum())
    off, profile = _deviations(labels, failed, rate), labels.mean(axis=0)
    variances = SPREADS**2 * rate * (1 - rate) * float(profile.mean())
    size = np.sqrt(profile / profile.mean())
    level = size / np.linalg.norm(size)
    # A day's own mean is taken out: 23 directions across it are left.
    across = np.linalg.svd(np.eye(HOURS_A_DAY) - np.outer(level, level))[0][:, :-1]
    hidden = np.outer(size, size) * CORRELATIONS[:, None, None] ** _LAG
    laws = (variances[:, None, None, None] * hidden).reshape(-1, HOURS_A_DAY, HOURS_A_DAY)
    laws = np.eye(HOURS_A_DAY) + np.concatenate((np.zeros((1, *_LAG.shape)), laws))
    covariance = across.T @ laws @ across
    seen = off @ across
    distance = np.einsum("di,lij,dj->dl", seen, np.linalg.inv(covariance), seen, optimize=True)
    nats = -(distance + np.linalg.slogdet(covariance)[1]) / 2
    inflation = np.log1p(np.outer(variances, (1 + CORRELATIONS) / (1 - CORRELATIONS)))
    return np.asarray(nats), np.concatenate(([0.0], inflation.ravel()))
