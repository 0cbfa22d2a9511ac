"""A verdict on a dependency whose calls have been moved elsewhere says so, and moves nothing again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gonogo.answers import DriftReport, NextAction, TargetShare, TrustReport, rfc3339
from gonogo.ports.routes import WHOLE, Route
from gonogo.records import HOUR_MS, Dependency
from gonogo.text.forms import minute, share_text, shares

if TYPE_CHECKING:
    Report = TypeVar("Report", DriftReport, TrustReport)

# A primary with no more than this has been left; with more, the traffic is split.
LEFT_SHARE_MAX = WHOLE // 20


def is_left(route: Route) -> bool:
    """Whether a fallback has taken over: the primary has at most what shows its recovery."""
    return route.primary_share <= LEFT_SHARE_MAX


def unseen(route: Route, primary: Dependency | None, now_ms: int) -> str | None:
    """The reason why recovery cannot be seen, in words: the primary keeps a share and has no calls.

    Of few sticky keys a hundredth is often nobody: 1 % of 30 keys in 47 of 60 fallbacks. What
    gives it more calls is said, not done: a larger share without evidence is a person's choice.
    """
    stage = route.recovery
    share = route.primary_share
    if stage is None or not stage.fallback or not share or now_ms - stage.since_ms < HOUR_MS:
        return None
    if primary is not None and primary.newest_ts_ms > stage.since_ms:
        return None
    main = max(route.targets, key=lambda weight: weight.share).target
    return (
        f"no call of {route.dependency} came since {minute(rfc3339(stage.since_ms))}, so its recovery "
        f"cannot be seen: {share_text(share / WHOLE)} of few sticky keys may be nobody; a person "
        f"gives it more with gonogo fallback {route.dependency} --to {main} --share "
        f"{1 - LEFT_SHARE_MAX / WHOLE:g}"
    )


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
            "next_actions": [look, *kept][:3] if report.verdict != "go" else kept,
        }
    )
