"""Has a dependency degraded, improved or shifted; how much, since when, where, how sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gonogo.answers import DriftReport, Immature, Signal, VersionMean, rfc3339
from gonogo.errors import NotEnoughData, ParameterError, UnknownTarget
from gonogo.records import HOUR_MS, MICRO
from gonogo.services.drift_baseline import accepted_baseline, choose_baseline
from gonogo.services.drift_compare import Sides, compare_golden, compare_sides, named_versions
from gonogo.services.drift_data import (
    RATE_METRICS,
    Maturity,
    RateMetric,
    RateStream,
    maturity,
    missing_for_baseline,
    rate_stream,
)
from gonogo.services.drift_finding import DriftQuestion, Finding
from gonogo.services.drift_golden import golden_finding
from gonogo.services.drift_reading import finding_of
from gonogo.services.drift_watch import follow, watched
from gonogo.services.drift_words import VERDICT_OF, next_actions, summary
from gonogo.services.periods import first_hour, moment
from gonogo.services.time_slices import parse_segment

if TYPE_CHECKING:
    from gonogo.records import Dependency, GoldenAnswers, HourCounts
    from gonogo.services.drift_baseline import Accepted
    from gonogo.services.ports import DecisionLog, Telemetry
    from gonogo.settings import DependencySettings, Settings

__all__ = ["DriftQuestion", "check_drift"]

# Shares of the dependency's one false-alarm budget: half for quality, of which most goes to
# outcomes; an error rate or a golden set that breaks is seen at a small share as well.
WEIGHTS = {"outcome": 0.3, "error": 0.1, "golden": 0.1}
PROMPT = Maturity(0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Everything that was read for one question, up to the moment that is asked about."""

    known: Dependency
    counts: HourCounts
    golden_counts: HourCounts
    golden: GoldenAnswers
    maturity: Maturity
    mature_until: int  # hours, exclusive
    until: int  # hours, exclusive

    def stream(self, metric: RateMetric, version: str | None = None) -> RateStream:
        """A rate up to now; golden answers stand in where there is nothing else."""
        end = self.mature_until if metric == "outcome" else self.until
        own = rate_stream(self.counts, metric, golden=False, version=version)
        if not own.labels:
            own = rate_stream(self.golden_counts, metric, golden=True, version=version)
        return own.between(None, end)


