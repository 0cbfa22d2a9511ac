"""`get_trust_score_health`: the chance that the next call is good, and who says so.

For one dependency its score, the parts of good, what fails with it and what it stands on; without
one the whole fleet. The verdict's rule stands in `trust_estimate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from gonogo.answers import (
    Ahead,
    NextAction,
    ScoreHealth,
    SuspectedProvider,
    TrustPart,
    TrustReport,
    UndoubtedScore,
    in_points,
    rfc3339,
)
from gonogo.errors import GonogoError, NotEnoughData
from gonogo.hours.measured import NOT_MEASURED, SIDES, coverage_of, errors_decide
from gonogo.hours.stream_cache import AnswerCache
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import TrustTelemetry
from gonogo.records import HOUR_MS, Mark, Verdict, worst_verdict
from gonogo.settings import DependencySettings, Settings
from gonogo.text.forms import counted, number
from gonogo.text.row_notes import age_s, ahead_note, ahead_of
from gonogo.text.trust_summary import points, trust_summary
from gonogo.trust.estimate_without import judged_estimate
from gonogo.trust.trust_estimate import TrustEstimate, kept_from
from gonogo.trust.trust_parts import part_estimates

# How long a bad state around it may have passed before that is said.
LOOKED_AGAIN_MS = 60_000
# A pair is looked for among so many of the worst.
PAIRED_MAX = 30


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """The surroundings of a score: bad states it stands on, a provider that fails, its own health."""

    upstream: list[str] = field(default_factory=list)
    upstream_names: list[str] = field(default_factory=list)
    upstream_verdict: Verdict = "go"
    provider: SuspectedProvider | None = None
    # Where no provider is declared, what fails with it is sought among all that fail.
    looks_for_others: bool = False
    health: ScoreHealth | None = None
    ahead: Ahead | None = None


async def check_trust(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    settings: Settings,
    *,
    dependency: str | None,
    now_ms: int,
    detail: Literal["brief", "full"] = "brief",
    recent: AnswerCache[TrustReport] | None = None,
    mark: Mark | None = None,
) -> TrustReport:
    """Score one dependency, or the fleet where none is named.

    Args:
        telemetry: The evidence.
        log: The last verdicts.
        settings: SLOs, bars, providers and what depends on what.
        dependency: Its name; None for the fleet.
        now_ms: Now.
        detail: How many segments and lines.
        recent: Reports that may still stand, where there are any to remember.
        mark: What `telemetry` says of the dependency's evidence now.

    Raises:
        UnknownTarget: nothing was ever recorded under this name.
    """
    if dependency is None:
        from gonogo.trust.fleet import check_fleet

        return await check_fleet(telemetry, log, settings, now_ms=now_ms, detail=detail)
    question = (dependency, detail)
    rests_on = None
    if recent is not None and mark is not None:
        rests_on = await _rests_on(telemetry, settings, dependency)
        kept = recent.answer(question, rests_on, newest_ts_ms=mark.newest_ts_ms, now_ms=now_ms)
        if kept is not None:
            return kept
    try:
        found = await judged_estimate(telemetry, settings, dependency, now_ms)
    except NotEnoughData as nothing:
        ahead = await _ahead(telemetry, dependency, now_ms)
        said = str(nothing) if ahead is None else f"{dependency} has no call to score yet."
        return TrustReport(
            verdict="unknown",
            summary=f"{said} {ahead_note(ahead)}".rstrip(),
            as_of=rfc3339(now_ms),
            dependency=dependency,
            n=0,
            ahead=ahead,
        )
    await telemetry.keep_score(kept_from(found, now_ms))
    around = await _surroundings(telemetry, settings, found, now_ms, detail)
    report = _report(found, settings.dependency(dependency), around, now_ms)
    if recent is not None and rests_on is not None:
        until_ms = _good_until_ms(found, settings, around, now_ms)
        recent.keep(question, rests_on, report, until_ms=until_ms)
    return report


def _why(bad: TrustEstimate, found: TrustEstimate) -> str:
    """The other dependency's reason, where it differs from the reason given for this one."""
    return "" if bad.why == found.why else f"; {bad.why}"


