"""Golden runs played again: each day to come asks what one of the user's own days of that weekday asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.hours.counts import golden_joined, golden_where, hours_where
from gonogo.records import DAY_MS, HOUR_MS, MICRO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gonogo.detectors.arrays import Ints
    from gonogo.drill.healthy_history import HealthyHistory
    from gonogo.records import GoldenAnswers, HourCounts

HOURS_A_DAY = 24
# So many runs show how often the set is asked, and what its answers were.
RUNS_MIN = 2
# Of the items that were answered well, the share that a collapse breaks for good.
BROKEN_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRuns:
    """Golden answers of days to come.

    `over_hour`: when the run of each row of `answers` is over. `hours`: the same runs by declared slice (None is the
    whole) as hourly counts.
    """

    answers: GoldenAnswers
    over_hour: Ints
    hours: Mapping[str | None, HourCounts]

    def answered(self, past: GoldenAnswers, before_hour: int) -> GoldenAnswers:
        """The history, and the runs that are over before an hour begins."""
        return golden_joined(past, golden_where(self.answers, self.over_hour < before_hour))

    def counted(self, segment: str | None, before_hour: int) -> HourCounts:
        """The hours of these runs before an hour."""
        found = self.hours[segment]
        return hours_where(found, found.hour < before_hour)

    def first_hour(self, since_hour: int, before_hour: int) -> int | None:
        """The first hour of a run in between; None where there is none."""
        hour = self.hours[None].hour
        inside = hour[(hour >= since_hour) & (hour < before_hour)]
        return int(inside.min()) if len(inside) else None

    def broken(self, start_ms: int, rng: np.random.Generator) -> GoldenRuns:
        """These runs where half of the items are answered wrong, from the first whole day after a moment on."""
        answers = self.answers
        items = rng.random(len(answers.items)) < BROKEN_SHARE
        wrong = items[answers.item] & (answers.day * DAY_MS >= start_ms)
        return replace(
            self, answers=replace(answers, outcome_sum=np.where(wrong, 0, answers.outcome_sum))
        )

    def rate_since(self, start_ms: int, until_ms: int) -> float | None:
        """The share of good answers in the runs of a stretch; None without one."""
        answers = self.answers
        inside = (answers.day * DAY_MS >= start_ms) & (self.over_hour * HOUR_MS < until_ms)
        return _rate(golden_where(answers, inside))


def runs_seen(past: HealthyHistory) -> int:
    """On how many of the days that are played again the golden set was asked."""
    days = np.unique(past.golden.day)
    return int((days >= past.first_day).sum())


def golden_rate(past: HealthyHistory) -> float | None:
    """The share of good answers in the runs that are played again; None without one."""
    return _rate(golden_where(past.golden, past.golden.day >= past.first_day))


def _rate(answers: GoldenAnswers) -> float | None:
    n = int(answers.n.sum())
    return float(answers.outcome_sum.sum()) / MICRO / n if n else None


def runs_again(
    past: HealthyHistory, *, first_day: int, days: int, rng: np.random.Generator
) -> GoldenRuns:
    """Draw the golden runs of days to come from the days of history, a weekday from the same weekday.

    A day on which nothing was asked is drawn as one, so that the set is asked as often as it was.

    Args:
        past: Up to `first_day`.
        first_day: Days since 1970.
        days: How many.
        rng: The dice; the same ones give the same runs.
    """
    own_days = np.arange(past.first_day, first_day)
    drawn = []
    for day in range(first_day, first_day + days if len(own_days) else first_day):
        alike = own_days[own_days % 7 == day % 7]
        drawn.append((day, int(rng.choice(alike if len(alike) else own_days))))
    rows, at_day = _drawn_rows(past.golden.day, drawn)
    answers = replace(golden_where(past.golden, rows), day=at_day)
    hours = {
        segment: _hours(found, drawn)
        for (is_golden, segment), found in past.hours.items()
        if is_golden
    }
    run_hours = hours[None].hour
    last = dict(zip((run_hours // HOURS_A_DAY).tolist(), run_hours.tolist(), strict=True))
    over = [last.get(day, (day + 1) * HOURS_A_DAY - 1) for day in at_day.tolist()]
    return GoldenRuns(answers, np.array(over, dtype=np.int64), hours)


def _hours(found: HourCounts, drawn: Sequence[tuple[int, int]]) -> HourCounts:
    """The hours of the drawn days, at the days for which they were drawn."""
    rows, day = _drawn_rows(found.hour // HOURS_A_DAY, drawn)
    counts = hours_where(found, rows)
    return replace(counts, hour=day * HOURS_A_DAY + counts.hour % HOURS_A_DAY)


def _drawn_rows(own_day: Ints, drawn: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    """The rows of each drawn day in turn, and the day for which each was drawn."""
    rows = [np.flatnonzero(own_day == source) for _, source in drawn]
    days = np.array([day for day, _ in drawn], dtype=np.int64)
    at_day = np.repeat(days, [len(each) for each in rows])
    return np.concatenate([*rows, np.zeros(0, dtype=np.int64)]), at_day
