"""Grades by the hour: a judge's of all calls, and both grades where a person graded too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats, Ints

_CAUTION_SE = 0.25
_DAY_HOURS = 24
_DAYS_MIN = 3


@dataclass(frozen=True, slots=True, eq=False)
class JudgedHours:
    """Grades of the hours, ascending.

    `n` calls were judged and `judged_bad` of them bad, shapes (hours,); `table` of shape (hours, 2, 2)
    counts the calls that a person graded too, [person bad][judge bad].
    """

    hour: Ints
    n: Floats
    judged_bad: Floats
    table: Floats

    def part(self, rows: slice) -> JudgedHours:
        """Some of the hours."""
        return JudgedHours(self.hour[rows], self.n[rows], self.judged_bad[rows], self.table[rows])

    def people_rate(self) -> tuple[float, float]:
        """People's rate of bad over all these hours, and its standard error.

        With the judge as control variate: the mean of people's grades less slope times how much
        more often the judge called bad what people saw than all there was.
        """
        both = self.table.sum(axis=0)
        m = float(both.sum())
        if m == 0:
            return math.nan, math.inf
        seen = float(both[:, 1].sum()) / m
        everything = float(self.judged_bad.sum()) / max(float(self.n.sum()), 1.0)
        rate = float(both[1].sum()) / m
        spread = seen * (1 - seen)
        slope = (float(both[1, 1]) / m - rate * seen) / spread if spread > 0 else 0.0
        least = (both[1].sum() + 0.5) / (m + 1)
        variance = max(least * (1 - least) - slope**2 * spread * (1 - m / float(self.n.sum())), 0.0)
        value = rate - slope * (seen - everything)
        return min(max(value, 0.0), 1.0), math.sqrt(variance / m)

    @property
    def judge_rate(self) -> float:
        """The share of all calls that the judge called bad."""
        return float(self.judged_bad.sum()) / max(float(self.n.sum()), 1.0)


def judged_dispersion(hours: JudgedHours, increments: Floats) -> float:
    """The variance of people's daily effective rates as a multiple of the labels' own; 1 or more.

    Args:
        hours: Of the baseline.
        increments: What `watch_judged` made of them with a dispersion of 1, shape (hours, 2).

    Returns:
        Pearson's statistic over its degrees of freedom, raised by a quarter of its standard error.
    """
    day = hours.hour // _DAY_HOURS
    _, at = np.unique(day, return_inverse=True)
    bad, n = (np.bincount(at, increments[:, k]) for k in (0, 1))
    bad, n = bad[n > 0], n[n > 0]
    if n.size < _DAYS_MIN:
        return 1.0
    rate = min(max(float(bad.sum() / n.sum()), 1e-3), 1 - 1e-3)
    pearson = float(((bad - n * rate) ** 2 / (n * rate * (1 - rate))).sum()) / (n.size - 1)
    return max(pearson * (1 + _CAUTION_SE * math.sqrt(2 / (n.size - 1))), 1.0)
