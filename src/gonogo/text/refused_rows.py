"""Rows that were refused on the way in: said wherever the others are judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gonogo.answers import RefusalCount, rfc3339
from gonogo.errors import plain
from gonogo.records import DAY_MS
from gonogo.text.forms import counted

if TYPE_CHECKING:
    from gonogo.answers import DriftReport, TrustReport
    from gonogo.records import RefusedRows

    Report = TypeVar("Report", DriftReport, TrustReport)


def refused_text(refused: RefusedRows) -> str:
    """How many since when, and why most of them were."""
    since = rfc3339(refused.since_day * DAY_MS)[:10]
    was, are = ("was", "is") if refused.n == 1 else ("were", "are")
    return (
        f"{counted(refused.n, 'row')} since {since} {was} refused and {are} not counted: "
        f"{refused.field} {plain(refused.problem, 120)}"
    )


def beside_refused(report: Report, refused: RefusedRows | None, *, now_ms: int) -> Report:
    """The report, with the rows of its dependency that were refused lately."""
    if refused is None or not refused.is_recent(now_ms):
        return report
    said = RefusalCount(
        n=refused.n,
        since=rfc3339(refused.since_day * DAY_MS),
        field=refused.field,
        problem=refused.problem,
    )
    summary = f"{report.summary} {refused_text(refused)}."
    return report.model_copy(update={"summary": summary, "refused": said})
