"""The frame of every daily signal: its share of the false-alarm budget, its baseline, its days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gonogo.answers import Baseline, Current
from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.rate.rule import needed_for
from gonogo.detectors.shares.categories import (
    CategoryShare,
    CategoryWatch,
    category_dispersion,
    watch_categories,
)
from gonogo.drift.baseline import AcceptedBaseline, choose_baseline
from gonogo.drift.finding import hour_start
from gonogo.drift.follow import SEASON_HOURS_MIN
from gonogo.hours.rate_hours import BASELINE_LABELS_MIN, BaselineHours, RateStream
from gonogo.hours.time_slices import EPOCH_WEEKDAY, FIRST_WEEKEND_DAY
from gonogo.ports.signal_reads import SignalTelemetry
from gonogo.records import HourCounts
from gonogo.settings import DependencySettings
from gonogo.text.forms import day as day_of
from gonogo.text.forms import number

# The last quarter of a dependency's false-alarm budget, by fixed weights.
VALUES = 0.08
DISTRIBUTIONS = 0.05
CATEGORIES = 0.06
OUTPUTS = 0.04
CONSISTENCY = 0.01
HELD = 0.01
HOURS_A_DAY = 24
WEEK = 7
# A weekend, or two days of the week.
_PART_DAYS_MIN = 2


@dataclass(frozen=True, slots=True)
class SignalQuestion:
    """A dependency's full days up to `end_day`, and what they are judged by."""

    telemetry: SignalTelemetry
    dependency: str
    metrics: tuple[str, ...]  # followed as values
    counts: HourCounts
    own: DependencySettings
    accepted: AcceptedBaseline | None
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
    """Shares of categories followed by day, the week and weekends each against its own baseline.

    Both split the same values, so that their summed evidence keeps the promise of one stream, and
    a weekly rhythm is no drift. `shares`, `n` and `began` (since when they are counted: the change,
    the recovery, or the baseline's end) are of the part that drifted first, else of that with more evidence;
    `only` names it where it alone has drifted.
    """

    hours: BaselineHours
    evidence_nats: float
    drifted: bool
    shares: tuple[CategoryShare, ...]
    n: float
    began: int  # day
    only: str | None
    n_before: float
    last: int  # day
    dispersion: float

    @property
    def began_on(self) -> str | None:
        """The day on which the drift began; None where nothing has drifted."""
        return hour_start(self.began * HOURS_A_DAY) if self.drifted else None

    @property
    def since(self) -> str:
        """The date at which what drifted began, in words; empty where nothing has."""
        return "" if self.began_on is None else f", since {day_of(self.began_on)}"

    def baseline(self, mean: float | None) -> Baseline:
        """The baseline as an answer reports it."""
        return Baseline(
            source=self.hours.source,
            version=self.hours.version,
            mean=mean,
            n=round(self.n_before),
            start=hour_start(self.hours.start_hour),
            end=hour_start(self.hours.end_hour),
        )

    def current(self, mean: float | None) -> Current:
        """The newest days as an answer reports them."""
        return Current(
            mean=mean,
            n=round(self.n),
            start=hour_start(self.began * HOURS_A_DAY),
            end=hour_start((self.last + 1) * HOURS_A_DAY),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The week, or weekends: its days, how many of them are its baseline, and what they say."""

    day: Ints
    table: Floats
    baseline: int
    dispersion: float
    watch: CategoryWatch

    @property
    def nats(self) -> float:
        return float(self.watch.evidence_nats[-1])

    @property
    def began(self) -> int:
        at = self.baseline + self.watch.began
        return int(self.day[min(at, len(self.day) - 1)])


def follow_shares(
    day: Ints, table: Floats, names: Sequence[str], hours: BaselineHours, *, needed: float
) -> FollowedShares | None:
    """Follow shares from a baseline on; None where there is nothing after it.

    Args:
        day: Ascending, shape (days,).
        table: Counts by day and category, shape (days, categories).
        names: Of the categories.
        hours: The baseline, whole days. Weekends that a learned one lacks are learned from the
            first weekends.
        needed: Evidence at which to alarm.
    """
    kept = (day * HOURS_A_DAY >= hours.start_hour) & (table.sum(axis=1) > 0)
    day, table = day[kept], table[kept]
    split = is_weekend(day)
    found = {
        name: _part(day[inside], table[inside], names, hours, needed)
        for name, inside in (("in the week", ~split), ("at weekends", split))
    }
    parts = {name: part for name, part in found.items() if part is not None}
    if not parts:
        return None
    together = float(np.logaddexp.reduce([part.nats for part in parts.values()]))
    drifted = [name for name, part in parts.items() if part.watch.drifted]
    # Of two that have drifted the one that did first: a change on a Thursday shows at weekends later.
    most = max(
        parts.values(),
        key=lambda p: (p.watch.drifted, -p.began if p.watch.drifted else 0, p.nats),
    )
    return FollowedShares(
        hours=hours,
        evidence_nats=together,
        drifted=bool(drifted) or together >= most.watch.needed_nats,
        shares=most.watch.shares,
        n=most.watch.n,
        began=most.began,
        only=drifted[0] if len(drifted) == 1 and len(parts) > 1 else None,
        n_before=float(most.table[: most.baseline].sum()),
        last=max(int(part.day[-1]) for part in parts.values()),
        dispersion=max(part.dispersion for part in parts.values()),
    )


def is_weekend(day: Ints) -> NDArray[np.bool_]:
    """A mask of the days (since 1970, UTC) that are a Saturday or Sunday."""
    inside: NDArray[np.bool_] = (day + EPOCH_WEEKDAY) % WEEK >= FIRST_WEEKEND_DAY
    return inside


def _part(
    day: Ints, table: Floats, names: Sequence[str], hours: BaselineHours, needed: float
) -> _Part | None:
    size = np.cumsum(table.sum(axis=1))
    baseline = int(np.searchsorted(day * HOURS_A_DAY, hours.end_hour))
    if baseline == 0 or hours.source == "learned":
        enough = max(int(np.searchsorted(size, BASELINE_LABELS_MIN)) + 1, _PART_DAYS_MIN)
        baseline = max(baseline, enough)
    if baseline >= len(day):
        return None
    if hours.end_hour - hours.start_hour >= SEASON_HOURS_MIN:
        dispersion = category_dispersion(table[:baseline], trimmed=False)
    else:
        early = day * HOURS_A_DAY < hours.start_hour + SEASON_HOURS_MIN
        dispersion = category_dispersion(table[early], trimmed=True)
    watch = watch_categories(table, names, baseline=baseline, needed=needed, dispersion=dispersion)
    return _Part(day, table, baseline, dispersion, watch)


def exchangeable(needed: float) -> str:
    """The promise of evidence that is summed over starts."""
    return (
        f"However often it is asked, evidence reaches {number(needed)} within n values with probability "
        f"at most n / {number(needed)}, while values are exchangeable with the baseline but for days "
        "that differ by chance; judged once a UTC day has ended."
    )
