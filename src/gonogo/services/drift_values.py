"""Metrics that are no rates (latency, cost, tokens, confidence, the user's own), from histograms.

They never say that quality fell: a metric that moved while quality did not is `shifted`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Current, DriftStatus, Trend
from gonogo.detectors.bins import centres, layout_named
from gonogo.detectors.predictive import needed_for
from gonogo.detectors.ranks import SparseRows
from gonogo.detectors.trend import slope_per_day
from gonogo.detectors.values import ValueWatch, watch_values
from gonogo.errors import NotEnoughData
from gonogo.records import HOUR_MS, MICRO
from gonogo.services.drift_baseline import choose_baseline
from gonogo.services.drift_data import RateStream, missing_for_baseline
from gonogo.services.drift_finding import (
    Finding,
    change_of,
    evidence_of,
    hour_end,
    hour_start,
)
from gonogo.services.drift_watch import SEASON_HOURS_MIN
from gonogo.services.time_slices import hours_of_week

if TYPE_CHECKING:
    from gonogo.records import Floats, Histograms, HourCounts, Ints
    from gonogo.services.drift_baseline import Accepted
    from gonogo.services.drift_data import BaselineHours
    from gonogo.settings import DependencySettings

# Rolled up for other purposes: outcomes are followed as a rate.
NOT_FOLLOWED = frozenset({"outcome", "outcome_lag_s", "confidence_labelled", "confidence_good"})


@dataclass(frozen=True, slots=True, eq=False)
class ValueHours:
    """A metric's histogram hour by hour; shapes (hours,), sums in the metric's unit."""

    metric: str
    hour: Ints
    n: Floats
    total: Floats
    rows: SparseRows
    centre: Floats  # of each entry of `rows`

    def from_hour(self, hour: int) -> ValueHours:
        """The hours from one on."""
        low = int(np.searchsorted(self.hour, hour))
        kept = self.rows.row >= low
        return ValueHours(
            self.metric,
            self.hour[low:],
            self.n[low:],
            self.total[low:],
            self.rows.cut(low, self.rows.rows),
            self.centre[kept],
        )

    def moments(self, low: int, high: int | None = None) -> tuple[float, float, float]:
        """Count, mean and standard deviation of the hours `low <= index < high`."""
        high = len(self.hour) if high is None else high
        n = float(self.n[low:high].sum())
        mean = float(self.total[low:high].sum()) / n if n else 0.0
        inside = slice(*np.searchsorted(self.rows.row, (low, high)))
        counts, values = self.rows.counts[inside], self.centre[inside]
        size = max(float(counts.sum()), 1.0)
        middle = float(np.dot(counts, values)) / size
        return n, mean, math.sqrt(max(float(np.dot(counts, (values - middle) ** 2)) / size, 0.0))


def value_hours(found: Histograms, end_hour: int) -> ValueHours:
    """All versions of a metric together, up to an hour."""
    hours, at = np.unique(found.bucket[found.bucket < end_hour], return_inverse=True)
    within = found.bucket < end_hour
    row_of = np.full(len(found.bucket), -1, dtype=np.int64)
    row_of[within] = at
    row = row_of[found.row]
    kept = row >= 0
    return ValueHours(
        metric=found.metric,
        hour=hours,
        n=np.bincount(at, found.n[within], minlength=len(hours)).astype(np.float64),
        total=np.bincount(at, found.sum[within], minlength=len(hours)) / MICRO,
        rows=SparseRows(
            len(hours), row[kept], found.bins[kept], found.counts[kept].astype(np.float64)
        ),
        centre=centres(layout_named(found.layout), found.bins[kept]),
    )


def value_finding(
    values: ValueHours,
    counts: HourCounts,
    own: DependencySettings,
    accepted: Accepted | None,
    *,
    zone: str,
    share: float,
) -> Finding:
    """Whether a metric's distribution moved since its baseline.

    Args:
        values: Its histograms, up to the moment that is asked about.
        counts: The dependency's hours, for a baseline that is a version.
        own: The dependency's settings.
        accepted: A new normal that a person accepted.
        zone: Where days and hours are local.
        share: This metric's share of the dependency's false-alarm budget.
    """
    stream = RateStream("error", False, values.hour, values.n, np.zeros(len(values.hour)))
    hours = choose_baseline(stream, counts, own, accepted, zone=zone)
    if hours is None:
        return _unjudged(values, missing_for_baseline(stream))
    followed = values.from_hour(hours.start_hour)
    baseline = int(np.searchsorted(followed.hour, hours.end_hour))
    if baseline == 0 or baseline == len(followed.hour):
        return _unjudged(values, f"No {values.metric} came since the baseline closed.")
    days = max((hours.end_hour - hours.start_hour) / 24, 1.0)
    needed = needed_for(
        labels_per_day=max(float(followed.n[:baseline].sum()) / days, 1.0),
        false_alarms_per_year=own.false_alarms_per_year * share,
    )
    early = None
    if hours.end_hour - hours.start_hour < SEASON_HOURS_MIN:
        early = int(np.searchsorted(followed.hour, hours.start_hour + SEASON_HOURS_MIN))
    watch = watch_values(
        followed.rows,
        baseline=baseline,
        needed=needed,
        day=followed.hour // 24,
        hour_of_week=hours_of_week(followed.hour, zone=zone),
        early=early,
    )
    return _told(followed, baseline, hours, watch, needed)


def _unjudged(values: ValueHours, missing: str) -> Finding:
    """What was measured, where nothing can be said of a change yet."""
    n, mean, sd = values.moments(0)
    error = 1.96 * sd / math.sqrt(n)
    return Finding(
        metric=values.metric,
        kind="mean",
        status="insufficient_data",
        current=Current(
            mean=mean,
            n=round(n),
            start=hour_start(int(values.hour[0])),
            end=hour_end(int(values.hour[-1])),
            interval95=(mean - error, mean + error),
        ),
        missing=missing,
    )


def _told(
    followed: ValueHours, baseline: int, hours: BaselineHours, watch: ValueWatch, needed: float
) -> Finding:
    status: DriftStatus = "shifted" if watch.drifted else "stable"
    spread = math.sqrt(max((part.dispersion for part in watch.parts), default=1.0))
    n_before, before, sd_before = followed.moments(0, baseline)
    n_after, after, sd_after = followed.moments(baseline)
    error_after = 1.96 * spread * sd_after / math.sqrt(n_after)
    error = math.hypot(error_after, 1.96 * spread * sd_before / math.sqrt(n_before))
    low, high = after - before - error, after - before + error
    return Finding(
        metric=followed.metric,
        kind="mean",
        status=status,
        baseline=Baseline(
            source=hours.source,
            version=hours.version,
            mean=before,
            n=round(n_before),
            start=hour_start(hours.start_hour),
            end=hour_start(hours.end_hour),
        ),
        current=Current(
            mean=after,
            n=round(n_after),
            start=hour_start(int(followed.hour[baseline])),
            end=hour_end(int(followed.hour[-1])),
            interval95=(after - error_after, after + error_after),
        ),
        change=change_of(
            before, after, interval95=(low, high), baseline_sd=_daily_sd(followed, baseline)
        ),
        evidence=evidence_of(
            float(watch.evidence_nats[-1]) / math.log(10),
            needed=needed,
            guarantee=(
                f"However often it is asked, evidence reaches {needed:,.0f} within n values with "
                f"probability at most n / {needed:,.0f}, while values are exchangeable with the "
                "baseline but for days and hours that differ."
            ),
        ),
        trend=_trend(followed, baseline, sd_after),
        newest_ts_ms=(int(followed.hour[-1]) + 1) * HOUR_MS,
    )


def _daily_sd(followed: ValueHours, baseline: int) -> float | None:
    """Standard deviation of the baseline's daily means; None under three days."""
    days, at = np.unique(followed.hour[:baseline] // 24, return_inverse=True)
    if len(days) < 3:  # noqa: PLR2004
        return None
    means = np.bincount(at, followed.total[:baseline]) / np.bincount(at, followed.n[:baseline])
    return float(means.std(ddof=1)) or None


def _trend(followed: ValueHours, baseline: int, sd: float) -> Trend | None:
    days, at = np.unique(followed.hour[baseline:] // 24, return_inverse=True)
    n = np.bincount(at, followed.n[baseline:])
    total = np.bincount(at, followed.total[baseline:])
    try:
        fit = slope_per_day(days, n, total, variance=max(sd**2, 1e-12))
    except NotEnoughData:
        return None
    return Trend(per_day=fit.per_day, interval95=fit.interval95)
