"""One rate followed as a stream, from its baseline to the moment that is asked about.

Evidence is a pure function of the mature hourly counts since the baseline began: any order and
batching of arrival gives the same answer, and an earlier moment is a slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.pieces import Beginnings, SettledPrefix
from gonogo.detectors.rate.dispersion import (
    Dispersion,
    daily_dispersion,
    expected_rates,
    hourly_dispersion,
    weekend_offsets,
    weekly_offsets,
)
from gonogo.detectors.rate.rate_watch import RateWatch, watch_rate
from gonogo.detectors.rate.rule import RateRule, deltas_for, needed_for
from gonogo.hours.rate_hours import BaselineHours, RateStream, days_of
from gonogo.hours.stream_cache import CachedStream
from gonogo.hours.time_slices import hours_of_week

if TYPE_CHECKING:
    from gonogo.drift.drift_memory import Runs
    from gonogo.records import Floats
    from gonogo.settings import DependencySettings

# Stretches of hours, both ends included, that are left out of what slices are judged by.
Spells = tuple[tuple[int, int], ...]

SD_DAYS_MIN = 3
SEASON_HOURS_MIN = 14 * 24
# A baseline whose own hours differ by less from what it makes expect of others is told as it was measured.
OTHER_MIN = 0.001
# Of the fullest hour of the baseline, and at least so many labels: more in one hour are a rush.
RUSH, RUSH_MIN = 2.0, 25.0


@dataclass(frozen=True, slots=True)
class Volume:
    """Figures that are frozen when the baseline closes: labels a day, and how much days differ."""

    labels_per_day: float
    dispersion: Dispersion
    daily_sd: float | None  # of the daily means, in the metric's units
    hour_max: float = math.inf  # labels of its fullest hour

    def worth(self, n: Floats) -> Floats:
        """The weight of a label of each hour, by the number of labels in it; 1 or less.

        Labels that come in a rush, a weekly job or a load test, have one cause, and are no evidence of the
        traffic that the baseline knows. Together they count for no more than two of its fullest hours.
        """
        most = max(RUSH * self.hour_max, RUSH_MIN)
        counts: Floats = np.minimum(1.0, most / np.maximum(n, 1))
        return counts

    @property
    def likely_dispersion(self) -> float:
        """Estimate how many labels carry one independent label's information; 1 or more.

        An interval of a level is as wide as that. What false alarms are promised by is raised, for a few
        days tell little; by that a healthy stream of 15 a day would be unknown for days more.
        """
        return max(self.dispersion.observed, 1.0)


def baseline_volume(
    followed: RateStream, hours: BaselineHours, expected: Floats | None = None
) -> Volume:
    """Measure the closed baseline: volume, dispersion of its days, spread of its daily means.

    Under two weeks of baseline, the first two weeks of the stream tell how much days differ. What
    the weekly expectation explains does not count as dispersion.
    """
    baseline = followed.between(None, hours.end_hour)
    early = first_weeks(followed, hours)
    days = max((hours.end_hour - hours.start_hour) / 24, 1.0)
    _, n, bad = baseline.by_day()
    # Graded outcomes vary by less than their mean tells, by how much is not known.
    is_graded = bool((bad % 1 > 0).any())
    variance = 0.0 if is_graded else baseline.bad_rate * (1 - baseline.bad_rate)
    daily_sd = sd_of_days(n, bad, variance=variance)
    is_short = hours.end_hour - hours.start_hour < SEASON_HOURS_MIN
    dispersion = _spread_of_days(early, expected, trimmed=is_short)
    fullest = float(baseline.n.max()) if len(baseline.n) else math.inf
    return Volume(max(baseline.labels / days, 1.0), dispersion, daily_sd, fullest)


def sd_of_days(n: Floats, total: Floats, *, variance: float) -> float | None:
    """Standard deviation of daily means, at least what days would differ by if nothing but chance did.

    Few days may agree by luck, and a change is then no hundred of their deviations. None under three
    days, and where nothing varies. `variance` is of one value within a day.
    """
    if len(n) < SD_DAYS_MIN:
        return None
    by_chance = math.sqrt(variance * float((1 / n).mean()))
    return max(float((total / n).std(ddof=1)), by_chance) or None


def first_weeks(followed: RateStream, hours: BaselineHours) -> RateStream:
    """The labels by which days and weeks are known: the baseline's, and those of two weeks from its start."""
    return followed.between(None, max(hours.end_hour, hours.start_hour + SEASON_HOURS_MIN))


