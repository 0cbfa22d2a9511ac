"""Has a dependency degraded, improved or shifted; how much, since when, where, how sure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import DriftReport, Immature, Signal, VersionMean, rfc3339
from gonogo.errors import NotEnoughData, ParameterError, UnknownTarget
from gonogo.records import HOUR_MS, MICRO
from gonogo.services.drift_baseline import accepted_baseline
from gonogo.services.drift_compare import Sides, compare_golden, compare_sides, named_versions
from gonogo.services.drift_data import (
    RATE_METRICS,
)
from gonogo.services.drift_finding import DriftQuestion, Finding
from gonogo.services.drift_read import DriftData, read_drift
from gonogo.services.drift_slices import SHOWN
from gonogo.services.drift_streams import Streams, followed_streams, followed_values
from gonogo.services.drift_words import VERDICT_OF, next_actions, summary
from gonogo.services.periods import first_hour, moment

if TYPE_CHECKING:
    from gonogo.records import Dependency
    from gonogo.services.ports import DecisionLog, Telemetry
    from gonogo.settings import DependencySettings, Settings

__all__ = ["DriftQuestion", "RecentReports", "check_drift"]

RECENT_MAX = 512
QUALITY_RANK = {"outcome": 0, "golden": 1, "error": 2}


async def check_drift(
    telemetry: Telemetry,
    log: DecisionLog,
    settings: Settings,
    question: DriftQuestion,
    *,
    now_ms: int,
    recent: RecentReports | None = None,
) -> DriftReport:
    """Answer one drift question from the rollups.

    Raises:
        UnknownTarget: the dependency, a version, a segment or the metric is not known.
        ParameterError: a time is malformed.
    """
    known = await telemetry.dependency(question.dependency)
    if known is None:
        names = [d.name for d in await telemetry.dependencies(limit=1000)]
        advice = "Record observations first, or check the name."
        raise UnknownTarget("dependency", question.dependency, names, advice)
    _refuse_unknown_metric(question, known)
    accepted = None if question.compares else await accepted_baseline(log, known.name)
    key = (question, known.rev, accepted, now_ms // HOUR_MS)
    kept = recent.get(key) if recent is not None else None
    if kept is not None:
        age_s = max(0, (now_ms - known.newest_ts_ms) // 1000)
        return kept.model_copy(update={"as_of": rfc3339(now_ms), "data_age_s": age_s})
    own = settings.dependency(known.name)
    data = await read_drift(telemetry, known, settings, question, now_ms=now_ms)
    if question.compares:
        found = Streams(tuple(_compared(data, settings, question)))
    else:
        found = await followed_streams(telemetry, data, question, settings, accepted)
    decisive = _decisive(list(found.findings), question.metric)
    if not (question.compares or question.until) and _is_stale(decisive, data, own, now_ms):
        decisive = _stale(decisive, known, own, now_ms)
    report = _report(data, own, question, decisive, found, now_ms=now_ms)
    if recent is not None:
        recent.keep(key, report)
    return report


class RecentReports:
    """The newest reports, each good while nothing was recorded and the hour has not turned."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, DriftReport] = OrderedDict()

    def get(self, key: object) -> DriftReport | None:
        """The report that was kept under a key."""
        return self._kept.get(key)

    def keep(self, key: object, report: DriftReport) -> None:
        """Keep a report; the oldest one gives way."""
        self._kept[key] = report
        if len(self._kept) > RECENT_MAX:
            self._kept.popitem(last=False)


def _refuse_unknown_metric(question: DriftQuestion, known: Dependency) -> None:
    offered = [*RATE_METRICS, "golden", *followed_values(known)]
    if question.metric is not None and question.metric not in offered:
        raise UnknownTarget(f"metric of {known.name}", question.metric, offered)


def _compared(data: DriftData, settings: Settings, question: DriftQuestion) -> list[Finding]:
    own = settings.dependency(data.known.name)
    try:
        sides = _sides(data, settings, question)
    except NotEnoughData as thin:
        return [Finding(metric="outcome", status="insufficient_data", missing=str(thin))]
    golden = compare_golden(data.golden, sides) if question.segment is None else None
    findings = []
    for metric in RATE_METRICS:
        before = data.stream(metric, sides.before_version).between(*sides.before_hours)
        after = data.stream(metric, sides.after_version).between(*sides.after_hours)
        pairs = golden if metric == "outcome" else None
        findings.append(compare_sides(before, after, pairs, sides=sides, min_effect=own.min_effect))
    return findings


def _sides(data: DriftData, settings: Settings, question: DriftQuestion) -> Sides:
    since = None
    if question.since is not None:
        named = moment(question.since, name="since", zone=settings.timezone)
        since = first_hour(named.start_ms)
        if since >= data.until:
            raise ParameterError(f"since {question.since} is not before the end of the period.")
    if question.baseline_version is None and question.version is None:
        return Sides(None, None, (None, since), (since, data.until))
    before, after = named_versions(
        data.known, baseline_version=question.baseline_version, version=question.version
    )
    return Sides(before, after, (None, data.until), (since, data.until))


