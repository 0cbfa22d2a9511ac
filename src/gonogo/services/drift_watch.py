"""One rate followed as a stream, from its baseline to the moment that is asked about.

Evidence is a pure function of the mature hourly counts since the baseline began: any order and
batching of arrival gives the same answer, and an earlier moment is a slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.answers import Baseline, Current, DriftStatus
from gonogo.detectors.predictive import (
    Dispersion,
    RateRule,
    daily_dispersion,
    deltas_for,
    needed_for,
)
from gonogo.detectors.predictive_hours import RateWatch, watch_rate
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

if TYPE_CHECKING:
    from gonogo.services.drift_data import BaselineHours, Maturity, RateStream
    from gonogo.settings import DependencySettings

DAYS_A_YEAR = 365.25
SD_DAYS_MIN = 3


@dataclass(frozen=True, slots=True)
class Volume:
    """What is frozen when the baseline closes: labels a day, and how much days differ."""

    labels_per_day: float
    dispersion: Dispersion
    daily_sd: float | None  # of the daily means, in the metric's units


def baseline_volume(baseline: RateStream, hours: BaselineHours) -> Volume:
    """Measure the closed baseline: volume, dispersion of its days, spread of its daily means."""
    days = max((hours.end_hour - hours.start_hour) / 24, 1.0)
    _, n, bad = baseline.by_day()
    means = bad / n
    spread = float(means.std(ddof=1)) if len(means) >= SD_DAYS_MIN else 0.0
    return Volume(
        labels_per_day=max(baseline.labels / days, 1.0),
        dispersion=daily_dispersion(n, bad),
        daily_sd=spread or None,
    )


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
) -> Finding:
    """Follow a rate from the first label of its baseline to the last mature hour.

    Args:
        stream: Mature batches, up to the moment that is asked about.
        hours: The baseline, closed.
        settings: The dependency's.
        weight: This metric's share of the dependency's false-alarm budget.
        maturity: How long outcomes take, for the guarantee.
    """
    followed = stream.between(hours.start_hour, None)
    baseline = followed.between(None, hours.end_hour)
    volume = baseline_volume(baseline, hours)
    rule = rule_of(volume, hours, settings, weight=weight)
    watch = watch_rate(followed.n, followed.bad, rule, stamp=followed.hour)
    status, start_hour = _status(watch, hours)
    current = followed.between(start_hour, None)
    if not current.labels:
        return _nothing_since(baseline, hours)
    mean_before = baseline.mean if hours.declared_bad is None else _declared_mean(stream, hours)
    n_before = baseline.labels / volume.dispersion.used if hours.declared_bad is None else math.inf
    n_after = current.labels / volume.dispersion.used
    return Finding(
        metric=stream.metric,
        status=status,
        baseline=Baseline(
            source=hours.source,
            version=hours.version,
            mean=mean_before,
            n=baseline.labels,
            start=hour_start(hours.start_hour),
            end=hour_start(hours.end_hour),
        ),
        current=Current(
            mean=current.mean,
            n=current.labels,
            start=hour_start(int(current.hour[0])),
            end=hour_end(int(current.hour[-1])),
            interval95=rate_interval95(current.mean, n_after),
        ),
        change=change_of(
            mean_before,
            current.mean,
            interval95=difference_interval95(mean_before, n_before, current.mean, n_after),
            baseline_sd=volume.daily_sd,
        ),
        evidence=evidence_of(
            float(watch.evidence_nats[-1]) / math.log(10),
            needed=rule.needed,
            guarantee=_guarantee(settings, volume, maturity, weight=weight),
        ),
        newest_ts_ms=(int(current.hour[-1]) + 1) * HOUR_MS,
    )


def _status(watch: RateWatch, hours: BaselineHours) -> tuple[DriftStatus, int]:
    """The status, and the hour from which the current period runs."""
    if watch.status in ("up", "down"):
        episode = watch.episodes[-1]
        return ("degraded" if watch.status == "up" else "improved"), episode.alarmed
    if watch.status == "recovered" and watch.episodes[-1].recovered is not None:
        return "stable", max(hours.end_hour, watch.episodes[-1].recovered)
    return "stable", hours.end_hour


def _declared_mean(stream: RateStream, hours: BaselineHours) -> float:
    bad = hours.declared_bad or 0.0
    return 1 - bad if stream.metric == "outcome" else bad


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
