"""Metrics that are no rates (latency, cost, tokens, confidence, the user's own), from histograms.

They never say that quality fell: a metric that moved while quality did not is `shifted`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from gonogo.answers import Baseline, Current, Evidence, Latest, Onset, Trend
from gonogo.detectors.rate.onset import OnsetFit
from gonogo.detectors.rate.rule import needed_for
from gonogo.detectors.rate.trend import slope_per_day
from gonogo.detectors.values.value_onset import fit_value_onset
from gonogo.detectors.values.value_watch import ValueRule, ValueWatch, value_rule, watch_value_sums
from gonogo.drift.baseline import AcceptedBaseline, choose_baseline, since_accepted
from gonogo.drift.drift_memory import Runs
from gonogo.drift.finding import (
    Finding,
    change_of,
    evidence_of,
    hour_end,
    hour_start,
    onset_of,
)
from gonogo.drift.follow import SEASON_HOURS_MIN, sd_of_days
from gonogo.drift.ladder import one_look
from gonogo.errors import NotEnoughData
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import BaselineHours, Gap, RateStream, missing_for_baseline
from gonogo.hours.time_slices import WEEKEND_HOUR, hours_of_week
from gonogo.hours.value_hours import MetricHours, ValueHours
from gonogo.records import HOUR_MS, HourCounts
from gonogo.settings import DependencySettings
from gonogo.text.forms import number

LATEST_HOURS = 24
_EARLY = (
    "A change in the first two weeks cannot be told from days that differ, as weekends do: evidence is "
    "of what the two largest steps between days leave unexplained, and is false where they are usual."
)


def value_finding(
    found: MetricHours,
    counts: HourCounts,
    own: DependencySettings,
    accepted: AcceptedBaseline | None,
    *,
    zone: str,
    share: float,
    runs: Runs,
) -> Finding:
    """Whether a metric's distribution moved since its baseline.

    Args:
        found: Its histograms, up to the moment that is asked about.
        counts: The dependency's hours, for a baseline that is a version.
        own: The dependency's settings.
        accepted: A new normal that a person accepted.
        zone: Where days and hours are local.
        share: This metric's share of the dependency's false-alarm budget.
        runs: Earlier runs of detectors.
    """
    values = found.hours
    stream = RateStream("error", False, values.hour, values.n, np.zeros(len(values.hour)))
    hours = choose_baseline(stream, counts, own, accepted, zone=zone)
    if hours is None:
        since = since_accepted(stream, accepted, zone=zone)
        newest = values.part(len(values.hour) - len(since.hour)) if len(since.hour) else values
        return _unjudged(newest, missing_for_baseline(since))
    first = int(np.searchsorted(values.hour, hours.start_hour))
    followed = values.part(first)
    baseline = int(np.searchsorted(followed.hour, hours.end_hour))
    if baseline == 0 or baseline == len(followed.hour):
        return _unjudged(values, _nothing_since(values.metric))
    # A week is not learned from three days, nor where rates do not learn it.
    has_weeks = hours.end_hour - hours.start_hour >= SEASON_HOURS_MIN
    early, end_hour = None, hours.end_hour
    if not has_weeks:
        end_hour = hours.start_hour + SEASON_HOURS_MIN
        early = int(np.searchsorted(followed.hour, end_hour))
    scale, sums = found.scaled(first, first + baseline)
    hour_of_week = hours_of_week(followed.hour, zone=zone) if has_weeks else None

    def learn() -> ValueRule:
        return value_rule(
            scale,
            sums,
            baseline=baseline,
            needed=_needed(float(followed.n[:baseline].sum()), hours, own, share=share),
            day=followed.hour // 24,
            hour_of_week=hour_of_week,
            early=early,
        )

    rule = found.remembered.once((hours, own, share, zone), end_hour, learn)
    kept, settled = (runs.rates, runs.scores), found.remembered.settled(followed.hour, end_hour)
    watch = watch_value_sums(rule, sums, hour_of_week=hour_of_week, kept=kept, settled=settled)
    suggests = watch.suggests and _lasts(followed, baseline, zone=zone)
    began = None
    if watch.drifted or suggests:
        began = _began(fit_value_onset(rule, sums, watch, followed.hour, hour_of_week), followed)
    return one_look(_told(followed, baseline, hours, watch, rule.needed, began, suggests=suggests))


def _needed(n: float, hours: BaselineHours, own: DependencySettings, *, share: float) -> float:
    days = max((hours.end_hour - hours.start_hour) / 24, 1.0)
    return needed_for(
        labels_per_day=max(n / days, 1.0), false_alarms_per_year=own.false_alarms_per_year * share
    )


def _nothing_since(metric: str) -> Gap:
    return Gap(
        f"no {metric} came since the baseline closed", f"Record {metric} with current calls."
    )


def _unjudged(values: ValueHours, gap: Gap) -> Finding:
    """A finding with the measured values, where no change can be judged yet."""
    n, mean, sd = values.moments()
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
        why=gap.why,
        missing=gap.missing,
    )


@dataclass(frozen=True, slots=True)
class _OnsetBatches:
    """The batches in which a change may have begun: first, likeliest, last."""

    onset: Onset
    batches: tuple[int, int, int]


def _began(found: tuple[int, OnsetFit] | None, followed: ValueHours) -> _OnsetBatches | None:
    if found is None:
        return None
    (low, fit), hour = found, followed.hour
    onset = onset_of(fit, hour[low:])
    likeliest = first_hour(moment(onset.ts, name="onset", zone="UTC").start_ms)
    at = int(np.searchsorted(hour, likeliest))
    return _OnsetBatches(onset, (low + fit.earliest, at, low + fit.latest))


def _told(
    followed: ValueHours,
    baseline: int,
    hours: BaselineHours,
    watch: ValueWatch,
    needed: float,
    began: _OnsetBatches | None,
    *,
    suggests: bool,
) -> Finding:
    spread = math.sqrt(max((part.dispersion for part in watch.parts), default=1.0))
    n_before, before, sd_before = (early := followed.part(0, baseline)).moments()
    error_before = 1.96 * spread * sd_before / math.sqrt(n_before)
    starts = (baseline,) * 3 if began is None else began.batches
    low, high = _level95(followed, starts, spread)
    current = followed.part(starts[1])
    n_after, after, sd_after = current.moments()
    change95 = (
        after - before - math.hypot(after - low, error_before),
        after - before + math.hypot(high - after, error_before),
    )

    def rest(told: Finding) -> Finding:
        daily = sd_of_days(*early.by_day()[1:], variance=sd_before**2)
        return replace(
            told,
            baseline=_baseline(hours, before, n_before),
            change=change_of(before, after, interval95=change95, baseline_sd=daily),
            trend=_trend(current, sd_after),
        )

    return Finding(
        metric=followed.metric,
        kind="mean",
        status="shifted" if watch.drifted or suggests else "stable",
        current=Current(
            mean=after,
            n=round(n_after),
            start=hour_start(int(current.hour[0])),
            end=hour_end(int(current.hour[-1])),
            interval95=(low, high),
            since="baseline" if began is None else "onset",
            latest=_latest(current, spread),
        ),
        change=change_of(before, after, interval95=change95),
        evidence=_evidence(watch, needed, suggests=suggests),
        onset=None if began is None else began.onset,
        rest=rest,
        newest_ts_ms=(int(followed.hour[-1]) + 1) * HOUR_MS,
    )


def _level95(
    followed: ValueHours, starts: tuple[int, int, int], spread: float
) -> tuple[float, float]:
    """The interval of the mean since a moment that is not known exactly: all that its range gives."""
    bounds = []
    for start in set(starts):
        n, mean, sd = followed.part(start).moments()
        error = 1.96 * spread * sd / math.sqrt(n)
        bounds += [mean - error, mean + error]
    return min(bounds), max(bounds)


def _lasts(followed: ValueHours, baseline: int, *, zone: str) -> bool:
    """Whether the newest day of a type that the baseline has is more than half as far away as all are.

    A first weekend is not like the weekdays of the baseline, and is over on Monday.
    """
    weekend = hours_of_week(followed.hour, zone=zone) >= WEEKEND_HOUR
    alike = np.flatnonzero(np.isin(weekend[baseline:], np.unique(weekend[:baseline]))) + baseline
    if not len(alike):
        return False
    newest = alike[followed.hour[alike] > followed.hour[alike[-1]] - LATEST_HOURS]
    _, before, _ = followed.part(0, baseline).moments()
    change = followed.part(baseline).moments()[1] - before
    now = float(followed.total[newest].sum() / followed.n[newest].sum())
    return (now - before) * change > change**2 / 2


def _evidence(watch: ValueWatch, needed: float, *, suggests: bool) -> Evidence:
    if suggests and watch.suggested is not None:
        log10_e = watch.suggested.told_nats / math.log(10)
        return evidence_of(log10_e, needed=needed, level="suggestive", guarantee=_EARLY)
    log10_e = watch.told_nats / math.log(10)
    return evidence_of(log10_e, needed=needed, guarantee=_guarantee(needed))


def _guarantee(needed: float) -> str:
    return (
        f"However often it is asked, evidence reaches {number(needed)} within n values with "
        f"probability at most n / {number(needed)}, while values are exchangeable with the "
        "baseline but for days and hours that differ."
    )


def _latest(current: ValueHours, spread: float) -> Latest:
    """The newest 24 hours of the current period."""
    first = int(current.hour.searchsorted(int(current.hour[-1]) + 1 - LATEST_HOURS))
    newest = current.part(first)
    n, mean, sd = newest.moments()
    error = 1.96 * spread * sd / math.sqrt(n)
    return Latest(
        mean=mean,
        n=round(n),
        start=hour_start(int(newest.hour[0])),
        end=hour_end(int(newest.hour[-1])),
        interval95=(mean - error, mean + error),
    )


def _baseline(hours: BaselineHours, mean: float, n: float) -> Baseline:
    return Baseline(
        source=hours.source,
        version=hours.version,
        mean=mean,
        n=round(n),
        start=hour_start(hours.start_hour),
        end=hour_start(hours.end_hour),
    )


def _trend(current: ValueHours, sd: float) -> Trend | None:
    try:
        fit = slope_per_day(*current.by_day(), variance=max(sd**2, 1e-12))
    except NotEnoughData:
        return None
    return Trend(per_day=fit.per_day, interval95=fit.interval95)