def _decisive(findings: list[Finding], asked: str | None) -> Finding:
    """The finding that the verdict follows: the metric asked for, else quality, else what moved."""
    if asked is not None:
        return next((f for f in findings if f.metric == asked), findings[0])
    quality = [f for f in findings if f.metric in QUALITY_RANK]
    degraded = [f for f in quality if f.status == "degraded"]
    if degraded:
        return max(degraded, key=lambda f: f.strength)
    moved = [f for f in findings if f.status == "shifted"]
    if moved:
        return max(moved, key=lambda f: f.strength)
    known = [f for f in quality if f.status != "insufficient_data"]
    outcome = next((f for f in quality if f.metric == "outcome"), None)
    if outcome is not None and outcome.status == "insufficient_data":
        # Outcomes that are too few to judge are not outweighed by calls that did not fail.
        known = [f for f in known if f.metric == "golden"]
    improved = [f for f in known if f.status == "improved"]
    candidates = improved or known or quality or findings
    return min(candidates, key=lambda f: QUALITY_RANK.get(f.metric, len(QUALITY_RANK)))


def _is_stale(finding: Finding, data: DriftData, own: DependencySettings, now_ms: int) -> bool:
    """Whether the newest label that could have come is older than the user bears."""
    if finding.newest_ts_ms is None:
        return False
    allowed_ms = (own.stale_after_s + data.maturity.lag_s) * 1000
    return now_ms - finding.newest_ts_ms > allowed_ms


def _stale(finding: Finding, known: Dependency, own: DependencySettings, now_ms: int) -> Finding:
    days = (now_ms - (finding.newest_ts_ms or known.newest_ts_ms)) / 86_400_000
    return replace(
        finding,
        status="insufficient_data",
        missing=(
            f"The newest data are {days:.1f} days old, older than {own.stale_after_s / 86_400:g} "
            "days: record current observations, or ask with until or version for the past."
        ),
    )


def _report(
    data: DriftData,
    own: DependencySettings,
    question: DriftQuestion,
    decisive: Finding,
    found: Streams,
    *,
    now_ms: int,
) -> DriftReport:
    verdict = VERDICT_OF[decisive.status]
    others = [f for f in found.findings if f is not decisive and f.evidence is not None]
    golden = next((f.golden for f in (decisive, *found.findings) if f.golden is not None), None)
    return DriftReport(
        verdict=verdict,
        summary=summary(data.known.name, decisive),
        as_of=rfc3339(now_ms),
        data_age_s=max(0, (now_ms - data.known.newest_ts_ms) // 1000),
        next_actions=next_actions(question, decisive, own),
        dependency=data.known.name,
        metric=decisive.metric,
        status=decisive.status,
        baseline=decisive.baseline,
        current=decisive.current,
        change=decisive.change,
        evidence=decisive.evidence,
        onset=decisive.onset,
        trend=decisive.trend,
        segments=list(found.segments[: SHOWN[question.detail]]) or None,
        mix_shift=found.mix_shift,
        signals=[_signal(f) for f in others] or None,
        golden=golden,
        versions=_versions(data, decisive),
        immature=_immature(data),
        detectable_now=decisive.detectable_now,
        missing=decisive.missing,
    )


def _signal(finding: Finding) -> Signal:
    return Signal(
        metric=finding.metric,
        kind="rate" if finding.metric in QUALITY_RANK else "distribution",
        status=finding.status,
        change=finding.change.absolute if finding.change else None,
        e_value=finding.evidence.e_value if finding.evidence else None,
    )


def _versions(data: DriftData, decisive: Finding) -> list[VersionMean] | None:
    """The versions seen in the current period, with n and mean outcome."""
    if decisive.current is None or decisive.current.start is None:
        return None
    start = first_hour(moment(decisive.current.start, name="start", zone="UTC").start_ms)
    counts = data.counts if len(data.counts.hour) else data.golden_counts
    seen = []
    for index, version in enumerate(counts.versions):
        rows = (counts.version == index) & (counts.hour >= start)
        labels = int(counts.labels[rows].sum())
        if n := int(counts.n[rows].sum()):
            mean = float(counts.outcome_sum[rows].sum()) / MICRO / labels if labels else None
            seen.append(VersionMean(version=version, n=n, mean=mean))
    return seen or None


def _immature(data: DriftData) -> Immature | None:
    young = data.counts.hour >= data.mature_until
    if not young.any():
        return None
    return Immature(
        hours=len(np.unique(data.counts.hour[young])), n=int(data.counts.labels[young].sum())
    )
