"""The list of dependencies, one line each, with its standing verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gonogo.answers import DependencyLine, DependencyList, NextAction, rfc3339
from gonogo.errors import UnknownTarget, plain
from gonogo.ports.routes import Routes, shadow_names
from gonogo.ports.standing_verdicts import NEVER_ASKED, CurrentVerdict, by_severity, verdicts_now
from gonogo.ports.telemetry import DecisionLog, Telemetry
from gonogo.ports.trust_reads import TrustTelemetry
from gonogo.records import VERDICTS_BY_SEVERITY, Dependency, RefusedRows, Verdict, worst_verdict
from gonogo.settings import Settings
from gonogo.text.forms import counted, named
from gonogo.text.row_notes import (
    SKEW_MS,
    age_s,
    ahead_names_note,
    all_refused_text,
    left_out_of,
    newest_ahead,
    refused_names,
)
from gonogo.text.trust_summary import doubts_text
from gonogo.trust.fleet_scores import Suspicion, doubts_of
from gonogo.views.worse_whole import look_at_whole

PAGE_LINES = 50
VERSIONS_SHOWN = 5
REFUSED_SHOWN = 10


async def list_dependencies(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    settings: Settings,
    *,
    query: str | None,
    cursor: str | None,
    refused: Sequence[RefusedRows],
    routes: Routes,
    suspicion: Suspicion,
    now_ms: int,
) -> DependencyList:
    """A page of dependencies by name; the cursor is the last name of the page before.

    Nothing is judged here: a line shows the standing verdict, `unknown` where none was ever asked
    for. Verdict, counts, the age of the data and what lies ahead of the clock are of all that match, on
    this page or not. So is what was `refused` lately, also of names that have no line since nothing of
    them was stored. Shadows have lines and are not counted: each is a part of the dependency whose
    candidate it records.
    """
    shadows = await shadow_names(routes)
    wanted = (query or "").casefold()
    lost = [one for one in refused if wanted in one.dependency.casefold()]
    found = await telemetry.dependencies(query=query, after=cursor, limit=PAGE_LINES + 1)
    every = await telemetry.names(query=query)
    names = [name for name in every if name not in shadows] or list(every)
    verdicts = await verdicts_now(log, settings, now_ms=now_ms)
    page, more = found[:PAGE_LINES], len(found) > PAGE_LINES
    doubts = await doubts_of(
        telemetry, settings, {each.name: each.rev for each in page}, suspicion, now_ms=now_ms
    )
    doubtful = {name: doubt.writer for name, doubt in doubts.items()}
    stored = ((each, verdicts.get(each.name, NEVER_ASKED)) for each in page)
    left_out = {one.dependency: left_out_of(one) for one in lost}
    lines = [_line(each, verdict, now_ms, shadows, doubtful, left_out) for each, verdict in stored]
    ahead = {name: late for name, t in every.items() if (late := newest_ahead(t, now_ms))}
    newest = max((t for t in every.values() if t <= now_ms), default=None)
    standing = {name: verdicts[name] for name in names if name in verdicts}
    counts = Counter(one.verdict for one in standing.values())
    never_asked = len(names) - len(standing)
    return DependencyList(
        verdict=worst_verdict([*counts, *(("unknown",) if never_asked else ())]),
        summary=_summary(counts, never_asked, query=query, more=more)
        + _shadows_text([n for n in every if n in shadows] if len(names) < len(every) else [])
        + doubts_text(doubtful)
        + ahead_names_note(ahead)
        + _early_verdicts_text(standing, now_ms)
        + all_refused_text(lost),
        as_of=rfc3339(now_ms),
        data_age_s=age_s(newest, now_ms),
        next_actions=_next_actions([one for one in lines if not one.shadow_of] or lines, query),
        dependencies=lines,
        refused=refused_names(lost[:REFUSED_SHOWN]) or None,
        query=query,
        next_cursor=page[-1].name if more else None,
        total=len(names),
        verdicts=by_severity(counts),
    )


async def dependency_line(
    telemetry: Telemetry, log: DecisionLog, settings: Settings, name: str, *, now_ms: int
) -> DependencyLine:
    """The line of one dependency.

    Raises:
        UnknownTarget: Nothing was ever recorded under this name.
    """
    known = await telemetry.dependency(name)
    if known is None:
        names = await telemetry.names()
        advice = "Record observations first, or check the name."
        raise UnknownTarget("dependency", name, names, advice)
    verdicts = await verdicts_now(log, settings, now_ms=now_ms, names=[name])
    return _line(known, verdicts.get(name, NEVER_ASKED), now_ms, {}, {}, {})


def _line(
    dependency: Dependency,
    now: CurrentVerdict,
    now_ms: int,
    shadows: Mapping[str, str],
    doubtful: Mapping[str, str],
    left_out: Mapping[str, list[str] | None],
) -> DependencyLine:
    newest_first = sorted(dependency.versions, key=lambda v: -v.newest_ts_ms)
    return DependencyLine(
        dependency=dependency.name,
        kind=dependency.kind,
        versions=[v.version for v in newest_first if v.version is not None][:VERSIONS_SHOWN],
        n=dependency.n,
        newest_ts=rfc3339(dependency.newest_ts_ms),
        ahead=newest_ahead(dependency.newest_ts_ms, now_ms),
        metrics=list(dependency.metrics),
        verdict=now.verdict,
        verdict_as_of=None if now.as_of_ms is None else rfc3339(now.as_of_ms),
        drift=now.drift,
        trust=now.trust,
        shadow_of=shadows.get(dependency.name),
        doubtful=doubtful.get(dependency.name),
        left_out=left_out.get(dependency.name),
    )


def _summary(counts: Counter[Verdict], never_asked: int, *, query: str | None, more: bool) -> str:
    total = counts.total() + never_asked
    if not total:
        return (
            f"No dependency's name contains '{plain(query, 80)}'."
            if query
            else "Nothing is recorded yet. Record observations first."
        )
    told = [f"{n:,} {verdict}" for verdict, n in by_severity(counts).items()]
    told[-1:] = [f"{told[-1]} when last asked"] if told else []
    if never_asked:
        told.append(f"{never_asked:,} not checked yet" if told else "none checked yet")
    rest = "; more follow, pass `cursor`" if more else ""
    known = counted(total, "dependency", "dependencies")
    known += f" whose name contains '{plain(query, 80)}'" if query else ""
    return f"{known} ({', '.join(told)}){rest}."


def _shadows_text(names: list[str]) -> str:
    return f" Not counted, as a shadow: {named(names)}." if names else ""


def _early_verdicts_text(verdicts: Mapping[str, CurrentVerdict], now_ms: int) -> str:
    """The sentence, after a blank, of verdicts that are dated after now; empty where there is none."""
    names = [n for n, one in verdicts.items() if (one.as_of_ms or 0) > now_ms + SKEW_MS]
    if not names:
        return ""
    return (
        f" The verdict of {named(names)} is dated after now: it was given before the clock was set"
        " back, or by one that was ahead. Ask again."
    )


def _next_actions(lines: list[DependencyLine], query: str | None) -> list[NextAction]:
    doubted = next((line.dependency for line in lines if line.doubtful), None)
    if doubted is not None:
        doubt: dict[str, object] = {"dependency": doubted}
        return [
            NextAction(tool="get_trust_score_health", arguments=doubt, reason="whose calls differ")
        ]
    if not lines and query:
        return [NextAction(tool="list_dependencies", arguments={}, reason="see every name")]
    if not lines:
        return []  # what to record, only the caller knows
    unasked = next((line for line in lines if line.drift is None), None)
    if unasked is not None:
        asked: dict[str, object] = {"dependency": unasked.dependency}
        return [NextAction(tool="check_model_drift", arguments=asked, reason="a current verdict")]
    worst = max(lines, key=lambda line: VERDICTS_BY_SEVERITY.index(line.verdict))
    return (
        []
        if worst.verdict == "go"
        else [look_at_whole(worst.dependency, worst, f"it is {worst.verdict}")]
    )
