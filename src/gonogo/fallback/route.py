"""The present route of a dependency, a cheaper target where a budget runs low, and a person's hold on the route."""

from __future__ import annotations

import json
from dataclasses import replace

from gonogo.answers import NextAction, RouteAnswer, ShadowCall, rfc3339
from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.fallback.conditions import REASON_CHARS_MAX
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.traffic import unseen
from gonogo.hours.periods import moment
from gonogo.money.scopes import dependencies_of, traffic_now
from gonogo.money.step_down import cheaper_target, low_budgets, stepped_down
from gonogo.ports.routes import UNMEASURED, WHOLE, Route, primary_route, split_version
from gonogo.ports.standing_verdicts import NEVER_ASKED, CurrentVerdict, verdicts_now
from gonogo.ports.telemetry import Telemetry
from gonogo.records import Decision, Verdict, worst_verdict
from gonogo.routes.split import key_place, pick
from gonogo.settings import PER_DEPENDENCY, Settings
from gonogo.text.budget_summary import step_down_text
from gonogo.text.forms import actor_name, share_text

# How often a fallback that is due is found still needed before a person has to look.
RENEWALS_MAX = 3


async def get_route(
    ports: FallbackPorts, *, dependency: str, key: str | None = None, draw: float = 0.0, now_ms: int
) -> RouteAnswer:
    """Say which target to call now.

    The verdict is the standing verdict of the target that is named, or worse: `caution` where a
    person is to decide or the fallback is due for another look, `no_go` where it is to refuse.

    Args:
        ports: The desired routes, standing verdicts, which dependencies are known, and the settings.
        dependency: The primary's name.
        key: Sticky: a key keeps its target while the shares stay as they are.
        draw: Uniform in [0, 1); decides by the shares where there is no key.
        now_ms: Epoch milliseconds.

    Raises:
        UnknownTarget: Nothing is known of the dependency.
    """
    route = await ports.routes.route(dependency)
    if route is None:
        await refuse_unknown(ports.telemetry, ports.settings, dependency)
        route = primary_route(dependency)
    answer = await _answer(
        ports, route, draw if key is None else key_place(route.salt, key), now_ms
    )
    return await _beside_cheaper(ports, answer, now_ms)


async def _answer(ports: FallbackPorts, route: Route, place: float, now_ms: int) -> RouteAnswer:
    """The target whose stretch of the route holds a place in [0, 1)."""
    dependency = route.dependency
    chosen = pick(route.targets, place)
    is_due = route.expires_ms is not None and now_ms >= route.expires_ms
    share = chosen.share / WHOLE
    kept = sum(weight.share for weight in route.targets if weight.target == dependency)
    blind = None
    if route.recovery is not None:
        blind = unseen(route, await ports.telemetry.dependency(dependency), now_ms)
    why = _why(route, now_ms, is_due=is_due) + (f"; {blind}" if blind else "")
    health = await _health(ports, chosen.target, primary=dependency, now_ms=now_ms)
    own = _verdict(chosen.target, is_due=is_due)
    beside = _shadow(route)
    if beside is not None:
        why += f"; call {beside.target} beside it, and record that as {beside.record_as}"
    return RouteAnswer(
        verdict=own if health is None else worst_verdict([own, health.verdict]),
        summary=f"{_call(chosen.target, dependency)} ({share_text(share)} of its traffic): "
        + why
        + "."
        + ("" if health is None else f" {_told(chosen.target, health)}"),
        as_of=rfc3339(now_ms),
        next_actions=_next_actions(ports.settings, route, chosen.target, health, is_due=is_due),
        dependency=dependency,
        target=chosen.target,
        version=None if chosen.target == dependency else split_version(chosen.target)[1],
        share=share,
        primary_share=kept / WHOLE if chosen.target != dependency and kept else None,
        route_epoch=route.epoch,
        why=why,
        expires_at=None if route.expires_ms is None else rfc3339(route.expires_ms),
        shadow=beside,
        verdict_as_of=(
            None if health is None or health.as_of_ms is None else rfc3339(health.as_of_ms)
        ),
    )


def _shadow(route: Route) -> ShadowCall | None:
    trial = route.promotion
    if trial is None or not trial.is_shadowed:
        return None
    return ShadowCall(target=trial.target, record_as=trial.shadow)


def _call(target: str, dependency: str) -> str:
    return f"Call {target}" if target == dependency else f"Call {target} for {dependency}"


async def _health(
    ports: FallbackPorts, target: str, *, primary: str, now_ms: int
) -> CurrentVerdict | None:
    """The standing verdict of a target; None where there is nothing to measure.

    A version has none of its own, and a fallback's target may never have been asked about: their
    calls are scored as they are now.
    """
    if target in UNMEASURED:
        return None
    version = split_version(target)[1]
    found = await verdicts_now(ports.decisions, ports.settings, now_ms=now_ms, names=[target])
    if target in found:
        return found[target]
    is_known = await ports.telemetry.dependency(target) is not None
    if target.startswith("rules:") and not is_known:
        return None
    if target == primary or (version is None and not is_known):
        return NEVER_ASKED
    trust = (await ports.health.assess(target, primary=primary, now_ms=now_ms)).verdict
    return CurrentVerdict(trust, now_ms, trust=trust)