async def _surroundings(
    telemetry: TrustTelemetry,
    settings: Settings,
    found: TrustEstimate,
    now_ms: int,
    detail: Literal["brief", "full"],
) -> _Surroundings:
    from gonogo.trust.score_health import dependency_health

    upstream = await _upstream(telemetry, settings, found.dependency, now_ms)
    return _Surroundings(
        [
            f"{path}: trust {bad.verdict}, {_points(bad)}{_why(bad, found)}"
            for path, bad in upstream
        ],
        [bad.dependency for _, bad in upstream],
        worst_verdict([bad.verdict for _, bad in upstream]) if upstream else "go",
        await _shared_cause(telemetry, settings, found, now_ms),
        found.verdict in ("no_go", "caution"),
        await dependency_health(
            telemetry,
            settings,
            found.dependency,
            side=found.side,
            now_ms=now_ms,
            detail=detail,
        ),
        await _ahead(telemetry, found.dependency, now_ms),
    )


async def _ahead(telemetry: TrustTelemetry, dependency: str, now_ms: int) -> Ahead | None:
    """The part of a dependency's data in hours to come; looked for only where its newest call is."""
    known = await telemetry.dependency(dependency)
    if known is None or known.newest_ts_ms <= now_ms:
        return None
    start_hour = now_ms // HOUR_MS
    hours = [
        await telemetry.hours(dependency, golden=golden, start_hour=start_hour)
        for golden in (False, True)
    ]
    return ahead_of(hours, known.newest_ts_ms, now_ms)


async def _rests_on(
    telemetry: TrustTelemetry, settings: Settings, dependency: str
) -> tuple[int, int]:
    """A fingerprint that changes when new evidence could change the report: its own, and its surroundings'.

    The prior that others of its kind give is looked at anew with each hour only.
    """
    own = settings.dependency(dependency).provider
    others = [
        name
        for name, one in settings.dependencies.items()
        if one.provider is not None and own in (None, one.provider)
    ]
    names = dict.fromkeys([*settings.all_below(dependency), *others])
    return await telemetry.revisions(dependency, list(names), provider=own)


