"""The spread between days and the rhythm of a week, learned from a baseline; from few days while the level may move."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints, check_counts
from gonogo.detectors.log_space import from_log_odds, log_odds
from gonogo.errors import DataError

# Days' worth of "days do not differ" that a short baseline starts from.
PRIOR_DAYS = 3.0
# Standard errors by which what so few days tell is raised, and what a baseline of days tells.
CAUTION_SE = 1.5
DAILY_CAUTION_SE = 0.25
# The same where days and blocks of hours are both asked.
_DAYS, _BLOCKS = (24, 1.0), (6, 0.5)
# Of fewer days the steps that a fall makes in each block are too many to be left out.
_BLOCK_DAYS_MIN = 8
# From so many steps on, the second largest is left out as well: a fall in the middle of a day
# makes two.
STEPS_TWO = 5

_NORMAL = NormalDist()
HOURS_A_DAY = 24
HOURS_A_WEEK = 168
WEEKDAYS = 5
# In standard errors: by how much each of two weeks has its weekend differ, both together, and at most the one from the other.
_EACH, _BOTH, _APART = 1.0, 2.5, 2.0
# Newton's, from a stream's own rate to its level without offsets.
_LEVEL_STEPS = 4


@dataclass(frozen=True, slots=True)
class Dispersion:
    """The variance of daily rates over that of independent labels.

    Attributes:
        observed: The best estimate; about 1 for independent labels.
        used: The cautious value to put into a rule: 1 or more.
        days: Days with labels.
    """

    observed: float
    used: float
    days: int


def daily_dispersion(n: ArrayLike, bad: ArrayLike) -> Dispersion:
    """Learn from the baseline's days how many labels carry one independent label's information.

    The observed dispersion is raised by a quarter of a standard error of its own estimate, sqrt(2 /
    (days - 1)) of it, so that a short baseline is not trusted to have shown all of it. Without
    that, days that differ by .02 raise false alarms in .15 of 40 days; a half finds a slow slide
    later (benchmarks/detection_product.py).

    Args:
        n: Labels of each day, shape (days,).
        bad: Bad outcomes of each day, shape (days,); may be fractional.

    Raises:
        DataError: The counts are malformed.
    """
    labels, failures = check_counts(n, bad)
    labels, failures = labels[labels > 0], failures[labels > 0]
    days = len(labels)
    rate = float(failures.sum() / labels.sum()) if days else 0.0
    if days < 2 or not 0 < rate < 1:  # noqa: PLR2004 - variance needs two
        return Dispersion(observed=1.0, used=1.0, days=days)
    pearson = float(((failures - labels * rate) ** 2 / (labels * rate * (1 - rate))).sum())
    observed = pearson / (days - 1)
    raised = observed * (1 + DAILY_CAUTION_SE * math.sqrt(2 / (days - 1)))
    return Dispersion(observed, max(1.0, raised), days)


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
    return _by_steps(
        HOURS_A_DAY * np.arange(len(labels)), labels, failures, HOURS_A_DAY, CAUTION_SE
    )


def hourly_dispersion(
    hour: Ints, n: ArrayLike, bad: ArrayLike, usual: Floats | float = 0.0
) -> Dispersion:
    """Learn from a few weeks of hours how many labels of a day carry one independent label's information.

    Days are few, and where hours hang together each is like the one before it, which hides a third of how
    they differ. So blocks of six hours are asked as well, each held against the same hours of the day before:
    they are four times as many. What makes them differ is taken to last for a day, and the larger of the two
    answers counts. Where hours have a correlation of .9 this leaves .43 days blocked of 46, for .96 by days
    alone (benchmarks/detection_product.py); where nothing hangs together a label counts for hardly less.

    Args:
        hour: Of each batch, ascending, shape (batches,).
        n: Labels of each batch.
        bad: Bad outcomes among them; may be fractional.
        usual: The bad outcomes that its hour of the week adds to each batch, or takes from it.

    Raises:
        DataError: The counts are malformed.
    """
    labels, failures = check_counts(n, bad)
    by_day, by_block = (
        _by_steps(hour, labels, failures - usual, *size) for size in (_DAYS, _BLOCKS)
    )
    if by_day.days < _BLOCK_DAYS_MIN:
        return by_day
    return replace(by_day, used=max(by_day.used, by_block.used))


def _by_steps(
    hour: Ints, labels: Floats, failures: Floats, size: int, caution: float
) -> Dispersion:
    """The dispersion of days, from steps between blocks of so many hours that are a day apart."""
    hour, failures, labels = hour[labels > 0], failures[labels > 0], labels[labels > 0]
    block, at = np.unique(hour // size, return_inverse=True)
    n = np.bincount(at, labels)
    bad = np.clip(np.bincount(at, failures), 0, n)
    day, place = np.divmod(block, HOURS_A_DAY // size)
    days = np.bincount(day - day.min(initial=0), n) if len(n) else n
    total, gone = np.bincount(place, n), np.bincount(place, bad)
    if not 0 < gone.sum() < total.sum():
        return Dispersion(observed=1.0, used=1.0, days=int((days > 0).sum()))
    usual = (gone + gone.sum() / total.sum()) / (total + 1)
    order = np.lexsort((block, place))
    n, rate, chance = n[order], (bad / n)[order], (usual * (1 - usual))[place[order]]
    same = np.diff(place[order]) == 0
    ratios = np.diff(rate) ** 2 / (chance[1:] * (1 / n[1:] + 1 / n[:-1]))
    found = trimmed_dispersion(
        ratios[same], days=int((days > 0).sum()), blocks=int((total > 0).sum()), caution=caution
    )
    # By 1 + (n - 1) r the dispersion of n labels of which two have a correlation of r.
    larger = float((days**2).sum() / (n**2).sum())
    observed, used = (1 + larger * (one - 1) for one in (found.observed, found.used))
    return replace(found, observed=observed, used=used)


def trimmed_dispersion(
    ratios: Floats, *, days: int, blocks: int = 1, caution: float = CAUTION_SE
) -> Dispersion:
    """Learn it from squared steps between days over what chance makes of them, the largest left out.

    Args:
        ratios: Shape (steps,), each 1 on average where days do not differ.
        days: That the steps are between.
        blocks: Of a day, each with steps of its own.
        caution: Standard errors by which the answer is raised.
    """
    ranked = np.sort(ratios)
    kept = len(ranked) - blocks * (2 if len(ranked) >= STEPS_TWO * blocks else 1)
    if kept < 1:
        return Dispersion(observed=1.0, used=1.0, days=days)
    observed = float(ranked[:kept].sum()) / _expected(len(ranked), kept)
    prior = PRIOR_DAYS * blocks
    shrunk = (observed * kept + prior) / (kept + prior)
    raised = shrunk * (1 + caution * math.sqrt(2 / (kept + prior)))
    return Dispersion(observed, max(1.0, raised), days)


def _expected(steps: int, kept: int) -> float:
    """The sum of the `kept` smallest of so many squared standard normals, on average."""
    places = [(rank - 0.375) / (steps + 0.25) for rank in range(1, steps + 1)]
    squares = [_NORMAL.inv_cdf((1 + place) / 2) ** 2 for place in places]
    return steps * sum(squares[:kept]) / sum(squares)


def score_dispersion(n: Floats, total: Floats, squares: Floats, *, by_steps: bool) -> float:
    """The spread of days over that of their values, raised by its own error. Shapes (days,)."""
    n, total, squares = n[n > 0], total[n > 0], squares[n > 0]
    free = len(n) - 1
    if free < 1:
        return 1.0
    if by_steps:
        return _step_dispersion(n, total, squares)
    mean = float(total.sum() / n.sum())
    variance = float(squares.sum() / n.sum()) - mean**2
    chance = float(((total - n * mean) ** 2 / n).sum()) / free
    return max(1.0, chance / variance * (1 + math.sqrt(2 / free))) if variance > 0 else 1.0


def _step_dispersion(n: Floats, total: Floats, squares: Floats) -> float:
    """The spread between successive days over that of their values."""
    ratios = score_step_ratios(n, total, squares)
    weight = len(ratios) + PRIOR_DAYS
    shrunk = (float(ratios.sum()) + PRIOR_DAYS) / weight
    return max(1.0, shrunk * (1 + math.sqrt(2 / weight)))


def score_step_ratios(n: Floats, total: Floats, squares: Floats) -> Floats:
    """Squared steps between days over what their values make of them; shapes (days,), (days - 1,)."""
    n, total, squares = n[n > 0], total[n > 0], squares[n > 0]
    within = float((squares - total**2 / n).sum() / n.sum()) if len(n) else 0.0
    if within <= 0:
        return np.ones(max(len(n) - 1, 0))
    ratios: Floats = np.diff(total / n) ** 2 / (1 / n[1:] + 1 / n[:-1]) / within
    return ratios


def weekly_offsets(n: ArrayLike, bad: ArrayLike, hour_of_week: ArrayLike) -> Floats:
    """Learn by how much each hour of the week differs from the stream's own rate.

    Three levels, each shrunk towards the one before by how much its cells really differ
    (empirical Bayes): hour of the day; that on weekdays and on weekends; hour of the week. Where
    nothing differs beyond chance the offsets are 0.

    Args:
        n: Labels of each batch of the baseline, shape (batches,).
        bad: Bad outcomes among them.
        hour_of_week: 0 (Monday, first hour) to 167 of each batch, local time.

    Returns:
        Log-odds to add at each hour of the week, shape (168,).

    Raises:
        DataError: Counts or hours are malformed.
    """
    labels, failures = check_counts(n, bad)
    hour = np.asarray(hour_of_week)
    if hour.dtype.kind != "i" or hour.shape != labels.shape:
        raise DataError("hour_of_week needs one integer for each batch.")
    if len(hour) and not (hour.min() >= 0 and hour.max() < HOURS_A_WEEK):
        raise DataError("hour_of_week must lie in 0 to 167.")
    week = np.arange(HOURS_A_WEEK)
    weekend = (week // HOURS_A_DAY >= WEEKDAYS).astype(np.int64)
    levels = (week % HOURS_A_DAY, week % HOURS_A_DAY + HOURS_A_DAY * weekend, week)
    count = np.bincount(hour, weights=labels, minlength=HOURS_A_WEEK).astype(np.float64)
    gone_bad = np.bincount(hour, weights=failures, minlength=HOURS_A_WEEK).astype(np.float64)
    offset = np.zeros(HOURS_A_WEEK)
    for level in levels:
        offset = _refined(count, gone_bad, level, offset)
    return offset


def _refined(count: Floats, gone_bad: Floats, level: Ints, offset: Floats) -> Floats:
    total = count.sum()
    if not 0 < gone_bad.sum() < total:
        return offset
    own = float(log_odds(np.array(gone_bad.sum() / total)))
    rate = from_log_odds(own + offset)
    expected = np.bincount(level, weights=count * rate)
    variance = np.bincount(level, weights=count * rate * (1 - rate))
    observed = np.bincount(level, weights=gone_bad)
    used = variance > 0
    # In log-odds, a cell's shift is about its excess over its variance, known to 1 / variance.
    excess = (observed - expected)[used]
    # Less one standard error of itself, sqrt(2 cells + sum 1 / variance): few bad labels an hour look like
    # a week half of the time, and a week that is none makes false alarms (6 of 30 metrics of rare zeros and ones in 60 days).
    chance = math.sqrt(2 * used.sum() + float((1 / variance[used]).sum()))
    spread = float((excess**2 / variance[used]).sum()) - used.sum() + 1 - chance
    weight = float(variance[used].sum() - (variance[used] ** 2).sum() / variance[used].sum())
    between = max(spread / weight, 0.0) if weight > 0 else 0.0
    shift = np.zeros(len(variance))
    if between > 0:
        shift[used] = excess / (variance[used] + 1 / between)
    refined: Floats = offset + shift[level]
    return refined


def expected_rates(before: tuple[Floats, Floats, Floats], offset: Floats) -> Floats:
    """The rates that later batches have where only their hours of the week differ from earlier ones.

    Args:
        before: Labels, bad ones and offset (log-odds) of each earlier batch; shapes (batches,).
        offset: Log-odds of each later batch, shape (later,).
    """
    labels, bad, known = before
    total, gone = float(labels.sum()), float(bad.sum())
    if not 0 < gone < total:
        return np.full(len(offset), gone / total)
    level = math.log(gone / (total - gone))
    for _ in range(_LEVEL_STEPS):
        rate = from_log_odds(level + known)
        level += (gone - float(labels @ rate)) / max(float(labels @ (rate * (1 - rate))), 1e-9)
    return from_log_odds(level + offset)


def weekend_offsets(
    n: ArrayLike, bad: ArrayLike, hour_of_week: ArrayLike, day: ArrayLike
) -> Floats:
    """Learn from the first two weeks of a stream by how much its weekends differ, where both weeks agree.

    One level, since what was learned before is a few days and a fall may lie in them: it counts where each
    week shows it, both alike, beyond what chance makes of days of one kind. Shrunk by its own error.

    Args:
        n: Labels of each batch, shape (batches,).
        bad: Bad outcomes among them.
        hour_of_week: 0 (Monday, first hour) to 167 of each batch, local time.
        day: Of each batch, 0 to 13.

    Returns:
        Log-odds to add at each hour of the week, shape (168,); all 0 where the weeks do not agree.

    Raises:
        DataError: Counts or hours are malformed.
    """
    labels, failures = check_counts(n, bad)
    hour, days = np.asarray(hour_of_week), np.asarray(day)
    if hour.dtype.kind != "i" or not hour.shape == days.shape == labels.shape:
        raise DataError("hour_of_week and day need one integer for each batch.")
    ends = (hour // HOURS_A_DAY >= WEEKDAYS).astype(np.int64)
    cell = ends + 2 * (days // 7)
    count, gone = (np.bincount(cell, x, minlength=4).astype(np.float64) for x in (labels, failures))
    odds = np.log(gone + 0.5) - np.log(count - gone + 0.5)
    variance = 1 / (gone + 0.5) + 1 / (count - gone + 0.5)
    variance *= _spread_of_days(labels, failures, 2 * days + ends)
    step, error = odds[1::2] - odds[::2], np.sqrt(variance[1::2] + variance[::2])
    both = float((1 / error**2).sum() ** -0.5)
    pooled = both**2 * float((step / error**2).sum())
    agree = (np.abs(step) > _EACH * error).all() and abs(step[1] - step[0]) < _APART * math.hypot(
        *error
    )
    if not (agree and step[0] * step[1] > 0 and abs(pooled) > _BOTH * both):
        return np.zeros(HOURS_A_WEEK)
    is_end = np.arange(HOURS_A_WEEK) // HOURS_A_DAY >= WEEKDAYS
    offset: Floats = pooled * (1 - (both / pooled) ** 2) * (is_end - labels @ ends / labels.sum())
    return offset


def _spread_of_days(n: Floats, bad: Floats, place: Ints) -> float:
    """The variance of days of one kind over that of independent labels, 1 or more; `place`: 2 day + kind."""
    labels, failures = (np.bincount(place, x, minlength=28).astype(np.float64) for x in (n, bad))
    total, free = 0.0, 0
    for kind in (0, 1):
        own, gone = labels[kind::2][labels[kind::2] > 0], failures[kind::2][labels[kind::2] > 0]
        rate = float(gone.sum() / max(own.sum(), 1.0))
        if len(own) > 1 and 0 < rate < 1:
            total += float(((gone - own * rate) ** 2 / (own * rate * (1 - rate))).sum())
            free += len(own) - 1
    return max(total / free, 1.0) if free else 1.0
