"""The whole fleet, lowest lower bound first, and what changed since yesterday.

A small fleet is scored when asked, where evidence came or time passed since the kept score. A
large one answers from the kept scores, one cheap read; `rescore` keeps them new.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from gonogo.answers import FleetLine, NextAction, TrustReport, rfc3339
from gonogo.records import DAY_MS, HOUR_MS, VERDICTS_BY_SEVERITY, worst_verdict
from gonogo.services.ahead import age_s
from gonogo.services.cofailure import failing_provider, falling_with
from gonogo.services.score_health import own_health
from gonogo.services.trust_estimate import kept_from, trust_estimates
from gonogo.text.forms import counted, number
from gonogo.text.trust_summary import points, suspicion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.answers import ProviderSuspected
    from gonogo.records import Dependency, Verdict
    from gonogo.services.ports import DecisionLog
    from gonogo.services.ports_trust import KeptScore, TrustTelemetry
    from gonogo.settings import Settings

SCORED_WHEN_ASKED_MAX = 25
# Of these, with the most observations, the scores are held against what came.
MEASURED_MAX = 8
LINES_BRIEF = 20
LINES_FULL = 200
# A score moves with time alone as memories fade; within an hour that is below a point.
KEPT_FOR_MS = HOUR_MS
CHANGE_SHOWN = 0.05
CHANGES_NAMED = 3


class _Seen(NamedTuple):
    """A dependency as the fleet has it; a line is made of those that are shown alone."""

    dependency: str
    verdict: Verdict
    ts_ms: int | None
    score: KeptScore | None = None
    upstream: str | None = None


async def check_fleet(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    settings: Settings,
    *,
    now_ms: int,
    detail: Literal["brief", "full"] = "brief",
) -> TrustReport:
    """One line a dependency, lowest lower bound first, and whether the scores came true.

    Whether they did is measured on a few dependencies; of a large fleet only in full.
    """
    known = await telemetry.dependencies(limit=SCORED_WHEN_ASKED_MAX + 1)
    scores = await telemetry.kept_scores()
    is_small = len(known) <= SCORED_WHEN_ASKED_MAX
    if is_small:
        scores = await _renewed(telemetry, settings, known, scores, now_ms)
    verdicts = await log.last_verdicts()
    lines = [_Seen(score.dependency, score.verdict, score.ts_ms, score) for score in scores]
    scored = {score.dependency for score in scores}
    unscored = {d.name for d in known if d.name not in scored} | (verdicts.keys() - scored)
    for name in sorted(unscored):
        verdict, ts_ms = verdicts.get(name) or ("unknown", None)
        lines.append(_Seen(name, verdict, ts_ms))
    lines = _with_upstream(lines, settings)
    shown = LINES_FULL if detail == "full" else LINES_BRIEF
    health = None
    if is_small or detail == "full":
        measured = sorted(known, key=lambda one: -one.n)[:MEASURED_MAX]
        estimates = await trust_estimates(telemetry, settings, measured, now_ms)
        health = own_health(estimates, settings, detail=detail)
    suspected = await _suspected(telemetry, settings, known, lines, now_ms) if is_small else None
    newest = max((t for d in known if (t := d.newest_ts_ms) <= now_ms), default=None)
    return TrustReport(
        verdict=worst_verdict(list({line.verdict for line in lines})),
        summary=_summary(lines, shown, suspected),
        as_of=rfc3339(now_ms),
        data_age_s=age_s(newest, now_ms),
        next_actions=_next_actions(lines),
        upstream=None,
        provider_suspected=suspected,
        score_health=health,
        fleet=[_line(seen) for seen in lines[:shown]],
    )


async def _suspected(
    telemetry: TrustTelemetry,
    settings: Settings,
    known: Sequence[Dependency],
    lines: Sequence[_Seen],
    now_ms: int,
) -> ProviderSuspected | None:
    """What falls together: a declared provider first, the one with the most evidence."""
    providers = {one.name: settings.dependency(one.name).provider or one.provider for one in known}
    named = sorted({provider for provider in providers.values() if provider is not None})
    found = [
        await failing_provider(telemetry, settings, provider, now_ms=now_ms) for provider in named
    ]
    suspects = [one for one in found if one is not None]
    if suspects:
        return max(suspects, key=lambda one: one.e_value)
    alone = [
        line.dependency
        for line in lines
        if line.verdict in ("no_go", "caution") and providers.get(line.dependency) is None
    ]
    return await falling_with(telemetry, alone, now_ms=now_ms)


async def rescore(
    telemetry: TrustTelemetry, settings: Settings, *, now_ms: int, limit: int = 50
) -> int:
    """Score the dependencies whose evidence came after their kept score; how many there were."""
    names = await telemetry.unscored(limit=limit)
    known = [one for name in names if (one := await telemetry.dependency(name)) is not None]
    await _keep_all(telemetry, settings, known, now_ms)
    return len(known)


async def _renewed(
    telemetry: TrustTelemetry,
    settings: Settings,
    known: Sequence[Dependency],
    scores: Sequence[KeptScore],
    now_ms: int,
) -> list[KeptScore]:
    """The kept scores, the old ones among them scored anew; lowest lower bound first."""
    newest = {score.dependency: score for score in scores}

    def is_old(one: Dependency) -> bool:
        last = newest.get(one.name)
        return last is None or last.rev != one.rev or now_ms - last.ts_ms > KEPT_FOR_MS

    old = [one for one in known if is_old(one)]
    for score in await _keep_all(telemetry, settings, old, now_ms):
        newest[score.dependency] = after(newest.get(score.dependency), score)
    return sorted(newest.values(), key=lambda score: score.lower)


async def _keep_all(
    telemetry: TrustTelemetry, settings: Settings, known: Sequence[Dependency], now_ms: int
) -> list[KeptScore]:
    estimates = await trust_estimates(telemetry, settings, known, now_ms)
    scores = [kept_from(found, now_ms) for found in estimates]
    for score in scores:
        await telemetry.keep_score(score)
    return scores


def after(last: KeptScore | None, score: KeptScore) -> KeptScore:
    """`score` with what it follows: the last score of an earlier UTC day."""
    if last is None:
        return score
    if last.ts_ms // DAY_MS < score.ts_ms // DAY_MS:
        return score._replace(earlier_verdict=last.verdict, earlier_score=last.score)
    return score._replace(earlier_verdict=last.earlier_verdict, earlier_score=last.earlier_score)


def _line(seen: _Seen) -> FleetLine:
    score = seen.score
    return FleetLine(
        dependency=seen.dependency,
        score=100 * score.score if score else None,
        interval90=(100 * score.lower, 100 * score.upper) if score else None,
        verdict=seen.verdict,
        as_of=None if seen.ts_ms is None else rfc3339(seen.ts_ms),
        changed=_changed(score) if score else None,
        upstream=seen.upstream,
    )


def _with_upstream(lines: list[_Seen], settings: Settings) -> list[_Seen]:
    """The lines, each with the worst bad state of what it depends on, which passes on to it."""
    below = {name: settings.all_below(name) for name in settings.dependencies}
    if not any(below.values()):
        return lines
    states = {line.dependency: line.verdict for line in lines}
    told = []
    for line in lines:
        bad = [n for n in below.get(line.dependency, ()) if states.get(n) in ("no_go", "caution")]
        if bad:
            worst = max(bad, key=lambda name: VERDICTS_BY_SEVERITY.index(states[name]))
            verdict = worst_verdict([line.verdict, states[worst]])
            told.append(line._replace(verdict=verdict, upstream=f"{worst}: {states[worst]}"))
        else:
            told.append(line)
    return told


def _changed(score: KeptScore) -> str | None:
    """What is other than on the last earlier day it was scored; None where nothing is."""
    if score.earlier_score is None or score.earlier_verdict is None:
        return None
    moved = abs(score.score - score.earlier_score) >= CHANGE_SHOWN
    if score.earlier_verdict == score.verdict and not moved:
        return None
    return f"was {score.earlier_verdict}, {number(round(100 * score.earlier_score, 1))}"


def _summary(lines: Sequence[_Seen], shown: int, suspected: ProviderSuspected | None) -> str:
    if not lines:
        return "Nothing is recorded yet, so nothing can be trusted. Record observations first."
    counts = Counter(line.verdict for line in lines)
    order: tuple[Verdict, ...] = ("no_go", "caution", "unknown", "go")
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if verdict in counts)
    said = f"{counted(len(lines), 'dependency', 'dependencies')}: {told}."
    worst = _line(lines[0])
    if worst.score is not None:
        said += f" Worst {worst.dependency}, trust {points(worst.score, worst.interval90)}."
    if suspected is not None:
        said += f" {suspicion(suspected)}"
    followed = (line.score for line in lines if line.score is not None)
    changed = [f"{score.dependency} ({new})" for score in followed if (new := _changed(score))]
    if changed:
        more = f" and {len(changed) - CHANGES_NAMED} more" if len(changed) > CHANGES_NAMED else ""
        said += f" Changed since the day before: {', '.join(changed[:CHANGES_NAMED])}{more}."
    return said + (f" The worst {shown} are shown." if len(lines) > shown else "")


def _next_actions(lines: Sequence[_Seen]) -> list[NextAction]:
    bad = [line for line in lines if line.verdict in ("no_go", "caution")]
    return [
        NextAction(
            tool="get_trust_score_health",
            arguments={"dependency": line.dependency},
            reason=f"{line.verdict}: its parts and what fails with it",
        )
        for line in sorted(bad, key=lambda line: line.verdict != "no_go")[:2]
    ]
