"""A verdict on a dependency whose calls have been moved elsewhere says so, and moves nothing again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gonogo.answers import NextAction, TargetShare, rfc3339
from gonogo.ports.routes import WHOLE
from gonogo.text.forms import minute, shares

if TYPE_CHECKING:
    from gonogo.answers import DriftReport, TrustReport
    from gonogo.ports.routes import Route

    Report = TypeVar("Report", DriftReport, TrustReport)

# A primary with no more than this has been left; with more, the traffic is split.
LEFT_SHARE_MAX = WHOLE // 20


def is_left(route: Route) -> bool:
    """Whether a fallback has taken over: the primary has at most what shows its recovery."""
    return route.primary_share <= LEFT_SHARE_MAX


def beside_route(report: Report, route: Route | None) -> Report:
    """The report, with where the calls go where that is not the dependency alone.

    Where a fallback has taken over already, no other one is offered: what comes next is a look at
    the route, not a move from where the calls are served to a target that may be worse.
    """
    if route is None or route.is_primary:
        return report
    targets = [TargetShare(target=w.target, share=w.share / WHOLE) for w in route.targets]
    goes = f"its calls go to {shares(targets)} since {minute(rfc3339(route.changed_ms))}"
    if not is_left(route):
        split = f"{report.summary} Traffic is split: {goes}."
        return report.model_copy(update={"summary": split, "traffic": targets})
    look = NextAction(
        tool="get_route",
        arguments={"dependency": route.dependency},
        reason="where its calls go now; the way back opens on evidence",
    )
    kept: list[NextAction] = [
        action for action in report.next_actions if action.tool != "trigger_fallback"
    ]
    return report.model_copy(
        update={
            "summary": f"{report.summary} A fallback is in place: {goes}.",
            "traffic": targets,
            "next_actions": [look, *kept][:3] if report.verdict != "go" else [],
        }
    )
