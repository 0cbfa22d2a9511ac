"""The points of a drift chart: one metric in buckets of time, its baseline, its alarm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.answers import DriftReport, Onset, rfc3339
from gonogo.answers.chart_points import Bucket, ChangeMark, DriftHistory, Reference
from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.intervals import rate_interval95
from gonogo.detectors.rate.null import Episode
from gonogo.drift.baseline import accepted_baseline, choose_baseline
from gonogo.drift.drift_memory import DriftMemory
from gonogo.drift.finding import DriftQuestion, hour_end, hour_start
from gonogo.drift.follow import FollowedRate, follow
from gonogo.drift.read import DriftData, read_drift
from gonogo.drift.streams import WEIGHTS
from gonogo.errors import ParameterError, plain
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import RATE_METRICS, RateMetric, RateStream
from gonogo.incidents.change_events import recorded_changes
from gonogo.ports.telemetry import DecisionLog, Telemetry
from gonogo.records import HOUR_MS, MICRO, GoldenAnswers
from gonogo.settings import Settings

POINTS_MAX = 96
CHANGES_MAX = 5
CHANGE_CHARS = 24
# An outage is drawn by the hour while it and the day before it fit into the points of a chart.
SUDDEN_HOURS_MAX = HOURS_BEFORE = 24
OUTAGE_HOURS_MAX = POINTS_MAX - HOURS_BEFORE
# 1 January 1970 was a Thursday: weeks that begin on a Monday are shifted by three days.
_MONDAY_HOURS = 72
BUCKETS: tuple[tuple[Bucket, int, int], ...] = (
    ("hour", 1, 0),
    ("day", 24, 0),
    ("week", 168, _MONDAY_HOURS),
    ("month", 720, 0),
)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """A metric hour by hour, ascending; shapes (n,). `worth`: labels that one label counts as."""

    hour: Ints
    n: Floats
    total: Floats
    worth: float = 1.0
    is_rate: bool = True


async def drift_history(
    telemetry: Telemetry,
    log: DecisionLog,
    settings: Settings,
    question: DriftQuestion,
    *,
    report: DriftReport,
    now_ms: int,
    days: float | None = None,
) -> DriftHistory | None:
    """The points of the metric that a drift report is about, at most 96 (720-hour ones have no end).

    By itself the chart begins with the first observation, or with the day before an outage that
    began in the last three days: a point a day would hide the hour of its fall.

    Args:
        telemetry: The rollups.
        log: Where a person's acceptance of a baseline stands.
        settings: The dependency's own.
        question: What was asked.
        report: What was answered; its metric is drawn.
        now_ms: Epoch milliseconds.
        days: Only so many days back from the end; None: by itself.

    Returns:
        None where nothing is recorded of the metric, or it has no mean.
    """
    data = await read_drift(telemetry, settings, question, DriftMemory(), now_ms=now_ms)
    if data is None:
        return None
    metric, followed, alarm_hour = report.metric, None, None
    began = _sudden(report.onset)
    if metric in RATE_METRICS:
        if not question.compares:
            followed = await _followed(log, settings, data, metric)
        counts = _rate(data.stream(metric), followed)
        last = _last_episode(followed)
        if last is not None and last.recovered is None:
            alarm_hour = last.alarmed
        elif last is not None and began is None:
            began = last.alarmed  # it is over: what is left of it is its alarm
    elif metric == "golden":
        counts = _golden(data.golden, data.until)
    else:
        try:
            counts = await _values(telemetry, data, settings, metric)
        except ParameterError:
            # No histogram is kept of it: what is categorical has no mean to draw.
            return None
    if days is not None:
        counts = _since(counts, data.until - math.ceil(24 * days))
    elif began is not None and data.until - began <= OUTAGE_HOURS_MAX:
        counts = _since(counts, began - HOURS_BEFORE)
    drawn = _drawn(counts, metric, followed, alarm_hour)
    return drawn and drawn.model_copy(update={"changes": await _changes(log, data, counts)})


async def _changes(log: DecisionLog, data: DriftData, counts: _Counts) -> list[ChangeMark] | None:
    """The newest changes recorded for the time that is drawn, oldest first."""
    start_ms, end_ms = int(counts.hour[0]) * HOUR_MS, data.until * HOUR_MS
    found = await recorded_changes(log, data.known.name, start_ms=start_ms, end_ms=end_ms)
    return [
        ChangeMark(at=rfc3339(one.at_ms), text=plain(one.named, CHANGE_CHARS))
        for one in reversed(found[:CHANGES_MAX])
    ] or None


def _rate(stream: RateStream, followed: FollowedRate | None) -> _Counts:
    worth = followed.volume.likely_dispersion if followed else 1.0
    return _Counts(stream.hour, stream.n, stream.told_of(stream.n, stream.bad), 1 / worth)


def _last_episode(followed: FollowedRate | None) -> Episode | None:
    episodes = followed.watch().episodes if followed else ()
    return episodes[-1] if episodes else None


def _sudden(onset: Onset | None) -> int | None:
    """The hour in which a change began that took less than a day to show; None for a slow one."""
    if onset is None:
        return None
    earliest, began, latest = (
        first_hour(moment(text, name="onset", zone="UTC").start_ms)
        for text in (onset.earliest, onset.ts, onset.latest)
    )
    return began if latest - earliest < SUDDEN_HOURS_MAX else None


async def _followed(
    log: DecisionLog, settings: Settings, data: DriftData, metric: RateMetric
) -> FollowedRate | None:
    own, stream = settings.dependency(data.known.name), data.stream(metric)
    accepted = await accepted_baseline(log, data.known.name)
    hours = choose_baseline(stream, data.counts, own, accepted, zone=settings.timezone)
    if hours is None:
        return None
    return follow(
        stream, hours, own, weight=WEIGHTS[metric], zone=settings.timezone, runs=data.runs
    )


def _golden(golden: GoldenAnswers, until: int) -> _Counts:
    days, at = np.unique(golden.day, return_inverse=True)
    n = np.bincount(at, golden.n, minlength=len(days)).astype(np.float64)
    good = np.bincount(at, golden.outcome_sum / MICRO, minlength=len(days)).astype(np.float64)
    return _until(_Counts(days * 24, n, good), until)


async def _values(
    telemetry: Telemetry, data: DriftData, settings: Settings, metric: str
) -> _Counts:
    found = await telemetry.histograms(
        data.known.name, metric, segment=data.slice_.declared, end_hour=data.until
    )
    found = data.slice_.of_histograms(found, zone=settings.timezone)
    hours, at = np.unique(found.bucket, return_inverse=True)
    n = np.bincount(at, found.n, minlength=len(hours)).astype(np.float64)
    total = np.bincount(at, found.sum / MICRO, minlength=len(hours)).astype(np.float64)
    return _Counts(hours, n, total, is_rate=False)


def _until(counts: _Counts, hour: int) -> _Counts:
    kept = counts.hour < hour
    return _Counts(counts.hour[kept], counts.n[kept], counts.total[kept])


def _since(counts: _Counts, hour: int) -> _Counts:
    kept = counts.hour >= hour
    return _Counts(
        counts.hour[kept], counts.n[kept], counts.total[kept], counts.worth, counts.is_rate
    )


def _drawn(
    counts: _Counts, metric: str, followed: FollowedRate | None, alarm_hour: int | None
) -> DriftHistory | None:
    if not len(counts.hour):
        return None
    span = int(counts.hour[-1] - counts.hour[0]) + 1
    name, size, shift = next((b for b in BUCKETS if span <= b[1] * POINTS_MAX), BUCKETS[-1])
    buckets, at = np.unique((counts.hour + shift) // size, return_inverse=True)
    n = np.bincount(at, counts.n)
    mean = np.bincount(at, counts.total) / n
    points = [counts.hour[at == point] for point in range(len(buckets))]
    low = high = None
    if counts.is_rate:
        bounds = [
            rate_interval95(min(max(m, 0.0), 1.0), k * counts.worth)
            for m, k in zip(mean.tolist(), n.tolist(), strict=True)
        ]
        low, high = [b[0] for b in bounds], [b[1] for b in bounds]
    return DriftHistory(
        metric=metric,
        bucket=name,
        bucket_s=size * 3600,
        start=rfc3339((int(buckets[0]) * size - shift) * HOUR_MS),
        at=(buckets - buckets[0]).tolist(),
        n=n.astype(np.int64).tolist(),
        mean=mean.tolist(),
        low=low,
        high=high,
        baseline=_reference(followed, points, float(np.median(n)) * counts.worth)
        if followed
        else None,
        alarm=None if alarm_hour is None else hour_end(alarm_hour),
    )


def _reference(followed: FollowedRate, points: list[Ints], n: float) -> Reference:
    """The baseline, and the band that a point of n labels' worth leaves once in twenty.

    Where hours of the week differ, it reaches from the worst of those drawn to the best.

    Args:
        followed: The rate.
        points: The hours of each point that is drawn.
        n: Labels' worth of one.
    """
    hours, stream = followed.hours, followed.stream
    parts = [stream.between(int(point[0]), int(point[-1]) + 1) for point in points]
    parts = [part for part in parts if part.labels] or [followed.baseline]
    bad = [followed.bad_before(part) for part in parts]
    expected = [stream.told(rate) for rate in bad]
    ends = [
        mean + side * 1.96 * math.sqrt(mean * (1 - mean) / n) if n else 0.5 + side / 2
        for side, mean in ((-1, min(expected)), (1, max(expected)))
    ]
    return Reference(
        start=hour_start(hours.start_hour),
        end=hour_start(hours.end_hour),
        mean=followed.baseline.mean if hours.declared_bad is None else expected[0],
        band95=(max(0.0, ends[0]), min(1.0, ends[1])),
    )
