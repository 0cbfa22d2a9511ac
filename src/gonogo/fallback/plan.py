"""Planning a fallback: what would change, how the target does, what it costs, what speaks against.

Nothing is changed but the list of plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.errors import ActionRefused, ParameterError, UnknownTarget, plain
from gonogo.fallback.conditions import REASON_CHARS_MAX, approval_of, target_route
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.judgement import judge_switch
from gonogo.fallback.route import refuse_unknown
from gonogo.fallback.traffic import LEFT_SHARE_MAX, is_left
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import (
    LOCAL,
    UNMEASURED,
    WHOLE,
    Check,
    Route,
    Weight,
    primary_route,
    split_version,
)
from gonogo.ports.target_health import Assessment
from gonogo.ports.telemetry import Telemetry
from gonogo.records import DAY_MS, HOUR_MS, MICRO
from gonogo.routes.sticky_keys import chosen_salt
from gonogo.settings import DependencySettings, Policy, Settings
from gonogo.text.forms import as_shown, counted, money, number, share_text, signed

# A fallback is due for another look after a day; it is never taken back blindly.
LEASE_MS = DAY_MS
# What the primary gets back, stage by stage.
RETURN_STAGES = (WHOLE // 100, WHOLE // 20, WHOLE // 4, WHOLE // 2, WHOLE)
PRICED_CALLS = 200
PER_CALLS = 1_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """A switch that is worth showing: from where to where, and what was found on the way."""

    dependency: str
    reason: str
    route: Route
    after: tuple[Weight, ...]
    health: Assessment | None  # none for the way back
    cost_change: str | None
    effects: tuple[str, ...]
    checks: tuple[Check, ...]
    approval: Policy
    valid_ms: int
    way_back: str | None = None
    promotes: Promotion | None = None
    salt: str = ""


async def propose(
    ports: FallbackPorts,
    *,
    dependency: str,
    reason: str | None,
    to: str | None,
    share: float | None,
    asked_by: Sequence[str],
    now_ms: int,
) -> Proposal:
    """Work out a switch of a dependency's traffic; reads only. `asked_by`: see `judge_switch`.

    Raises:
        ParameterError: No reason, or a share outside (0, 1].
        UnknownTarget: Nothing is known of the dependency or of the target.
        ActionRefused: There is nothing to switch to, or nothing would change.
    """
    said = plain((reason or "").strip(), REASON_CHARS_MAX)
    if not said:
        raise ParameterError("A fallback needs a reason: pass `reason`, it goes into the log.")
    routed = await ports.routes.route(dependency)
    if routed is None:
        await refuse_unknown(ports.telemetry, ports.settings, dependency)
    own = ports.settings.dependency(dependency)
    route = routed or primary_route(dependency)
    target = await _chosen(ports, own, route, to, asked_by, now_ms)
    after = wanted_targets(route, target, share, own)
    if after == route.targets:
        raise ActionRefused(
            f"'{dependency}' already goes to {told_targets(after)}: nothing to change. Name another "
            "target with `to`, or another `share`."
        )
    judged = await judge_switch(ports, route, after, asked_by=asked_by, now_ms=now_ms)
    kept = sum(weight.share for weight in after if weight.target == route.home)
    stages = tuple(stage for stage in RETURN_STAGES[:-1] if stage > kept)
    salt, keys = await chosen_salt(
        ports.telemetry, own, route, (kept, *stages) if kept else (), now_ms=now_ms
    )
    return Proposal(
        dependency=dependency,
        reason=said,
        route=route,
        after=after,
        health=judged.health,
        cost_change=await _cost_change(ports.telemetry, dependency, target),
        effects=effects(ports, route, after),
        checks=judged.checks,
        approval=approval_of(own.fallback_policy, judged.checks),
        valid_ms=valid_ms(ports.settings, approval_of(own.fallback_policy, judged.checks)),
        way_back=" ".join(
            part for part in (_way_back(route.home, after), keys and f"({keys})") if part
        )
        or None,
        salt=salt,
    )


def valid_ms(settings: Settings, approval: Policy) -> int:
    """The lifetime of a plan: longer where it waits for a person. It is judged again either way."""
    agents = approval in ("allow", "confirm")
    return 1000 * (settings.plan_expires_s if agents else settings.approval_expires_s)


def wanted_targets(
    route: Route, target: str, share: float | None, own: DependencySettings
) -> tuple[Weight, ...]:
    """The new shares of traffic; without a stated share everything but a trickle that shows recovery.

    `refuse` and `human` get everything: there the primary must not be called at all.
    """
    if share is not None:
        return shifted(route, target, whole_share(share), own.fallback)
    kept = 0 if target in (own.name, route.home, *UNMEASURED) else round(own.recovery_share * WHOLE)
    shares = (Weight(route.home, kept), Weight(target, WHOLE - kept))
    return tuple(weight for weight in shares if weight.share)


def _way_back(dependency: str, after: tuple[Weight, ...]) -> str | None:
    left = next((weight.share for weight in after if weight.target == dependency), 0)
    if left == WHOLE:
        return None
    if left > LEFT_SHARE_MAX:
        return "none by itself: this is a split, and it stays until somebody changes it"
    stages = " → ".join(share_text(part / WHOLE) for part in RETURN_STAGES if part > left)
    if left == 0:
        return (
            f"none by itself: nothing stays on {dependency}, so its recovery cannot be seen; in "
            f"{LEASE_MS // HOUR_MS} h it is due for another look by a person"
        )
    return (
        f"{share_text(left / WHOLE)} stays on {dependency} so that its recovery can be seen; back "
        f"on evidence ({stages}) while `gonogo watch` runs"
    )


def whole_share(share: float) -> int:
    """A share as ten-thousandths."""
    if not 0 < share <= 1:
        raise ParameterError(
            f"share {number(share)} is outside (0, 1]: 0.25 sends a quarter there."
        )
    part = round(share * WHOLE)
    if part == 0:
        raise ParameterError(
            f"share {share:g} is too small: a route shares calls out in ten-thousandths. The least is {1 / WHOLE}."
        )
    return part


def shifted(route: Route, target: str, share: int, ladder: Sequence[str]) -> tuple[Weight, ...]:
    """Give `target` this share; the others keep their proportions, the primary what is left.

    The order is fixed (primary, ladder, others), so that keys never move back.
    """
    held = {weight.target: weight.share for weight in route.targets if weight.target != target}
    others = sum(held.values())
    rest = WHOLE - share
    shares = {name: rest * part // others for name, part in held.items()} if others else {}
    left = rest - sum(shares.values())
    takes_rest = max(shares, key=lambda name: shares[name], default=route.home)
    if left:
        shares[takes_rest] = shares.get(takes_rest, 0) + left
    shares[target] = shares.get(target, 0) + share
    names = list(dict.fromkeys([route.home, *ladder, *held, target]))
    return tuple(Weight(name, shares[name]) for name in names if shares.get(name, 0) > 0)


def told_targets(targets: tuple[Weight, ...]) -> str:
    """Targets and shares in words, the largest first."""
    largest_first = sorted(targets, key=lambda weight: -weight.share)
    return " + ".join(f"{w.target} {share_text(w.share / WHOLE)}" for w in largest_first)


def actuators_of(ports: FallbackPorts, dependency: str) -> tuple[str, ...]:
    """The names of a dependency's actuators: those configured, and always a route file."""
    own = ports.settings.dependency(dependency).actuators
    kinds = {
        ports.settings.actuators[name].kind for name in own if name in ports.settings.actuators
    }
    return own if "route_file" in kinds or LOCAL not in ports.actuators else (*own, LOCAL)