def _spread_of_days(early: RateStream, expected: Floats | None, *, trimmed: bool) -> Dispersion:
    season = _season(early, expected)
    if trimmed:
        return hourly_dispersion(early.hour, early.n, early.bad, season)
    _, n, bad = early.by_day()
    return daily_dispersion(n, np.clip(bad - np.bincount(days_of(early.hour)[1], season), 0, n))


def _season(early: RateStream, expected: Floats | None) -> Floats:
    """Bad labels of each batch that the weekly expectation adds to the mean rate, or takes from it."""
    if expected is None:
        return np.zeros(len(early.n))
    own = min(max(early.bad_rate, 1e-6), 1 - 1e-6)
    centre = math.log(own / (1 - own))
    seasonal: Floats = early.n * (1 / (1 + np.exp(-(centre + expected))) - own)
    return seasonal


def rule_of(
    volume: Volume, hours: BaselineHours, settings: DependencySettings, *, weight: float
) -> RateRule:
    """The detector's rule in the user's words: false alarms a year, the smallest effect."""
    needed = needed_for(
        labels_per_day=volume.labels_per_day,
        false_alarms_per_year=settings.false_alarms_per_year * weight,
    )
    return RateRule(
        needed=needed,
        deltas=deltas_for(settings.min_effect),
        dispersion=volume.dispersion.used,
        declared=hours.declared_bad,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Frozen:
    """The rule that the closed baseline sets for all that follows; `offsets` by hour of the week."""

    offsets: Floats | None
    volume: Volume
    rule: RateRule
    beginnings: Beginnings = field(default_factory=dict)
    cells: dict[tuple[str, Spells], Beginnings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FollowedRate:
    """A rate from the first label of its baseline on, and the rule that was frozen with it.

    `settled`: its first batches, which every later look at them finds as they are; `cells`: of
    its slices.
    """

    stream: RateStream
    baseline: RateStream
    hours: BaselineHours
    expected: Floats | None
    volume: Volume
    rule: RateRule
    runs: Runs
    settled: SettledPrefix | None
    cells: dict[tuple[str, Spells], Beginnings] | None

    def offsets_of(self, part: RateStream) -> Floats:
        """Expectation at the hours of a part of the whole, log-odds, shape (batches,); 0 where all are alike."""
        if self.expected is None:
            return np.zeros(len(part.hour))
        at = self.stream.hour.searchsorted(part.hour)
        offsets: Floats = self.expected[np.minimum(at, len(self.expected) - 1)]
        return offsets

    def expected_bad(self, before: RateStream, now: RateStream) -> float:
        """The bad rate of later labels if nothing changed but the hours of the week that they are of.

        What is told beside a verdict is held against this, as the detector holds it: a baseline of
        weekdays says nothing of weekends until it is known by how much these differ.
        """
        if self.expected is None or not (before.labels and now.labels):
            return before.bad_rate
        known = before.n, before.bad, self.offsets_of(before)
        return float(now.n @ expected_rates(known, self.offsets_of(now)) / now.labels)

    def bad_before(self, now: RateStream) -> float:
        """The bad rate that the baseline makes expect of later labels, or the one that was declared."""
        declared = self.hours.declared_bad
        return self.expected_bad(self.baseline, now) if declared is None else declared

    def mean_before(self, now: RateStream) -> float:
        """The mean, as it is told, that the baseline makes expect; its own where that is all but the same."""
        bad = self.bad_before(now)
        if self.hours.declared_bad is None and abs(bad - self.baseline.bad_rate) < OTHER_MIN:
            return self.baseline.mean
        return now.told(bad)

    def dispersion_of(self, segment: str, part: RateStream, *, spells: Spells) -> float:
        """The number of a slice's labels, less some spells, that carry one independent label's information.

        A day that is bad for all calls moves a slice by as much, and chance makes more of it where labels are
        few: of phi for n labels a day 1 + (phi - 1) m / n are left for m. What moves a slice alone its own
        days tell.
        """
        end, of_whole = self.hours.end_hour, self.volume.dispersion.used
        if not part.labels:
            return of_whole
        weeks_end = int(part.hour[0]) + SEASON_HOURS_MIN
        early_end = max(end, weeks_end)

        def learn() -> float:
            early = part.between(None, early_end)
            expected = None if self.expected is None else self.offsets_of(early)
            own = _spread_of_days(early, expected, trimmed=weeks_end > end)
            share = min(early.labels / own.days / self.volume.labels_per_day, 1.0)
            return max(own.used, 1 + (of_whole - 1) * share)

        remembered = self.stream.remembered or CachedStream(0)
        return remembered.once((segment, spells, self.hours, self.rule), early_end, learn)

    def settled_cell(self, segment: str, days: int, *, spells: Spells) -> SettledPrefix | None:
        """The final days of one of its slices without some spells, from the baseline on."""
        if self.cells is None or days <= 0:
            return None
        return SettledPrefix(days, self.cells.setdefault((segment, spells), {}))

    def watch(self) -> RateWatch:
        """The detector's run over the whole stream."""
        stream, worth = self.stream, self.volume.worth(self.stream.n)
        return watch_rate(
            stream.n * worth,
            stream.bad * worth,
            self.rule,
            offset=self.expected,
            stamp=stream.hour,
            kept=self.runs.rates,
            settled=self.settled,
        )


def without_spells(stream: RateStream, spells: Spells) -> RateStream:
    """The batches outside some stretches of hours."""
    if not spells:
        return stream
    outside = np.ones(len(stream.hour), dtype=np.bool_)
    for first, last in spells:
        low, high = stream.hour.searchsorted([first, last + 1])
        outside[low:high] = False
    kept = stream.hour[outside], stream.n[outside], stream.bad[outside]
    return replace(stream, hour=kept[0], n=kept[1], bad=kept[2])


def follow(
    stream: RateStream,
    hours: BaselineHours,
    settings: DependencySettings,
    *,
    weight: float,
    zone: str,
    runs: Runs,
) -> FollowedRate:
    """Freeze what the closed baseline tells: volume, dispersion, weekly expectation, the rule.

    Args:
        stream: Mature batches, up to the moment that is asked about.
        hours: The baseline, closed.
        settings: The dependency's.
        weight: This metric's share of the dependency's false-alarm budget.
        zone: Where weekdays and hours are local.
        runs: Earlier runs of detectors.
    """
    followed = stream.between(hours.start_hour, None)
    baseline = followed.between(None, hours.end_hour)
    early = first_weeks(followed, hours)
    # Until two weeks have passed, what they tell would change from day to day.
    has_week = hours.end_hour - hours.start_hour >= SEASON_HOURS_MIN or len(early.hour) < len(
        followed.hour
    )

    def freeze() -> _Frozen:
        offsets = _offsets(early, hours, zone=zone) if has_week else None
        expected = None if offsets is None else offsets[hours_of_week(early.hour, zone=zone)]
        volume = baseline_volume(followed, hours, expected)
        return _Frozen(offsets, volume, rule_of(volume, hours, settings, weight=weight))

    remembered = stream.remembered or CachedStream(0)
    end_hour = max(hours.end_hour, hours.start_hour + SEASON_HOURS_MIN)
    frozen = remembered.once((hours, settings, weight, zone, has_week), end_hour, freeze)
    older = remembered.settled(followed.hour, end_hour)
    expected = None
    if frozen.offsets is not None:
        expected = frozen.offsets[hours_of_week(followed.hour, zone=zone)]
    return FollowedRate(
        stream=followed,
        baseline=baseline,
        hours=hours,
        expected=expected,
        volume=frozen.volume,
        rule=frozen.rule,
        runs=runs,
        settled=SettledPrefix(older, frozen.beginnings) if older else None,
        cells=frozen.cells if older else None,
    )


def _offsets(early: RateStream, hours: BaselineHours, *, zone: str) -> Floats | None:
    """Expectation by hour of the week, log-odds, shape (168,); of weekends where the baseline is under two weeks."""
    week = hours_of_week(early.hour, zone=zone)
    if hours.end_hour - hours.start_hour >= SEASON_HOURS_MIN:
        offsets = weekly_offsets(early.n, early.bad, week)
    else:
        day = (early.hour - hours.start_hour) // 24
        offsets = weekend_offsets(early.n, early.bad, week, day)
    return offsets if offsets.any() else None
