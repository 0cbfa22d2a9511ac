"""What a run of the rate detector says, in numbers: the change, its onset, what would have shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gonogo.answers import Baseline, Change, Current, DriftStatus, Onset, Trend
from gonogo.detectors.onset import fit_onset
from gonogo.detectors.power import detectable_now
from gonogo.detectors.predictive_hours import RateWatch, Status
from gonogo.detectors.predictive_starts import RateSince, rate_since, start_weights
from gonogo.detectors.trend import slope_per_day
from gonogo.errors import NotEnoughData
from gonogo.records import HOUR_MS
from gonogo.services.drift_data import Gap
from gonogo.services.drift_finding import (
    Finding,
    change_of,
    difference_interval95,
    evidence_of,
    hour_end,
    hour_start,
    rate_interval95,
)
from gonogo.text.forms import minute, number

if TYPE_CHECKING:
    from gonogo.services.drift_data import BaselineHours, Maturity, RateStream
    from gonogo.services.drift_watch import Followed, Volume
    from gonogo.settings import DependencySettings

DAYS_A_YEAR = 365.25
_STATUS: dict[Status, DriftStatus] = {
    "quiet": "stable",
    "recovered": "stable",
    "up": "degraded",
    "down": "improved",
}


def finding_of(
    followed: Followed,
    watch: RateWatch,
    settings: DependencySettings,
    *,
    weight: float,
    maturity: Maturity,
) -> Finding:
    """What the run says, in numbers. An alarm is explained from the whole run.

    Args:
        followed: The rate.
        watch: The detector's run over it; over all of it while an alarm lasts.
        settings: The dependency's.
        weight: This metric's share of the dependency's false-alarm budget.
        maturity: How long outcomes take, for the guarantee.
    """
    hours, baseline, volume = followed.hours, followed.baseline, followed.volume
    alarm = _alarm(followed, watch) if watch.status in ("up", "down") else None
    current = followed.stream.between(_current_start(watch, hours, alarm), None)
    if not current.labels:
        return _nothing_since(baseline, hours)

    def rest(told: Finding) -> Finding:
        shown = detectable_now(
            before=float(baseline.labels),
            since=float(current.labels),
            rate=min(max(baseline.bad_rate, 1e-6), 1 - 1e-6),
            rule=followed.rule,
        )
        return replace(
            told,
            baseline=_baseline(baseline, hours),
            trend=_trend(current),
            detectable_now=shown,
        )

    return Finding(
        metric=baseline.metric,
        status=_STATUS[watch.status],
        current=_current(current, volume),
        change=_change(baseline, current, hours, volume, alarm),
        evidence=evidence_of(
            float(watch.evidence_nats[-1]) / math.log(10),
            needed=followed.rule.needed,
            guarantee=_guarantee(settings, volume, maturity, weight=weight),
        ),
        onset=alarm.onset if alarm else None,
        rest=rest,
        newest_ts_ms=(int(current.hour[-1]) + 1) * HOUR_MS,
    )


@dataclass(frozen=True, slots=True)
class _Alarm:
    """What is said of a change that is found: when it began, and how far the rate went since."""

    onset: Onset
    onset_hour: int
    since: RateSince


def _alarm(followed: Followed, watch: RateWatch) -> _Alarm:
    stream, baseline, rule = followed.stream, followed.baseline, followed.rule
    side = watch.episodes[-1].side
    n, bad = stream.n, stream.bad
    starts = start_weights(n, bad, rule, watch, side=side, offset=followed.expected)
    # A baseline whose own end is already bad is found as well: the onset may then lie within it.
    first = len(baseline.hour) if starts.quantile(0.5) >= len(baseline.hour) else 1
    low = watch.since if watch.since < first else 0
    fit = fit_onset(
        n[low:],
        bad[low:],
        first=max(first - low, 1),
        time=stream.hour[low:],
        dispersion=rule.dispersion,
    )
    hour = stream.hour[low:]
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
        # What raised an alarm was picked for looking large: a shrunk estimate stands beside it.
        sign = -1.0 if baseline.metric == "outcome" else 1.0
        bounds = sorted((sign * alarm.since.change_low, sign * alarm.since.change_high))
        return change_of(
            before,
            current.mean,
            interval95=(bounds[0], bounds[1]),
            baseline_sd=volume.daily_sd,
            shrunk=sign * alarm.since.change,
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
    closed = minute(hour_start(hours.end_hour))
    gap = Gap(
        f"its baseline closed at {closed} and no {wanted} came since",
        f"Record {wanted} of calls after {closed}.",
    )
    return unjudged(baseline, gap)


def unjudged(stream: RateStream, gap: Gap) -> Finding:
    """What was measured, where nothing can be said of a change yet."""
    current = None
    if stream.labels:
        current = Current(
            mean=stream.mean,
            n=stream.labels,
            start=hour_start(int(stream.hour[0])),
            end=hour_end(int(stream.hour[-1])),
            interval95=rate_interval95(stream.mean, stream.labels),
        )
    return Finding(
        metric=stream.metric, status="insufficient_data", current=current, **gap._asdict()
    )


def _a_day(labels: float) -> str:
    return number(round(labels) if labels >= 10 else labels)  # noqa: PLR2004


def _guarantee(
    settings: DependencySettings, volume: Volume, maturity: Maturity, *, weight: float
) -> str:
    days = DAYS_A_YEAR / (settings.false_alarms_per_year * weight)
    told = (
        f"However often it is asked, at most one false alarm is expected in {number(days)} days at "
        f"{_a_day(volume.labels_per_day)} labels a day, while labels are exchangeable"
    )
    if volume.dispersion.used > 1:
        told += f" (a label counts as 1/{number(volume.dispersion.used)}, for days that differ)"
    told += "; averaged over baselines, and it counts labels, not days."
    if not maturity.prompt:
        told += (
            f" Outcomes are counted once 95% have come, after {number(maturity.lag_s / 3600)} h."
        )
    return told