def effects(
    ports: FallbackPorts, route: Route, after: tuple[Weight, ...], promotes: Promotion | None = None
) -> tuple[str, ...]:
    """The effects of a plan, one line an actuator."""
    wanted = Route(route.dependency, after, epoch=route.epoch + 1, promotion=promotes)
    lines = [f"store: epoch {wanted.epoch}"]
    for name in actuators_of(ports, route.dependency):
        actuator = ports.actuators.get(name)
        lines.append(
            actuator.effect(wanted) if actuator else f"{name}: cannot be reached from here"
        )
    return tuple(lines)


async def _chosen(
    ports: FallbackPorts,
    own: DependencySettings,
    route: Route,
    to: str | None,
    asked_by: Sequence[str],
    now_ms: int,
) -> str:
    """The target that was named, or the rung that is fittest now; among equals the first."""
    if to is not None:
        target = to.strip()
        listed = [own.name, *own.fallback, *UNMEASURED]
        if target not in listed and not await ports.health.is_known(target):
            raise UnknownTarget(
                "fallback target", target, listed, "Record observations of it, or check the name."
            )
        return target
    await _refuse_beyond(ports, own, route, now_ms)
    had = {w.target for w in route.targets if w.share >= WHOLE - LEFT_SHARE_MAX}
    rungs = [name for name in own.fallback if name not in had]
    if not rungs:
        raise ActionRefused(
            f"'{own.name}' has no {'further' if own.fallback else 'fallback'} rung to go to. Name a "
            f"target with `to`, or set fallback = ['…'] under [dependencies.\"{own.name}\"]."
        )
    is_down = await ports.health.is_down(own.name, now_ms=now_ms, asked_by=asked_by)
    routes = {found.dependency: found for found in await ports.routes.routes()}
    ranks = {}
    for name in rungs:
        health = await ports.health.assess(name, primary=own.name, asked_by=asked_by, now_ms=now_ms)
        is_away = bool(target_route(own.name, name, routes))
        ranks[name] = _rank(health, is_down=is_down, is_away=is_away)
    return min(rungs, key=lambda name: ranks[name])


