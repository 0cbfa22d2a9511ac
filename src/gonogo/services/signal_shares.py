"""What every daily signal shares: its part of the false-alarm budget, its baseline, its days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current
from gonogo.detectors.categories import CategoryWatch, category_dispersion, watch_categories
from gonogo.detectors.predictive import needed_for
from gonogo.services.drift_baseline import choose_baseline
from gonogo.services.drift_data import RateStream
from gonogo.services.drift_finding import hour_start
from gonogo.services.drift_watch import SEASON_HOURS_MIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import Floats, HourCounts, Ints
    from gonogo.services.drift_baseline import Accepted
    from gonogo.services.drift_data import BaselineHours
    from gonogo.services.ports_signals import SignalTelemetry
    from gonogo.settings import DependencySettings

# The last quarter of a dependency's false-alarm budget, by fixed weights.
VALUES = 0.08
DISTRIBUTIONS = 0.05
CATEGORIES = 0.06
OUTPUTS = 0.04
CONSISTENCY = 0.01
HELD = 0.01
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class SignalQuestion:
    """A dependency's full days up to `end_day`, and what they are judged by."""

    telemetry: SignalTelemetry
    dependency: str
    metrics: tuple[str, ...]  # followed as values
    counts: HourCounts
    own: DependencySettings
    accepted: Accepted | None
    zone: str
    end_day: int  # days since 1970, exclusive

    def baseline_of(self, day: Ints, n: Floats) -> BaselineHours | None:
        """The baseline of something that was counted by day, in whole days; None while open."""
        kept = n > 0
        stream = RateStream(
            "error", False, day[kept] * HOURS_A_DAY, n[kept], np.zeros(int(kept.sum()))
        )
        hours = choose_baseline(stream, self.counts, self.own, self.accepted, zone=self.zone)
        if hours is None:
            return None
        first, last = hours.start_hour // HOURS_A_DAY, -(-hours.end_hour // HOURS_A_DAY)
        return replace(hours, start_hour=first * HOURS_A_DAY, end_hour=last * HOURS_A_DAY)

    def needed(self, a_day: float, weight: float) -> float:
        """Evidence at which to alarm, for so many values a day and this share of the budget."""
        return needed_for(
            labels_per_day=max(a_day, 1.0),
            false_alarms_per_year=self.own.false_alarms_per_year * weight,
        )


@dataclass(frozen=True, slots=True, eq=False)
class FollowedShares:
    """Shares of categories followed by day: baseline rows first."""

    watch: CategoryWatch
    hours: BaselineHours
    n_before: float
    n_after: float
    first_after: int  # day
    last: int  # day
    dispersion: float

    def baseline(self, mean: float | None) -> Baseline:
        """As it is reported."""
        return Baseline(
            source=self.hours.source,
            version=self.hours.version,
            mean=mean,
            n=round(self.n_before),
            start=hour_start(self.hours.start_hour),
            end=hour_start(self.hours.end_hour),
        )

    def current(self, mean: float | None) -> Current:
        """As it is reported."""
        return Current(
            mean=mean,
            n=round(self.n_after),
            start=hour_start(self.first_after * HOURS_A_DAY),
            end=hour_start((self.last + 1) * HOURS_A_DAY),
        )


def follow_shares(
    day: Ints, table: Floats, names: Sequence[str], hours: BaselineHours, *, needed: float
) -> FollowedShares | None:
    """Follow shares from a baseline on; None where one of the two periods is empty.

    Args:
        day: Ascending, shape (days,).
        table: Counts by day and category, shape (days, categories).
        names: Of the categories.
        hours: The baseline, whole days.
        needed: Evidence at which to alarm.
    """
    first, end = hours.start_hour // HOURS_A_DAY, hours.end_hour // HOURS_A_DAY
    kept = (day >= first) & (table.sum(axis=1) > 0)
    day, table = day[kept], table[kept]
    baseline = int(np.searchsorted(day, end))
    if baseline == 0 or baseline == len(day):
        return None
    if hours.end_hour - hours.start_hour >= SEASON_HOURS_MIN:
        dispersion = category_dispersion(table[:baseline], trimmed=False)
    else:
        early = day < first + SEASON_HOURS_MIN // HOURS_A_DAY
        dispersion = category_dispersion(table[early], trimmed=True)
    watch = watch_categories(table, names, baseline=baseline, needed=needed, dispersion=dispersion)
    return FollowedShares(
        watch=watch,
        hours=hours,
        n_before=float(table[:baseline].sum()),
        n_after=float(table[baseline:].sum()),
        first_after=int(day[baseline]),
        last=int(day[-1]),
        dispersion=dispersion,
    )


def exchangeable(needed: float, what: str = "values") -> str:
    """The promise of evidence that is summed over starts."""
    return (
        f"However often it is asked, evidence reaches {needed:,.0f} within n {what} with probability "
        f"at most n / {needed:,.0f}, while {what} are exchangeable with the baseline but for days "
        "that differ by chance; judged once a UTC day has ended."
    )
