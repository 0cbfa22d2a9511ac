"""Notes on rows that came in: refused ones, said wherever the others are judged, and calls at another cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gonogo.answers import RefusalCount, RefusedName, rfc3339
from gonogo.errors import plain
from gonogo.records import DAY_MS, MICRO, NANO_A_MICRO
from gonogo.text.forms import counted, money, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.answers import DriftReport, TrustReport
    from gonogo.records import RefusedRows

    Report = TypeVar("Report", DriftReport, TrustReport)

__all__ = [
    "all_refused_text",
    "beside_refused",
    "corrections_text",
    "refusal_count",
    "refused_names",
    "refused_text",
]


def refused_text(refused: RefusedRows) -> str:
    """How many since when, and why most of them were."""
    since = rfc3339(refused.since_day * DAY_MS)[:10]
    was, are = ("was", "is") if refused.n == 1 else ("were", "are")
    return (
        f"{counted(refused.n, 'row')} since {since} {was} refused and {are} not counted: "
        f"{refused.field} {plain(refused.problem, 120).rstrip('.?')}"
    )


def beside_refused(report: Report, refused: RefusedRows | None, *, now_ms: int) -> Report:
    """The report, with the rows of its dependency that were refused lately."""
    if refused is None or not refused.is_recent(now_ms):
        return report
    summary = f"{report.summary} {refused_text(refused)}."
    return report.model_copy(update={"summary": summary, "refused": refusal_count(refused)})


def refusal_count(refused: RefusedRows) -> RefusalCount:
    """How many, since when, and why, as a part of an answer about their dependency."""
    return RefusalCount(
        n=refused.n,
        since=rfc3339(refused.since_day * DAY_MS),
        field=refused.field,
        problem=refused.problem,
    )


def refused_names(refused: Sequence[RefusedRows]) -> list[RefusedName]:
    """Refused rows by dependency, as a part of a list."""
    return [
        RefusedName(dependency=one.dependency or None, **refusal_count(one).model_dump())
        for one in refused
    ]


def all_refused_text(refused: Sequence[RefusedRows]) -> str:
    """Of which names how many were refused, as a sentence; empty where none was."""
    if not refused:
        return ""
    parts = [
        f"{counted(one.n, 'row')} of {plain(one.dependency, 80) or 'no name'}" for one in refused
    ]
    return f" Refused lately and not counted: {named(parts)}."


def corrections_text(calls: int, change_nano_usd: int) -> str:
    """How many calls were known at another cost, and the difference in all."""
    usd = change_nano_usd / NANO_A_MICRO / MICRO
    change = f"{money(abs(usd))} {'more' if usd > 0 else 'less'}" if usd else "the same"
    known = counted(calls, "call was", "calls were")
    return f"{known} known at another cost, which is corrected: {change} in all."
