"""A dependency followed as a stream: its rates, its golden set and its slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gonogo.answers import Estimate, JudgeReport, SegmentDrift
from gonogo.detectors.rate.rate_watch import RateWatch
from gonogo.drift.baseline import (
    AcceptedBaseline,
    choose_baseline,
    golden_start_day,
    since_accepted,
)
from gonogo.drift.drift_golden import golden_finding
from gonogo.drift.drift_mix import explained_by_mix, mix_parts, shifted
from gonogo.drift.drift_slices import SliceFindings, sliced
from gonogo.drift.drift_values import value_finding
from gonogo.drift.drift_words import suggestive, verdict_of
from gonogo.drift.finding import DriftQuestion, Finding
from gonogo.drift.follow import FollowedRate, follow
from gonogo.drift.ladder import as_caution, as_far_as_shown, settled_mix
from gonogo.drift.rates import finding_of, unjudged
from gonogo.drift.read import DriftData
from gonogo.drift.signals.budget_shares import HOURS_A_DAY, VALUES, SignalQuestion
from gonogo.drift.signals.judge import SIGNAL_METRICS, DailySignals, daily_signals, judged_together
from gonogo.drift.signals.judged_outcomes import judged_outcomes
from gonogo.hours.history import HistorySnapshot
from gonogo.hours.measured import own_for
from gonogo.hours.periods import first_hour, moment
from gonogo.hours.rate_hours import (
    NOT_FOLLOWED,
    Maturity,
    RateMetric,
    RateStream,
    missing_for_baseline,
)
from gonogo.hours.time_slices import Slice
from gonogo.hours.value_hours import MetricHours, metric_hours
from gonogo.ports.signal_reads import SignalTelemetry
from gonogo.records import Dependency
from gonogo.settings import DependencySettings, Settings

# Shares of the dependency's one false-alarm budget: half for quality, of which most goes to
# outcomes; an error rate or a golden set that breaks is seen at a small share as well. A quarter
# is that of the slices, a quarter that of all other metrics.
WEIGHTS = {"outcome": 0.3, "complaint": 0.3, "praise": 0.3, "error": 0.1, "golden": 0.1}
PROMPT = Maturity(0.0)
SLICES_MAX = 200
# Of the calls since praise fell, so many after the last that was praised: it stopped, and did not become rare.
STOPPED_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Streams:
    """The findings of every stream; `sliced`: the rate that `segments` are slices of."""

    findings: tuple[Finding, ...]
    sliced: RateMetric = "outcome"
    segments: tuple[SegmentDrift, ...] = ()
    mix_shift: dict[str, float] | None = None
    estimate: Estimate | None = None
    judges: tuple[JudgeReport, ...] = ()


async def followed_streams(
    telemetry: SignalTelemetry,
    data: DriftData,
    question: DriftQuestion,
    settings: Settings,
    accepted: AcceptedBaseline | None,
) -> Streams:
    """Follow every rate, the golden set, and the slices of the outcomes."""
    whole_own, zone = settings.dependency(data.known.name), settings.timezone
    findings: list[Finding] = []
    segments: tuple[SegmentDrift, ...] = ()
    mix_shift = None
    judges: tuple[JudgeReport, ...] = ()
    for metric in data.rates:
        stream = data.stream(metric)
        if metric == "outcome" and stream.golden and len(data.golden.item):
            continue  # the paired test reads the same answers with more power
        hours = choose_baseline(stream, data.counts, whole_own, accepted, zone=zone)
        if hours is None:
            since = since_accepted(stream, accepted, zone=zone)
            young = data.young_labels if metric == "outcome" else 0
            findings.append(unjudged(since, missing_for_baseline(since, young=young)))
            continue
        weight = _weight(metric, by_errors=data.by_errors)
        own = own_for(stream.between(hours.start_hour, hours.end_hour), whole_own)
        followed = follow(stream, hours, own, weight=weight, zone=zone, runs=data.runs)
        watch = followed.watch()
        lag = PROMPT if metric == "error" else data.maturity
        finding = finding_of(followed, watch, own, weight=weight, maturity=lag)
        if metric == data.rates[0] and question.segment is None:
            finding, found, mix_shift = _in_slices(data, followed, watch, finding, own, zone=zone)
            segments, of_slice = found.segments, found.finding
            if metric == "outcome" and not stream.golden:
                grades = await telemetry.grades(data.known.name)
                judged = judged_outcomes(grades, stream, hours, own, weight=weight)
                judges, finding = judged.reports, judged.of_whole(finding)
                of_slice = of_slice and judged.of_slice(of_slice)
            if of_slice is not None and verdict_of(finding) != "no_go":
                findings.append(_if_it_matters(of_slice, own))
        else:
            finding = as_far_as_shown(finding, followed, {}, own, zone=zone)
        findings.append(_if_it_stopped(_if_it_matters(finding, own), stream))
    if len(data.golden.item) and question.segment is None:
        findings.append(_golden(data, whole_own, accepted, zone=zone))
    if data.is_part:
        return Streams(tuple(findings), data.rates[0], segments, mix_shift)
    daily = await _daily(telemetry, data, question, settings, accepted)
    rest = [*await _values(telemetry, data, question, settings, accepted), *daily.findings]
    findings += judged_together(rest)
    return Streams(tuple(findings), data.rates[0], segments, mix_shift, daily.estimate, judges)


def _golden(
    data: DriftData, own: DependencySettings, accepted: AcceptedBaseline | None, *, zone: str
) -> Finding:
    start_day = golden_start_day(own, accepted, zone=zone)
    return golden_finding(
        data.golden,
        own,
        weight=WEIGHTS["golden"],
        end_hour=data.until,
        start_day=start_day,
        kept=data.runs.golden,
    )


def _in_slices(
    data: DriftData,
    followed: FollowedRate,
    watch: RateWatch,
    finding: Finding,
    own: DependencySettings,
    *,
    zone: str,
) -> tuple[Finding, SliceFindings, dict[str, float] | None]:
    """The finding on the whole given its mix, what its slices say, and the parts of its change."""
    declared = _declared_streams(data.read, followed, end_hour=data.mature_until)
    onset_hour = None if finding.onset is None else _hour(finding.onset.ts)
    given = None
    if finding.status in ("degraded", "recovering") and onset_hour is not None:
        given = explained_by_mix(followed, watch, declared, onset_hour, min_effect=own.min_effect)
    if given is not None:
        finding = shifted(finding, given.moved)
    fell = finding.status == "degraded"
    finding = as_far_as_shown(finding, followed, declared, own, zone=zone)
    found = sliced(
        followed,
        declared,
        own,
        zone=zone,
        since_hour=onset_hour,
        spells=watch.spells,
        mixed=finding.mix,
        weight=_weight(followed.stream.metric, by_errors=data.by_errors),
    )
    if given is not None and not found.has_fallen:
        finding = settled_mix(
            finding,
            given.nats,
            alarmed=watch.episodes[-1].alarmed,
            now=int(followed.stream.hour[-1]),
            min_effect=own.min_effect,
        )
    if fell and verdict_of(finding) == "caution" and found.finding is not None:
        found = replace(found, finding=as_caution(found.finding))
    parts = None
    if finding.current is not None:
        key = finding.mix.key if finding.mix is not None else None
        parts = mix_parts(followed, declared, _hour(finding.current.start), key)
    return finding, found, parts


def _declared_streams(
    read: HistorySnapshot, followed: FollowedRate, *, end_hour: int
) -> dict[str, RateStream]:
    """Every declared slice of a rate, by its `key=value`, from the baseline on."""
    whole, start = followed.stream, followed.hours.start_hour
    streams = {
        segment: read.stream(whole.metric, golden=whole.golden, segment=segment)
        for segment in read.news.segments[:SLICES_MAX]
    }
    return {name: s.between(start, end_hour) for name, s in streams.items() if s is not None}


async def _daily(
    telemetry: SignalTelemetry,
    data: DriftData,
    question: DriftQuestion,
    settings: Settings,
    accepted: AcceptedBaseline | None,
) -> DailySignals:
    """The signals that are judged by the day: of the slice or metric that is asked about."""
    metrics = followed_values(data.known)
    if question.metric is not None and question.metric not in (*metrics, *SIGNAL_METRICS):
        return DailySignals()
    asked = SignalQuestion(
        telemetry=telemetry,
        dependency=data.known.name,
        metrics=tuple(metrics),
        counts=data.counts,
        own=settings.dependency(data.known.name),
        accepted=accepted,
        zone=settings.timezone,
        end_day=data.full_days,
    )
    history = data.read.history
    is_history = not question.until and data.full_days * HOURS_A_DAY <= history.end_hour
    found = await daily_signals(
        asked,
        rev=None if question.until else data.known.rev,
        made=history.made if is_history else None,
    )
    segment = data.slice_.name or None
    kept = [
        f
        for f in found.findings
        if question.metric in (None, f.metric) and segment in (None, f.segment)
    ]
    return replace(found, findings=tuple(kept))


async def _values(
    telemetry: SignalTelemetry,
    data: DriftData,
    question: DriftQuestion,
    settings: Settings,
    accepted: AcceptedBaseline | None,
) -> list[Finding]:
    """Every metric that is no rate, on one quarter of the budget; in a slice that is read, too."""
    metrics = followed_values(data.known)
    findings = []
    for metric in metrics:
        if question.metric not in (None, metric):
            continue
        values = await _metric_hours(telemetry, data, metric, zone=settings.timezone)
        if values is None or not len(values.hours.hour):
            continue
        findings.append(
            value_finding(
                values,
                data.counts,
                settings.dependency(data.known.name),
                accepted,
                zone=settings.timezone,
                share=VALUES / len(metrics),
                runs=data.runs,
            )
        )
    return findings


async def _metric_hours(
    telemetry: SignalTelemetry, data: DriftData, metric: str, *, zone: str
) -> MetricHours | None:
    """A metric up to the moment that is asked about, in the slice that is."""
    if data.slice_ == Slice():
        whole = data.read.values(metric)
    else:
        found = await telemetry.histograms(
            data.known.name, metric, segment=data.slice_.declared, end_hour=data.until
        )
        whole = metric_hours(data.slice_.of_histograms(found, zone=zone))
    return None if whole is None else whole.before(data.until)


def followed_values(known: Dependency) -> list[str]:
    """The recorded metrics of a dependency that are followed as values."""
    return [metric for metric in known.metrics if metric not in NOT_FOLLOWED]


def _if_it_matters(finding: Finding, own: DependencySettings) -> Finding:
    """The finding, or `shifted` where it degraded by less than half of what matters, for sure."""
    if finding.status != "degraded" or finding.change is None or finding.change.interval95 is None:
        return finding
    largest = max(abs(bound) for bound in finding.change.interval95)
    if largest > own.min_effect / 2:
        return finding
    note = f"less than half of the {own.min_effect:g} that matters"
    return replace(finding, status="shifted", notes=(*finding.notes, note))


def _if_it_stopped(finding: Finding, stream: RateStream) -> Finding:
    """The finding, or a caution where no praise at all came since its fall: it may not be recorded any more."""
    if finding.metric != "praise" or finding.status != "degraded" or finding.current is None:
        return finding
    praised = stream.hour[stream.bad < stream.n]
    silent = stream.hour > (praised[-1] if len(praised) else -1)
    if stream.n[silent].sum() < STOPPED_SHARE * finding.current.n:
        return finding
    note = "of late there is none at all: nothing is good, or praise is not recorded any more"
    return replace(suggestive(finding), notes=(*finding.notes, note))


def _weight(metric: RateMetric, *, by_errors: bool) -> float:
    """A rate's share of the false-alarm budget; errors get that of outcomes where there are none."""
    return WEIGHTS[metric] + (WEIGHTS["outcome"] if by_errors else 0.0)


def _hour(told: str | None) -> int | None:
    """The hour of a time that a finding tells."""
    return None if told is None else first_hour(moment(told, name="onset", zone="UTC").start_ms)