async def check_drift(
    telemetry: Telemetry,
    log: DecisionLog,
    settings: Settings,
    question: DriftQuestion,
    *,
    now_ms: int,
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
    own = settings.dependency(known.name)
    data = await _read(telemetry, known, settings, question, now_ms=now_ms)
    if question.compares:
        findings = _compared(data, settings, question)
    else:
        accepted = await accepted_baseline(log, known.name)
        findings = await _watched(telemetry, data, own, settings, accepted)
    wanted = [f for f in findings if question.metric in (None, f.metric)]
    decisive = _decisive(wanted or findings)
    if not (question.compares or question.until) and _is_stale(decisive, own, now_ms):
        decisive = _stale(decisive, known, own, now_ms)
    return _report(data, own, question, decisive, findings, now_ms=now_ms)


def _refuse_unknown_metric(question: DriftQuestion, known: Dependency) -> None:
    offered = [*RATE_METRICS, "golden"]
    if question.metric is not None and question.metric not in offered:
        raise UnknownTarget(f"metric of {known.name}", question.metric, offered)


async def _read(
    telemetry: Telemetry,
    known: Dependency,
    settings: Settings,
    question: DriftQuestion,
    *,
    now_ms: int,
) -> _Data:
    until_ms = now_ms
    if question.until is not None:
        named = moment(question.until, name="until", zone=settings.timezone)
        until_ms = min(max(named.end_ms - 1, named.start_ms), now_ms)
    until = until_ms // HOUR_MS + 1
    slice_ = parse_segment(
        question.segment,
        await telemetry.segments(known.name) if question.segment else [],
        dependency=known.name,
    )
    counts, golden_counts = [
        slice_.of(
            await telemetry.hours(
                known.name, golden=golden, segment=slice_.declared, end_hour=until
            ),
            zone=settings.timezone,
        )
        for golden in (False, True)
    ]
    lag = await maturity(telemetry, known.name, as_of_ms=now_ms)
    return _Data(
        known=known,
        counts=counts,
        golden_counts=golden_counts,
        golden=await telemetry.golden_answers(known.name),
        maturity=lag,
        mature_until=min(until, lag.end_hour(now_ms)),
        until=until,
    )


def _compared(data: _Data, settings: Settings, question: DriftQuestion) -> list[Finding]:
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


def _sides(data: _Data, settings: Settings, question: DriftQuestion) -> Sides:
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


async def _watched(
    telemetry: Telemetry,
    data: _Data,
    own: DependencySettings,
    settings: Settings,
    accepted: Accepted | None,
) -> list[Finding]:
    findings = []
    for metric in RATE_METRICS:
        stream = data.stream(metric)
        if metric == "outcome" and stream.golden and len(data.golden.item):
            continue  # the paired test reads the same answers with more power
        hours = choose_baseline(stream, data.counts, own, accepted, zone=settings.timezone)
        if hours is None:
            missing = missing_for_baseline(stream)
            findings.append(Finding(metric=metric, status="insufficient_data", missing=missing))
            continue
        weight = WEIGHTS[metric]
        followed = follow(stream, hours, own, weight=weight, zone=settings.timezone)
        full_until = min(data.mature_until, data.until - 1)
        watch = await watched(telemetry, data.known.name, followed, full_until=full_until)
        lag = data.maturity if metric == "outcome" else PROMPT
        findings.append(finding_of(followed, watch, own, weight=weight, maturity=lag))
    if len(data.golden.item):
        weight = WEIGHTS["golden"]
        findings.append(golden_finding(data.golden, own, weight=weight, end_hour=data.until))
    return findings


def _decisive(findings: list[Finding]) -> Finding:
    """The finding that the verdict follows: what degraded, else outcomes, else what is known."""
    degraded = [f for f in findings if f.status == "degraded"]
    if degraded:
        return max(degraded, key=lambda f: f.strength)
    known = [f for f in findings if f.status != "insufficient_data"]
    improved = [f for f in known if f.status == "improved"]
    by_rank = {"outcome": 0, "golden": 1, "error": 2}
    outcome = next((f for f in findings if f.metric == "outcome"), None)
    if outcome is not None and outcome.newest_ts_ms is None and outcome in findings:
        # Outcomes that are too few to judge are not outweighed by calls that did not fail.
        golden = [f for f in known if f.metric == "golden"]
        return golden[0] if golden else outcome
    return min(improved or known or findings, key=lambda f: by_rank.get(f.metric, 3))


def _is_stale(finding: Finding, own: DependencySettings, now_ms: int) -> bool:
    return (
        finding.newest_ts_ms is not None
        and now_ms - finding.newest_ts_ms > own.stale_after_s * 1000
    )


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
    data: _Data,
    own: DependencySettings,
    question: DriftQuestion,
    decisive: Finding,
    findings: list[Finding],
    *,
    now_ms: int,
) -> DriftReport:
    verdict = VERDICT_OF[decisive.status]
    others = [f for f in findings if f.metric != decisive.metric and f.evidence is not None]
    golden = next((f.golden for f in (decisive, *findings) if f.golden is not None), None)
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
        kind="rate",
        status=finding.status,
        change=finding.change.absolute if finding.change else None,
        e_value=finding.evidence.e_value if finding.evidence else None,
    )


def _versions(data: _Data, decisive: Finding) -> list[VersionMean] | None:
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


def _immature(data: _Data) -> Immature | None:
    young = (data.counts.hour >= data.mature_until) & (data.counts.labels > 0)
    if not young.any():
        return None
    return Immature(
        hours=len(np.unique(data.counts.hour[young])), n=int(data.counts.labels[young].sum())
    )