def _told(target: str, health: CurrentVerdict) -> str:
    """The target's verdict with what it rests on."""
    parts = [
        f"{part} {verdict}"
        for part, verdict in (("drift", health.drift), ("trust", health.trust))
        if verdict is not None
    ]
    if health.as_of_ms is None or not parts:
        return f"Whether {target} is fit has not been asked yet."
    return f"{target} is {health.verdict} ({', '.join(parts)}; as of {rfc3339(health.as_of_ms)})."


async def refuse_unknown(telemetry: Telemetry, settings: Settings, dependency: str) -> None:
    """Refuse a name that is neither configured nor recorded."""
    if dependency in settings.dependencies:
        return
    if await telemetry.dependency(dependency) is None:
        recorded = await telemetry.names()
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


def _next_actions(
    settings: Settings, route: Route, target: str, health: CurrentVerdict | None, *, is_due: bool
) -> list[NextAction]:
    if is_due:
        return [
            NextAction(
                tool="check_model_drift",
                arguments={"dependency": route.dependency},
                reason="has the primary recovered",
            )
        ]
    if health is None or health.verdict == "go":
        return []
    measured = target if target == route.dependency else split_version(target)[0]
    look = NextAction(
        tool="preflight",
        arguments={"dependencies": [measured]},
        reason="ask now: drift and trust, with what speaks against it",
    )
    ladder = settings.dependency(route.dependency).fallback
    if health.verdict != "no_go" or not route.is_primary or not ladder:
        return [look]
    reason = f"{route.dependency} is no_go"
    plan = NextAction(
        tool="trigger_fallback",
        arguments={"dependency": route.dependency, "reason": reason},
        reason="plan a way back; changes nothing yet",
    )
    return [plan, look]


async def _beside_cheaper(ports: FallbackPorts, route: RouteAnswer, now_ms: int) -> RouteAnswer:
    """The answer, with a cheaper target where a budget of its calls runs low; it changes nothing else."""
    keyed = (
        owner for owner in ports.settings.keyed_budgets.values() if owner.per == PER_DEPENDENCY
    )
    own = (ports.settings.budget(f"{owner.name}/{route.dependency}") for owner in keyed)
    every = {b.name: b for b in (*ports.settings.budgets.values(), *own) if b is not None}
    stepping = [b for b in every.values() if b.on_low == "step_down"]
    if ports.ledger is None or not stepping:
        return route
    traffic = await traffic_now(ports.settings, ports.telemetry, ports.routes)
    # One that lists others is never spent on this.
    mine = [
        b
        for b in stepping
        if route.dependency in (dependencies_of(ports.settings, b, traffic) or (route.dependency,))
    ]
    low = await low_budgets(ports.ledger, ports.settings, mine, traffic, now_ms=now_ms)
    for budget in low:
        if route.dependency not in budget.spent_on:
            continue
        found = await cheaper_target(
            ports.telemetry,
            ports.decisions,
            ports.settings,
            (route.dependency,),
            budget.unit,
            traffic,
            now_ms=now_ms,
        )
        if found is not None:
            step, plan = stepped_down(found, budget.name)
            who = f"Budget {plain(budget.name, 80)} runs low"
            return route.model_copy(
                update={
                    "step_down": step,
                    "summary": f"{route.summary} {step_down_text(step, budget.unit, who)}",
                    "next_actions": [plan, *route.next_actions][:3],
                }
            )
    return route


async def hold_route(
    ports: FallbackPorts,
    dependency: str,
    *,
    reason: str | None,
    until: str | None = None,
    actor: str,
    now_ms: int,
) -> Route:
    """Hold a route where it is, or let it go (no `reason`). Logged as an action.

    Args:
        ports: The routes, the telemetry that knows names, and the settings with their zone.
        dependency: The primary's name.
        reason: Why; None lets the route go.
        until: A date or time at which the hold ends by itself; without one it stays.
        actor: Who says so.
        now_ms: Epoch milliseconds.

    Raises:
        ParameterError: The reason is empty, or `until` is no time ahead.
        UnknownTarget: Nothing is known of the dependency.
    """
    if await ports.routes.route(dependency) is None:
        await refuse_unknown(ports.telemetry, ports.settings, dependency)
    said, until_ms = None, None
    if reason is not None:
        said = plain(reason.strip(), REASON_CHARS_MAX)
        if not said:
            raise ParameterError("A hold needs a reason: others will read why the route is stuck.")
    if until is not None:
        until_ms = moment(until, name="until", zone=ports.settings.timezone).start_ms
        if until_ms <= now_ms:
            raise ParameterError(f"until {plain(until, 60)} has passed: name a time ahead.")
    end = "" if until_ms is None else f" until {rfc3339(until_ms)}"
    told = f"held{end}: {said}" if said else "let go"
    entry = Decision(
        id=ports.new_id(),
        ts_ms=now_ms,
        kind="hold",
        verdict=None,
        summary=f"{actor_name(actor)}: the route of {dependency} is {told}",
        inputs=json.dumps({"dependency": dependency, "hold": said, "until": until}),
        answer=json.dumps({"held": said, "held_until_ms": until_ms}),
        action=True,
        dependency=dependency,
        actor=actor,
        settings_digest=ports.settings.digest,
    )

    def amended(route: Route) -> tuple[Route, Decision] | None:
        same = (route.held, route.held_until_ms) == (said, until_ms)
        return None if same else (replace(route, held=said, held_until_ms=until_ms), entry)

    return await ports.routes.amend(dependency, amended, now_ms=now_ms)
