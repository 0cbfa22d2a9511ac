"""The slope of a metric per day, with an interval that allows for uneven days."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import check_vector
from gonogo.errors import DataError, NotEnoughData

# With fewer, how much days differ is known so badly that the interval leaves the range of a rate.
DAYS_MIN = 5


@dataclass(frozen=True, slots=True)
class SlopeFit:
    """Change of the mean a day, in the metric's unit, with its 95 % interval.

    `dispersion` is how many times more the days vary about the line than their labels alone
    would; the interval is widened by it.
    """

    per_day: float
    interval95: tuple[float, float]
    dispersion: float
    days: int


def slope_per_day(
    day: ArrayLike, n: ArrayLike, total: ArrayLike, *, variance: float | None = None
) -> SlopeFit:
    """Fit a straight line through daily means, each day weighted by its count.

    Args:
        day: When, in days, shape (days,), any origin.
        n: Values of each day, shape (days,); days without any are left out.
        total: Their sum.
        variance: Variance of one value; None takes them for outcomes in [0, 1], p (1 - p).

    Raises:
        NotEnoughData: fewer than five days have values.
        DataError: shapes differ, or a count is negative or not finite.

    Source: weighted least squares; quasi-likelihood dispersion, McCullagh & Nelder (1989) §9.
    """
    when, count, sums = (check_vector(k, v) for k, v in (("day", day), ("n", n), ("total", total)))
    if not when.shape == count.shape == sums.shape or (count < 0).any():
        raise DataError("Days, counts and totals need one shape and counts of 0 or more.")
    kept = count > 0
    when, count, sums = when[kept], count[kept], sums[kept]
    days = int(when.size)
    if days < DAYS_MIN:
        raise NotEnoughData(f"{days} days with data; a trend needs {DAYS_MIN}.")
    mean = sums / count
    overall = float(sums.sum() / count.sum())
    one = overall * (1 - overall) if variance is None else variance
    centred = when - float(np.dot(count, when) / count.sum())
    leverage = float(np.dot(count, centred**2))
    # About the mean, so that what never changes has no slope left over from adding up.
    slope = float(np.dot(count * centred, mean - overall)) / leverage
    residual = mean - overall - slope * centred
    free = days - 2
    chance = float(np.dot(count, residual**2)) / free
    dispersion = max(chance / one, 1.0) if one > 0 else 1.0
    error = math.sqrt(one * dispersion / leverage)
    # Between normal and Student: the variance is known up to the dispersion that was estimated.
    half = (1.96 if dispersion == 1 else _student_95(free)) * error
    return SlopeFit(slope, (slope - half, slope + half), dispersion, days)


def _student_95(freedom: int) -> float:
    """97.5 % point of Student's t: Cornish-Fisher, within 1 % from 2 degrees of freedom on."""
    z = 1.959964
    g1, g2 = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3 + g4 / freedom**4