def _good_until_ms(
    found: TrustEstimate, settings: Settings, around: _Surroundings, now_ms: int
) -> int:
    """The time at which a report may change without new data: the next hour, or evidence that grows stale."""
    turns = [(now_ms // HOUR_MS + 1) * HOUR_MS]
    for name in (found.dependency, *settings.all_below(found.dependency)):
        # Labels and golden runs are dated by whole hours and grow stale at that minute of one.
        stale_ms = settings.dependency(name).stale_after_s * 1000 + 1
        turns.append(now_ms - (now_ms - stale_ms) % HOUR_MS + HOUR_MS)
    stale_at_ms = found.newest_ts_ms + settings.dependency(found.dependency).stale_after_s * 1000
    if stale_at_ms >= now_ms:
        turns.append(stale_at_ms + 1)
    if around.upstream or around.looks_for_others:
        turns.append(now_ms + LOOKED_AGAIN_MS)
    return min(turns)


async def _shared_cause(
    telemetry: TrustTelemetry, settings: Settings, found: TrustEstimate, now_ms: int
) -> SuspectedProvider | None:
    """The provider where it fails, or the dependencies that fail together where none is declared."""
    from gonogo.trust.providers import failing_provider, falling_with

    provider = settings.dependency(found.dependency).provider or found.known.provider
    if provider is not None:
        return await failing_provider(telemetry, settings, provider, now_ms=now_ms)
    if found.verdict not in ("no_go", "caution"):
        return None
    worst = await telemetry.kept_scores(limit=PAIRED_MAX)
    bad = [score.dependency for score in worst if score.verdict in ("no_go", "caution")]
    names = list(dict.fromkeys([found.dependency, *bad]))
    pair = await falling_with(telemetry, names, now_ms=now_ms)
    return pair if pair is not None and found.dependency in pair.dependencies else None


def _report(
    found: TrustEstimate, own: DependencySettings, around: _Surroundings, now_ms: int
) -> TrustReport:
    parts = part_estimates(found, own, now_ms)
    verdict = found.verdict
    if around.upstream:
        verdict = worst_verdict([verdict, around.upstream_verdict])
    if around.provider is not None:
        verdict = worst_verdict([verdict, "caution"])
    report = TrustReport(
        verdict=verdict,
        summary="",
        as_of=rfc3339(now_ms),
        data_age_s=age_s(found.newest_ts_ms, now_ms),
        next_actions=_next_actions(found, own, around.upstream_names, verdict),
        dependency=found.dependency,
        score=in_points(found.score),
        interval90=(in_points(found.lower), in_points(found.upper)),
        score_needed=in_points(found.bar),
        hours_sd=None if math.isnan(found.hours_sd) else 100 * found.hours_sd,
        good_means=good_means(found, own),
        n=found.n,
        newest_ts=rfc3339(found.newest_ts_ms),
        parts={
            name: TrustPart(rate=part.rate, interval90=(part.lower, part.upper), n=part.n)
            for name, part in parts.items()
        },
        upstream=around.upstream or None,
        provider_suspected=around.provider,
        score_health=around.health,
        doubtful=list(found.doubts.named) or None,
        undoubted=_undoubted(found.without),
        label_coverage=coverage_of(found.counts, own),
        missing=None if found.unlabelled is None else found.unlabelled.missing,
        ahead=around.ahead,
    )
    said = trust_summary(report, why=found.why, measured=found.quality is not None)
    if errors_decide(found.known, own):
        said += f" {NOT_MEASURED}"
    if report.label_coverage is not None:
        said += f" {report.label_coverage.warning}"
    return report.model_copy(update={"summary": f"{said} {ahead_note(around.ahead)}".rstrip()})


def _undoubted(without: TrustEstimate | None) -> UndoubtedScore | None:
    if without is None:
        return None
    interval90 = in_points(without.lower), in_points(without.upper)
    return UndoubtedScore(
        verdict=without.verdict, score=in_points(without.score), interval90=interval90
    )


def good_means(found: TrustEstimate, own: DependencySettings) -> str:
    """The events that make a call good, in words, and what is not known of them."""
    events = ["no error"]
    if own.latency_slo_ms is not None:
        events.append(f"latency within {number(own.latency_slo_ms)} ms")
    if found.quality is not None:
        events.append(f"outcome at or above {number(own.quality_bar)}")
    if found.repeats.repeats:
        events.append("a repeated input answered as before")
    said = ", ".join(events)
    said += " (golden-set calls: there are no others)" if found.golden else ""
    if errors_decide(found.known, own):
        said += "; nothing else is judged"
    elif found.side is not None:
        said += f"; of quality nothing is known but {SIDES[found.side]}"
    elif found.quality is None:
        said += "; quality is not known: record `outcome`, or `prediction` and `label`"
    elif found.labels < found.n:
        said += (
            f"; quality judged by the {number(found.labels)} labelled of {counted(found.n, 'call')}"
        )
    return said


async def _upstream(
    telemetry: TrustTelemetry, settings: Settings, dependency: str, now_ms: int
) -> list[tuple[str, TrustEstimate]]:
    """Bad states of what it depends on, directly or through others, each once with its path."""
    bad: list[tuple[str, TrustEstimate]] = []
    seen, waiting = (
        {dependency},
        [(name, name) for name in settings.dependency(dependency).depends_on],
    )
    while waiting:
        name, path = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        deeper = settings.dependency(name).depends_on
        waiting.extend((below, f"{below}, through {path}") for below in deeper)
        try:
            found = await judged_estimate(telemetry, settings, name, now_ms)
        except GonogoError:
            # Not recorded, or without a call: nothing bad is known of it.
            continue
        if found.verdict in ("no_go", "caution"):
            bad.append((path, found))
    return bad


def _points(found: TrustEstimate) -> str:
    """Score and interval as the report of that dependency shows them."""
    score, low, high = map(in_points, (found.score, found.lower, found.upper))
    return points(score, (low, high))


def _next_actions(
    found: TrustEstimate, own: DependencySettings, upstream: Sequence[str], verdict: Verdict
) -> list[NextAction]:
    """The next actions after a score: the cause first, then a way back where one can be planned."""
    name = found.dependency
    drift = NextAction(
        tool="check_model_drift",
        arguments={"dependency": name},
        reason="whether it has changed, and since when",
    )
    if upstream and found.verdict != "no_go":
        # This one would be well without it.
        look = NextAction(
            tool="get_trust_score_health",
            arguments={"dependency": upstream[0]},
            reason=f"{name} stands on it, and it is in a bad state",
        )
        return [look, drift]
    if found.verdict == "no_go" and own.fallback:
        reason = f"trust {number(in_points(found.score))}: {found.why}"
        fallback = NextAction(
            tool="trigger_fallback",
            arguments={"dependency": name, "reason": reason},
            reason="plan the way back; changes nothing yet",
        )
        return [fallback, drift]
    return [] if verdict == "go" else [drift]
