"""Has a dependency degraded, improved or shifted; how much, since when, where, how sure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from gonogo.answers import DriftReport, Effect, Immature, SegmentDrift, Signal, VersionMean, rfc3339
from gonogo.drift.baseline import accepted_baseline
from gonogo.drift.compare import compared
from gonogo.drift.drift_memory import DriftMemory
from gonogo.drift.drift_slices import SHOWN
from gonogo.drift.drift_words import (
    given_doubts,
    is_open_to_doubt,
    next_actions,
    suggestive,
    verdict_of,
)
from gonogo.drift.finding import DriftQuestion, Finding
from gonogo.drift.read import DriftData, read_drift
from gonogo.drift.signals.judge import SIGNAL_METRICS
from gonogo.drift.stale import OldData, good_until_ms, old_data
from gonogo.drift.streams import Streams, followed_streams, followed_values
from gonogo.errors import UnknownTarget
from gonogo.hours.measured import NOT_MEASURED, coverage_of, unlabelled_version
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import RATE_METRICS
from gonogo.hours.time_slices import DAY_TYPES
from gonogo.ports.signal_reads import SignalTelemetry
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import Doubts
from gonogo.records import MICRO, Dependency, Mark
from gonogo.settings import DependencySettings, Settings
from gonogo.text.drift_summary import drift_summary
from gonogo.text.row_notes import age_s, ahead_note

SIGNALS_SHOWN = {"brief": 12, "full": 80}
LABELLED = ("outcome", "complaint", "praise")
QUALITY_RANK = {"outcome": 0, "complaint": 0, "praise": 0, "golden": 1, "error": 2}
# What metrics that are no field of an observation are made of.
RECORDED_AS = {
    "golden": "`item` with `outcome`",
    "consistency": "`input_hash` with `output_hash`",
}


async def check_drift(
    telemetry: SignalTelemetry,
    log: DecisionLog,
    settings: Settings,
    question: DriftQuestion,
    *,
    now_ms: int,
    memory: DriftMemory | None = None,
    mark: Mark | None = None,
    without: Sequence[str] = (),
    doubts: Callable[[], Awaitable[Doubts]] | None = None,
) -> DriftReport:
    """Answer one drift question from the rollups.

    Args:
        telemetry: Where the evidence is.
        log: Where accepted baselines are.
        settings: The configuration.
        question: What was asked.
        now_ms: When.
        memory: Of earlier checks; a report that still stands is the answer.
        mark: Of the dependency, read before anything else; without it no report is remembered.
        without: Writers without whose records of the last day it is judged; then by its rates and golden set alone,
            for nothing else is told by writer.
        doubts: Finds whose word about it is doubtful; without it everybody's counts.

    Raises:
        UnknownTarget: the dependency, a version, a segment or the metric is not known.
        ParameterError: a time is malformed.
    """
    memory = memory or DriftMemory()
    if mark is not None:
        kept = memory.reports.answer(
            question, _basis(mark), newest_ts_ms=mark.newest_ts_ms, now_ms=now_ms
        )
        if kept is not None:
            return kept
    data = await read_drift(telemetry, settings, question, memory, without=without, now_ms=now_ms)
    if data is None:
        raise _unknown(question.dependency, await telemetry.names())
    asked, question = question, _as_recorded(question, data.known)
    own = settings.dependency(data.known.name)
    found = await _found(telemetry, log, settings, question, data, mark)
    decided, decisive = _decided(data, question, found.findings)
    stale_at_ms, old = None, None
    if not (question.compares or question.until):
        stale_at_ms = _stale_at_ms(decisive, data, own)
        old = _old_data(data, decisive, settings, now_ms=now_ms)
    if old is not None:
        quality = data.rates[0] if data.counts.labels.any() else decisive.metric
        metric = question.metric or quality
        decisive, found = old.finding(metric), Streams(())
    others = [f for f in found.findings if f is not decided and _is_told(f)]
    told = partial(_report, data, own, question, others=others, found=found, now_ms=now_ms)
    report = told(decisive) if old is None else old.beside(told(decisive))
    if doubts is not None and is_open_to_doubt(asked, data.golden_counts):
        report = await given_doubts(
            report,
            await doubts(),
            without=lambda writers: check_drift(
                telemetry, log, settings, asked, now_ms=now_ms, memory=memory, without=writers
            ),
            suggested=lambda: told(suggestive(decisive)),
        )
    if mark is not None:
        until_ms = good_until_ms(data.maturity, stale_at_ms=stale_at_ms, now_ms=now_ms)
        memory.reports.keep(asked, _basis(mark), report, until_ms=until_ms)
    return report


async def _found(
    telemetry: SignalTelemetry,
    log: DecisionLog,
    settings: Settings,
    question: DriftQuestion,
    data: DriftData,
    mark: Mark | None,
) -> Streams:
    """The findings of two compared sides, or of every followed stream."""
    if question.compares:
        return Streams(tuple(compared(data, settings, question)))
    accepted = None
    if mark is None or mark.accepted is not None:
        accepted = await accepted_baseline(log, data.known.name)
    return await followed_streams(telemetry, data, question, settings, accepted)


def _unknown(name: str, names: Iterable[str]) -> UnknownTarget:
    advice = "Record observations first, or check the name."
    return UnknownTarget("dependency", name, names, advice)


def _basis(mark: Mark) -> tuple[int, str | None]:
    """The data that a report was made from, besides the time and the settings."""
    return mark.rev, mark.accepted


def _as_recorded(question: DriftQuestion, known: Dependency) -> DriftQuestion:
    """The question with its metric as it is recorded: `f1` is `metrics.f1`.

    Raises:
        UnknownTarget: it is not.
    """
    offered = [*RATE_METRICS, "golden", *followed_values(known), *SIGNAL_METRICS]
    if question.metric is None or question.metric in offered:
        return question
    own = f"metrics.{question.metric}"
    if own in offered:
        return replace(question, metric=own)
    advice = "Quality is `outcome`, failures are `error`; without a metric every one is looked at."
    raise UnknownTarget(f"metric of {known.name}", question.metric, offered, advice)


def _decisive(findings: list[Finding], question: DriftQuestion) -> Finding:
    """The finding that the verdict follows: the metric asked for, else quality, else what moved."""
    asked = question.metric
    if asked is not None:
        own = [f for f in findings if f.metric == asked]
        moved = [f for f in own if f.status == "shifted"]
        if not own:
            return _not_followed(asked, question, findings)
        return _strongest(moved) if moved else own[0]
    quality = [f for f in findings if f.metric in QUALITY_RANK]
    degraded = [f for f in quality if f.status == "degraded"]
    if degraded:
        return max(degraded, key=lambda f: (verdict_of(f) == "no_go", f.strength))
    moved = [f for f in quality if f.status == "recovering"]
    moved = moved or [f for f in findings if f.status == "shifted"]
    if moved:
        # A bad value of the key whose mix moved says more than that the mix did.
        key = next((f.mix.key for f in moved if f.mix is not None), None)
        of_key = [f for f in moved if key is not None and (f.segment or "").startswith(f"{key}=")]
        return _strongest(of_key or moved)
    known = [f for f in quality if f.status != "insufficient_data"]
    outcome = next((f for f in quality if f.metric in LABELLED), None)
    thin = outcome or next((f for f in quality if f.metric == "golden"), None)
    if thin is not None and thin.status == "insufficient_data":
        # Outcomes that are too few to judge are not outweighed by calls that did not fail.
        known = [f for f in known if f.metric == "golden"]
    improved = [f for f in known if f.status == "improved"]
    candidates = improved or known or quality or findings
    return min(candidates, key=lambda f: QUALITY_RANK.get(f.metric, len(QUALITY_RANK)))


def _strongest(moved: Sequence[Finding]) -> Finding:
    """The finding with most evidence; of a metric that moved in the week and at weekends alike, the whole."""
    most = max(moved, key=lambda f: f.strength)
    of_metric = {f.segment: f for f in moved if (f.metric, f.kind) == (most.metric, most.kind)}
    halves = {f"day_type={name}" for name in DAY_TYPES}
    both_moved = most.segment in halves and halves <= of_metric.keys()
    return of_metric.get(None, most) if both_moved else most


def _not_followed(metric: str, question: DriftQuestion, findings: Sequence[Finding]) -> Finding:
    """The reason why a known metric cannot be judged, and the remedy."""
    followed = next((f.metric for f in findings if f.metric in LABELLED), "outcome")
    if question.compares:
        sides = "versions" if question.version or question.baseline_version else "periods"
        why = f"{sides} are compared by outcome and error, not by {metric}"
        missing = (
            f"Ask about {metric} without versions and `since`: it is held against its baseline."
        )
    elif metric in LABELLED and metric != followed and followed == "outcome":
        why, missing = f"its outcomes are no {metric} alone", "Ask about outcome."
    elif metric in LABELLED and metric != followed:
        why = f"outcomes are one-sided: they are followed by their share of calls, `{followed}`"
        missing = "Record outcomes of calls picked at random."
    else:
        why = f"nothing was recorded of {metric} in a baseline and on full days after it"
        missing = f"Record {RECORDED_AS.get(metric, metric)} on 3 days and more."
    return Finding(metric=metric, status="insufficient_data", why=why, missing=missing)


def _decided(
    data: DriftData, question: DriftQuestion, findings: Sequence[Finding]
) -> tuple[Finding, Finding]:
    """The finding that decides, and the same as it is answered.

    Where the version that answers now has no outcome of its own, quality is unknown, unless what
    is known is bad; what has shifted beside it is told among the signals. Of complaints a version may
    have none because it is good, and of praise because it is bad: their share of its calls tells.
    """
    decided = _decisive(list(findings), question)
    asked = not question.compares and question.metric in (None, "outcome")
    if decided.status == "degraded" or not asked or data.quality != "outcome":
        return decided, decided.whole()
    found = unlabelled_version(data.counts, data.golden_counts, data.known.versions)
    if found is None:
        return decided, decided.whole()
    decided = next((f for f in findings if f.metric == "outcome" and f.segment is None), decided)
    return decided, replace(
        decided.whole(),
        status="insufficient_data",
        why=found.why,
        missing=found.missing,
    )


def _stale_at_ms(finding: Finding, data: DriftData, own: DependencySettings) -> int | None:
    """Until when the newest label that could have come is as new as the user wants it."""
    if finding.newest_ts_ms is None:
        return None
    return round(finding.newest_ts_ms + (own.stale_after_s + data.maturity.lag_s) * 1000)


def _slices(found: Streams, decisive: Finding, most: int) -> list[SegmentDrift]:
    """The worst slices, but for those of outcomes beside errors that decide: they are of other calls and another rate."""
    is_other = decisive.metric in RATE_METRICS and decisive.metric != found.sliced
    return [] if is_other else list(found.segments[:most])


def _old_data(
    data: DriftData, decisive: Finding, settings: Settings, *, now_ms: int
) -> OldData | None:
    return old_data(
        data.known,
        decisive,
        stale_after_s=settings.dependency(data.known.name).stale_after_s,
        lag_s=data.maturity.lag_s,
        now_ms=now_ms,
        zone=settings.timezone,
    )


def _report(
    data: DriftData,
    own: DependencySettings,
    question: DriftQuestion,
    decisive: Finding,
    others: list[Finding],
    found: Streams,
    *,
    now_ms: int,
) -> DriftReport:
    golden = next((f.golden for f in (decisive, *found.findings) if f.golden is not None), None)
    report = DriftReport(
        verdict=verdict_of(decisive),
        summary="",
        as_of=rfc3339(now_ms),
        data_age_s=age_s(data.newest_ts_ms, now_ms),
        next_actions=next_actions(question, decisive, own),
        dependency=data.known.name,
        metric=decisive.metric,
        segment=question.segment or decisive.segment,
        since=question.since,
        until=question.until,
        status=decisive.status,
        baseline=decisive.baseline,
        current=decisive.current,
        change=decisive.change,
        evidence=decisive.evidence,
        onset=decisive.onset,
        trend=decisive.trend,
        segments=_slices(found, decisive, SHOWN[question.detail]) or None,
        mix=decisive.mix,
        mix_shift=found.mix_shift,
        signals=_signals(others, question.detail),
        effect=decisive.effect if decisive.told else None,
        estimate=found.estimate,
        golden=golden,
        versions=_versions(data, decisive, question),
        immature=_immature(data),
        ahead=data.ahead,
        detectable_now=decisive.detectable_now,
        judges=list(found.judges) or None,
        label_coverage=coverage_of(data.counts, own) if decisive.metric in LABELLED else None,
        missing=decisive.missing,
    )
    said = drift_summary(report, why=decisive.why, change=decisive.told, notes=decisive.notes)
    if decisive.metric == "error" and data.by_errors:
        said += f" {NOT_MEASURED}"
    if report.label_coverage is not None:
        said += f" {report.label_coverage.warning}"
    return report.model_copy(update={"summary": f"{said} {ahead_note(data.ahead)}".rstrip()})


def _is_told(finding: Finding) -> bool:
    """Whether a finding belongs in the list: it was judged, or a limit kept it from being."""
    return finding.evidence is not None or (finding.kind != "rate" and finding.current is None)


def _signals(findings: list[Finding], detail: Literal["brief", "full"]) -> list[Signal] | None:
    """Findings in order: what moved first, then the whole of each metric, then slices by their evidence."""
    shown = [f for f in findings if detail == "full" or f.segment is None or f.status == "shifted"]
    ranked = sorted(
        shown,
        key=lambda f: (
            f.status not in ("shifted", "degraded"),
            f.segment is not None,
            -f.strength if f.segment is not None else 0.0,
        ),
    )
    return [_signal(f) for f in ranked[: SIGNALS_SHOWN[detail]]] or None


def _signal(finding: Finding) -> Signal:
    evidence, effect = finding.evidence, finding.effect or Effect()
    return Signal(
        metric=finding.metric,
        kind=finding.kind,
        status=finding.status,
        segment=finding.segment,
        change=finding.change.absolute if finding.change else None,
        e_value=evidence.e_value if evidence else None,
        needed=evidence.needed if evidence else None,
        psi=effect.psi,
        w1_sd=effect.w1_sd,
        p_value=effect.p_value,
        note=(finding.why and f"{finding.why}.")
        or (finding.told if finding.status == "shifted" else None),
    )


def _versions(
    data: DriftData, decisive: Finding, question: DriftQuestion
) -> list[VersionMean] | None:
    """The versions seen in the current period, with n and mean outcome.

    Where two versions are compared, `baseline` and `current` have both; what the older one had in the
    days of the newer is another number of the same name, and would stand beside them.
    """
    has_none = decisive.current is None or question.baseline_version is not None
    if has_none and decisive.status != "insufficient_data":
        return None
    start = 0
    if decisive.current is not None and decisive.current.start is not None:
        start = first_hour(moment(decisive.current.start, name="start", zone="UTC").start_ms)
    counts = data.counts if len(data.counts.hour) else data.golden_counts
    seen = []
    for index, version in enumerate(counts.versions):
        rows = (counts.version == index) & (counts.hour >= start)
        labels = int(counts.labels[rows].sum())
        if n := int(counts.n[rows].sum()):
            mean = float(counts.outcome_sum[rows].sum()) / MICRO / labels if labels else None
            seen.append(VersionMean(version=version, n=n, mean=mean))
    is_told = decisive.current is not None and [one.version for one in seen] == [None]
    return None if is_told else seen or None  # calls without a version are `current`


def _immature(data: DriftData) -> Immature | None:
    young = data.counts.hour >= data.mature_until
    if not young.any():
        return None
    return Immature(hours=len(np.unique(data.counts.hour[young])), n=data.young_labels)
