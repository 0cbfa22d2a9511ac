"""Where a dependency's calls go now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import NextAction, RouteAnswer, rfc3339
from gonogo.errors import UnknownTarget
from gonogo.records import Verdict
from gonogo.services.fallback_health import split_version
from gonogo.services.ports_actions import WHOLE, Route, primary_route
from gonogo.services.split import key_place, pick
from gonogo.text.forms import share_text

if TYPE_CHECKING:
    from gonogo.services.ports import Telemetry
    from gonogo.services.ports_actions import Routes
    from gonogo.settings import Settings

# How often a fallback that is due is found still needed before a person has to look.
RENEWALS_MAX = 3


async def get_route(
    routes: Routes,
    telemetry: Telemetry,
    settings: Settings,
    *,
    dependency: str,
    key: str | None = None,
    draw: float = 0.0,
    now_ms: int,
) -> RouteAnswer:
    """Which target to call now.

    The verdict is about the route, not about the target's health: `caution` where a person is to
    decide or the fallback is due for another look, `no_go` where the target is to refuse.

    Args:
        routes: The desired routes.
        telemetry: Which dependencies are known.
        settings: The ladder, for the dependency's name alone.
        dependency: The primary's name.
        key: Sticky: a key keeps its target while the shares stay as they are.
        draw: Uniform in [0, 1); decides by the shares where there is no key.
        now_ms: Epoch milliseconds.

    Raises:
        UnknownTarget: Nothing is known of the dependency.
    """
    route = await routes.route(dependency)
    if route is None:
        await refuse_unknown(telemetry, settings, dependency)
        route = primary_route(dependency)
    place = draw if key is None else key_place(route.salt, key)
    chosen = pick(route.targets, place)
    is_due = route.expires_ms is not None and now_ms >= route.expires_ms
    share = chosen.share / WHOLE
    return RouteAnswer(
        verdict=_verdict(chosen.target, is_due=is_due),
        summary=f"{_call(chosen.target, dependency)} ({share_text(share)} of its traffic): "
        + _why(route, now_ms, is_due=is_due)
        + ".",
        as_of=rfc3339(now_ms),
        next_actions=_next_actions(route, is_due=is_due),
        dependency=dependency,
        target=chosen.target,
        version=None if chosen.target == dependency else split_version(chosen.target)[1],
        share=share,
        route_epoch=route.epoch,
        why=_why(route, now_ms, is_due=is_due),
        expires_at=None if route.expires_ms is None else rfc3339(route.expires_ms),
    )


def _call(target: str, dependency: str) -> str:
    return f"Call {target}" if target == dependency else f"Call {target} for {dependency}"


async def refuse_unknown(telemetry: Telemetry, settings: Settings, dependency: str) -> None:
    """Refuse a name that is neither configured nor recorded."""
    if dependency in settings.dependencies:
        return
    if await telemetry.dependency(dependency) is None:
        recorded = [known.name for known in await telemetry.dependencies(limit=1000)]
        raise UnknownTarget(
            "dependency",
            dependency,
            [*settings.dependencies, *recorded],
            "Record observations first, or check the name.",
        )


def _verdict(target: str, *, is_due: bool) -> Verdict:
    if target == "refuse":
        return "no_go"
    return "caution" if is_due or target == "human" else "go"


def _why(route: Route, now_ms: int, *, is_due: bool) -> str:
    holder = route.holder(now_ms)
    until = f" until {rfc3339(route.held_until_ms)}" if route.held_until_ms is not None else ""
    held = f"; held: {holder}{until}" if holder else ""
    if route.epoch == 0:
        return f"no fallback is in place{held}"
    due = "; it is due for another look" if is_due else ""
    renewed = f"; renewed {route.renewals} of {RENEWALS_MAX} times" if route.renewals else ""
    return f"{route.why}, since {rfc3339(route.changed_ms)}{renewed}{due}{held}"


def _next_actions(route: Route, *, is_due: bool) -> list[NextAction]:
    if not is_due:
        return []
    return [
        NextAction(
            tool="check_model_drift",
            arguments={"dependency": route.dependency},
            reason="has the primary recovered",
        )
    ]
