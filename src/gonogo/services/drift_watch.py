"""One rate followed as a stream, from its baseline to the moment that is asked about.

Evidence is a pure function of the mature hourly counts since the baseline began: any order and
batching of arrival gives the same answer, and an earlier moment is a slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import Baseline, Change, Current, DriftStatus, Onset, Trend
from gonogo.detectors.dispersion import early_dispersion
from gonogo.detectors.onset import fit_onset
from gonogo.detectors.power import detectable_now
from gonogo.detectors.predictive import (
    Dispersion,
    RateRule,
    daily_dispersion,
    deltas_for,
    needed_for,
)
from gonogo.detectors.predictive_hours import RateWatch, Status, watch_rate
from gonogo.detectors.predictive_starts import RateSince, rate_since, start_weights
from gonogo.detectors.seasons import weekly_offsets
from gonogo.detectors.trend import slope_per_day
from gonogo.errors import NotEnoughData
from gonogo.records import HOUR_MS
from gonogo.services.drift_finding import (
    Finding,
    change_of,
    difference_interval95,
    evidence_of,
    hour_end,
    hour_start,
    rate_interval95,
)
from gonogo.services.time_slices import hours_of_week

if TYPE_CHECKING:
    from gonogo.records import Floats
    from gonogo.services.drift_data import BaselineHours, Maturity, RateStream
    from gonogo.settings import DependencySettings

DAYS_A_YEAR = 365.25
SD_DAYS_MIN = 3
SEASON_HOURS_MIN = 14 * 24
_STATUS: dict[Status, DriftStatus] = {
    "quiet": "stable",
    "recovered": "stable",
    "up": "degraded",
    "down": "improved",
}


@dataclass(frozen=True, slots=True)
class Volume:
    """What is frozen when the baseline closes: labels a day, and how much days differ."""

    labels_per_day: float
    dispersion: Dispersion
    daily_sd: float | None  # of the daily means, in the metric's units


def baseline_volume(
    followed: RateStream, hours: BaselineHours, expected: Floats | None = None
) -> Volume:
    """Measure the closed baseline: volume, dispersion of its days, spread of its daily means.

    Under two weeks of baseline, the first two weeks of the stream tell how much days differ. What
    the weekly expectation explains does not count as dispersion.
    """
    baseline = followed.between(None, hours.end_hour)
    days = max((hours.end_hour - hours.start_hour) / 24, 1.0)
    _, n, bad = baseline.by_day()
    means = bad / n
    spread = float(means.std(ddof=1)) if len(means) >= SD_DAYS_MIN else 0.0
    if hours.end_hour - hours.start_hour >= SEASON_HOURS_MIN:
        dispersion = daily_dispersion(n, _without_season(baseline, expected))
    else:
        early = followed.between(None, hours.start_hour + SEASON_HOURS_MIN)
        dispersion = early_dispersion(*early.by_day()[1:])
    return Volume(max(baseline.labels / days, 1.0), dispersion, spread or None)


def _without_season(baseline: RateStream, expected: Floats | None) -> Floats:
    """Bad labels a day, less what the weekly expectation adds to or takes from the mean rate."""
    _, n, bad = baseline.by_day()
    if expected is None:
        return bad
    own = min(max(baseline.bad_rate, 1e-6), 1 - 1e-6)
    centre = math.log(own / (1 - own))
    seasonal = 1 / (1 + np.exp(-(centre + expected[: len(baseline.hour)]))) - own
    _, at = np.unique(baseline.hour // 24, return_inverse=True)
    return np.clip(bad - np.bincount(at, baseline.n * seasonal), 0, n)


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


def watch_stream(
    stream: RateStream,
    hours: BaselineHours,
    settings: DependencySettings,
    *,
    weight: float,
    maturity: Maturity,
    zone: str,
) -> Finding:
    """Follow a rate from the first label of its baseline to the last mature hour.

    Args:
        stream: Mature batches, up to the moment that is asked about.
        hours: The baseline, closed.
        settings: The dependency's.
        weight: This metric's share of the dependency's false-alarm budget.
        maturity: How long outcomes take, for the guarantee.
        zone: Where weekdays and hours are local.
    """
    followed = stream.between(hours.start_hour, None)
    baseline = followed.between(None, hours.end_hour)
    expected = _expected(followed, baseline, hours, zone=zone)
    volume = baseline_volume(followed, hours, expected)
    rule = rule_of(volume, hours, settings, weight=weight)
    watch = watch_rate(followed.n, followed.bad, rule, offset=expected, stamp=followed.hour)
    alarm = None
    if watch.status in ("up", "down"):
        alarm = _alarm(followed, baseline, rule, watch, expected)
    current = followed.between(_current_start(watch, hours, alarm), None)
    if not current.labels:
        return _nothing_since(baseline, hours)
    return Finding(
        metric=stream.metric,
        status=_STATUS[watch.status],
        baseline=_baseline(baseline, hours),
        current=_current(current, volume),
        change=_change(baseline, current, hours, volume, alarm),
        evidence=evidence_of(
            float(watch.evidence_nats[-1]) / math.log(10),
            needed=rule.needed,
            guarantee=_guarantee(settings, volume, maturity, weight=weight),
        ),
        onset=alarm.onset if alarm else None,
        trend=_trend(current),
        detectable_now=detectable_now(
            before=float(baseline.labels),
            since=float(current.labels),
            rate=min(max(baseline.bad_rate, 1e-6), 1 - 1e-6),
            rule=rule,
        ),
        newest_ts_ms=(int(current.hour[-1]) + 1) * HOUR_MS,
    )


@dataclass(frozen=True, slots=True)
class _Alarm:
    """What is said of a change that is found: when it began, and how far the rate went since."""

    onset: Onset
    onset_hour: int
    since: RateSince


def _alarm(
    followed: RateStream,
    baseline: RateStream,
    rule: RateRule,
    watch: RateWatch,
    expected: Floats | None,
) -> _Alarm:
    side = watch.episodes[-1].side
    n, bad = followed.n, followed.bad
    starts = start_weights(n, bad, rule, watch, side=side, offset=expected)
    # A baseline whose own end is already bad is found as well: the onset may then lie within it.
    first = len(baseline.hour) if starts.quantile(0.5) >= len(baseline.hour) else 1
    low = watch.since if watch.since < first else 0
    fit = fit_onset(
        n[low:],
        bad[low:],
        first=max(first - low, 1),
        time=followed.hour[low:],
        dispersion=rule.dispersion,
    )
    hour = followed.hour[low:]
    return _Alarm(
        onset=Onset(
            ts=hour_start(int(hour[fit.onset])),
            earliest=hour_start(int(hour[fit.earliest])),
            latest=hour_start(int(hour[fit.latest])),
            shape=fit.shape,
        ),
        onset_hour=int(hour[fit.onset]),
        since=rate_since(n, bad, rule, starts),
    )


def _trend(current: RateStream) -> Trend | None:
    days, n, bad = current.by_day()
    try:
        fit = slope_per_day(days, n, n - bad if current.metric == "outcome" else bad)
    except NotEnoughData:
        return None
    return Trend(per_day=fit.per_day, interval95=fit.interval95)


def _expected(
    followed: RateStream, baseline: RateStream, hours: BaselineHours, *, zone: str
) -> Floats | None:
    """Weekly expectation of each batch, log-odds; None where the baseline is under two weeks."""
    if hours.end_hour - hours.start_hour < SEASON_HOURS_MIN:
        return None
    offsets = weekly_offsets(baseline.n, baseline.bad, hours_of_week(baseline.hour, zone=zone))
    if not offsets.any():
        return None
    return offsets[hours_of_week(followed.hour, zone=zone)]


def _current_start(watch: RateWatch, hours: BaselineHours, alarm: _Alarm | None) -> int:
    """The hour from which the current period runs: the onset, the recovery, or the baseline's end."""
    if alarm is not None:
        return alarm.onset_hour
    if watch.status == "recovered" and watch.episodes[-1].recovered is not None:
        return max(hours.end_hour, watch.episodes[-1].recovered + 1)
    return hours.end_hour