def _rank(health: Assessment, *, is_down: bool, is_away: bool) -> int:
    """Rank a rung by fitness: well, silent in an outage, unknown, of a suspected provider, ill."""
    if is_away or health.answers is False:
        return 5
    if health.verdict == "no_go":
        return 4
    if health.suspected is not None:
        return 3
    if health.verdict == "unknown":
        return 2
    return int(is_down and health.answers is None)


async def _refuse_beyond(
    ports: FallbackPorts, own: DependencySettings, route: Route, now_ms: int
) -> None:
    """Offer nothing beyond a fallback that is in place and well: what comes after it may be worse.

    Raises:
        ActionRefused: It is; a target that is named is still planned.
    """
    if not is_left(route):
        return
    main = max(route.targets, key=lambda weight: weight.share).target
    now = await ports.health.assess(main, primary=own.name, now_ms=now_ms)
    if now.verdict in ("go", "caution") and now.answers is not False:
        raise ActionRefused(
            f"'{own.name}' already goes to {told_targets(route.targets)}, and {main} is fit "
            f"({now.why}): nothing beyond it is offered. Name a target with `to` to go there."
        )


async def _cost_change(telemetry: Telemetry, dependency: str, target: str) -> str:
    """The change of a call's cost by the switch, from the newest calls with a recorded cost."""
    here, n_here = await _mean_cost(telemetry, dependency)
    there, n_there = await _mean_cost(telemetry, target)
    if here is None or there is None:
        missing = dependency if here is None else target
        return f"not known: no cost is recorded for {missing}"
    here, there = as_shown(here * PER_CALLS), as_shown(there * PER_CALLS)
    change = "the same"
    if here != there:
        change = f"{money(abs(there - here))} {'less' if there < here else 'more'}"
        change += f" ({signed(round(100 * (there - here) / here))}%)" if here else ""
    return (
        f"{counted(PER_CALLS, 'call')} cost {money(there)} on {target} and {money(here)} on "
        f"{dependency}: {change}; n {number(n_there)} and {number(n_here)}"
    )


async def _mean_cost(telemetry: Telemetry, target: str) -> tuple[float | None, int]:
    if target in UNMEASURED:
        return 0.0, 0
    known = await telemetry.dependency(target)
    name, version = (target, None) if known else split_version(target)
    if known is None and (version is None or await telemetry.dependency(name) is None):
        return None, 0
    costs = await telemetry.newest_costs(name)
    kept = costs.cost_micro_usd >= 0
    if version is not None:
        number = costs.versions.index(version) if version in costs.versions else -1
        kept = kept & (costs.version == number)
    priced = costs.cost_micro_usd[kept][-PRICED_CALLS:]
    return (float(priced.mean()) / MICRO, len(priced)) if len(priced) else (None, 0)
