"""What is known, one line a dependency, with the last stored verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import DependencyLine, DependencyList, NextAction, rfc3339
from gonogo.records import worst_verdict
from gonogo.services.ahead import age_s
from gonogo.text.forms import counted

if TYPE_CHECKING:
    from gonogo.records import Dependency, Verdict
    from gonogo.services.ports import DecisionLog, Telemetry

PAGE_LINES = 50
VERSIONS_SHOWN = 5


async def list_dependencies(
    telemetry: Telemetry, log: DecisionLog, *, query: str | None, cursor: str | None, now_ms: int
) -> DependencyList:
    """A page of dependencies by name; the cursor is the last name of the page before.

    Nothing is judged here: a line shows the last verdict that was asked for, `unknown` where none
    ever was.
    """
    found = await telemetry.dependencies(query=query, after=cursor, limit=PAGE_LINES + 1)
    last = await log.last_verdicts()
    page, more = found[:PAGE_LINES], len(found) > PAGE_LINES
    lines = [_line(dependency, last.get(dependency.name)) for dependency in page]
    newest = max((t for d in page if (t := d.newest_ts_ms) <= now_ms), default=None)
    return DependencyList(
        verdict=worst_verdict([line.verdict for line in lines]),
        summary=_summary(lines, query=query, more=more),
        as_of=rfc3339(now_ms),
        data_age_s=age_s(newest, now_ms),
        next_actions=_next_actions(lines, query),
        dependencies=lines,
        next_cursor=page[-1].name if more else None,
    )


def _line(dependency: Dependency, last: tuple[Verdict, int] | None) -> DependencyLine:
    newest_first = sorted(dependency.versions, key=lambda v: -v.newest_ts_ms)
    return DependencyLine(
        dependency=dependency.name,
        kind=dependency.kind,
        versions=[v.version for v in newest_first if v.version is not None][:VERSIONS_SHOWN],
        n=dependency.n,
        newest_ts=rfc3339(dependency.newest_ts_ms),
        metrics=list(dependency.metrics),
        verdict=last[0] if last else "unknown",
        verdict_as_of=rfc3339(last[1]) if last else None,
    )


def _summary(lines: list[DependencyLine], *, query: str | None, more: bool) -> str:
    if not lines:
        return (
            f"No dependency's name contains '{query}'."
            if query
            else "Nothing is recorded yet. Record observations first."
        )
    counts = {v: sum(line.verdict == v for line in lines) for v in ("no_go", "caution", "go")}
    told = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    rest = "; more follow, pass `cursor`" if more else ""
    known = counted(len(lines), "dependency", "dependencies")
    return f"{known} ({told or 'none checked yet'} when last asked){rest}."


def _next_actions(lines: list[DependencyLine], query: str | None) -> list[NextAction]:
    if not lines and query:
        return [NextAction(tool="list_dependencies", arguments={}, reason="see every name")]
    if not lines:
        return []  # what to record, only the caller knows
    unasked = next((line for line in lines if line.verdict_as_of is None), lines[0])
    return [
        NextAction(
            tool="check_model_drift",
            arguments={"dependency": unasked.dependency},
            reason="a current verdict",
        )
    ]