def _baseline(baseline: RateStream, hours: BaselineHours) -> Baseline:
    return Baseline(
        source=hours.source,
        version=hours.version,
        mean=_mean_before(baseline, hours),
        n=baseline.labels,
        start=hour_start(hours.start_hour),
        end=hour_start(hours.end_hour),
    )


def _current(current: RateStream, volume: Volume) -> Current:
    return Current(
        mean=current.mean,
        n=current.labels,
        start=hour_start(int(current.hour[0])),
        end=hour_end(int(current.hour[-1])),
        interval95=rate_interval95(current.mean, current.labels / volume.dispersion.used),
    )


def _change(
    baseline: RateStream,
    current: RateStream,
    hours: BaselineHours,
    volume: Volume,
    alarm: _Alarm | None,
) -> Change:
    before, spread = _mean_before(baseline, hours), volume.dispersion.used
    if alarm is not None:
        # What raised an alarm was picked for looking large: the estimate is shrunk for that.
        sign = -1.0 if baseline.metric == "outcome" else 1.0
        bounds = sorted((sign * alarm.since.change_low, sign * alarm.since.change_high))
        return change_of(
            before,
            before + sign * alarm.since.change,
            interval95=(bounds[0], bounds[1]),
            baseline_sd=volume.daily_sd,
        )
    n_before = math.inf if hours.declared_bad is not None else float(baseline.labels)
    return change_of(
        before,
        current.mean,
        interval95=difference_interval95(
            before, n_before / spread, current.mean, current.labels / spread
        ),
        baseline_sd=volume.daily_sd,
    )


def _mean_before(baseline: RateStream, hours: BaselineHours) -> float:
    if hours.declared_bad is None:
        return baseline.mean
    return 1 - hours.declared_bad if baseline.metric == "outcome" else hours.declared_bad


def _nothing_since(baseline: RateStream, hours: BaselineHours) -> Finding:
    wanted = "outcomes" if baseline.metric == "outcome" else "calls"
    return Finding(
        metric=baseline.metric,
        status="insufficient_data",
        missing=f"The baseline closed at {hour_start(hours.end_hour)}; no {wanted} came since.",
    )


def _guarantee(
    settings: DependencySettings, volume: Volume, maturity: Maturity, *, weight: float
) -> str:
    days = DAYS_A_YEAR / (settings.false_alarms_per_year * weight)
    told = (
        f"However often it is asked, at most one false alarm is expected in {days:,.0f} days at "
        f"{volume.labels_per_day:,.0f} labels a day, while labels are exchangeable"
    )
    if volume.dispersion.used > 1:
        told += f" (a label counts as 1/{volume.dispersion.used:.2f}, for days that differ)"
    told += "; averaged over baselines, and it counts labels, not days."
    if not maturity.prompt:
        told += f" Outcomes are counted once 95% have come, after {maturity.lag_s / 3600:.1f} h."
    return told
