"""Planning a fallback: what would change, how the target does, what it costs, what speaks against.

Nothing is changed but the list of plans. A failed check stops everyone (`always`), everyone but a
person at `gonogo approve` (`agents`), or no one (`never`): then a person decides, whatever the
policy would have allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.errors import ActionRefused, ParameterError, UnknownTarget, plain
from gonogo.fallback.drawn_budgets import drawn_budgets
from gonogo.fallback.rehearsed import last_drill, rehearsed
from gonogo.fallback.route import refuse_unknown
from gonogo.fallback.traffic import LEFT_SHARE_MAX, is_left
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
from gonogo.ports.standing import NEVER_ASKED, verdicts_now
from gonogo.records import DAY_MS, HOUR_MS, MICRO
from gonogo.text.forms import counted, money, number, percent, share_text, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.fallback.fallback_ports import FallbackPorts
    from gonogo.ports.routes import Switch
    from gonogo.ports.target_health import Assessment
    from gonogo.ports.telemetry import Telemetry
    from gonogo.records import Verdict
    from gonogo.settings import DependencySettings, Policy, Settings

PLAN_VALID_MS = 15 * 60_000
# A fallback is due for another look after a day; it is never taken back blindly.
LEASE_MS = DAY_MS
# What the primary gets back, stage by stage.
RETURN_STAGES = (WHOLE // 100, WHOLE // 20, WHOLE // 4, WHOLE // 2, WHOLE)
SWITCHES_A_DAY_MAX = 2
# Every switch adds one; half of it is left a day later.
FLAPS_MAX = 3.0
P_BETTER_MIN = 0.5
REASON_CHARS_MAX = 400
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
    way_back: str | None = None


async def propose(
    ports: FallbackPorts,
    settings: Settings,
    *,
    dependency: str,
    reason: str | None,
    to: str | None,
    share: float | None,
    now_ms: int,
) -> Proposal:
    """Work out a switch of a dependency's traffic; reads only.

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
        await refuse_unknown(ports.telemetry, settings, dependency)
    own = settings.dependency(dependency)
    route = routed or primary_route(dependency)
    health = await _chosen(ports, own, route, to, now_ms)
    after = wanted_targets(route, health.target, share, own)
    if after == route.targets:
        raise ActionRefused(
            f"'{dependency}' already goes to {told_targets(after)}: nothing to change. Name another "
            "target with `to`, or another `share`."
        )
    is_down = await ports.health.is_down(dependency, now_ms=now_ms)
    is_bad = is_down or await _is_bad(ports, settings, dependency, now_ms)
    switches = await ports.routes.switches(dependency, since_ms=now_ms - 7 * DAY_MS)
    checks = (
        *_of_target(own, health, is_down=is_down, is_bad=is_bad),
        not_held(route, now_ms),
        rate_limit(switches, now_ms),
        flap_damping(switches, now_ms),
        *await drawn_budgets(ports, settings, route, after, now_ms=now_ms),
        *rehearsed(await last_drill(ports.decisions, dependency), own.fallback_policy, now_ms),
        Check("state_version", True, f"version {route.version}", "always"),
    )
    return Proposal(
        dependency=dependency,
        reason=said,
        route=route,
        after=after,
        health=health,
        cost_change=await _cost_change(ports.telemetry, dependency, health.target),
        effects=effects(ports, settings, route, after),
        checks=checks,
        approval=approval_of(own.fallback_policy, checks),
        way_back=_way_back(dependency, after),
    )


def wanted_targets(
    route: Route, target: str, share: float | None, own: DependencySettings
) -> tuple[Weight, ...]:
    """Where the traffic goes; without a stated share everything but what shows recovery.

    `refuse` and `human` get everything: there the primary must not be called at all.
    """
    if share is not None:
        return shifted(route, target, whole_share(share), own.fallback)
    kept = 0 if target in (own.name, *UNMEASURED) else round(own.recovery_share * WHOLE)
    shares = (Weight(own.name, kept), Weight(target, WHOLE - kept))
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
    part = round(share * WHOLE) if 0 < share <= 1 else 0
    if part == 0:
        raise ParameterError(
            f"share {number(share)} is outside (0, 1]: 0.25 sends a quarter there."
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
    takes_rest = max(shares, key=lambda name: shares[name], default=route.dependency)
    if left:
        shares[takes_rest] = shares.get(takes_rest, 0) + left
    shares[target] = shares.get(target, 0) + share
    names = list(dict.fromkeys([route.dependency, *ladder, *held, target]))
    return tuple(Weight(name, shares[name]) for name in names if shares.get(name, 0) > 0)


def told_targets(targets: tuple[Weight, ...]) -> str:
    """Targets and shares in words, the largest first."""
    largest_first = sorted(targets, key=lambda weight: -weight.share)
    return " + ".join(f"{w.target} {share_text(w.share / WHOLE)}" for w in largest_first)


def actuators_of(ports: FallbackPorts, settings: Settings, dependency: str) -> tuple[str, ...]:
    """What makes a dependency's route real, by name: what is configured, and always a route file."""
    own = settings.dependency(dependency).actuators
    kinds = {settings.actuators[name].kind for name in own if name in settings.actuators}
    return own if "route_file" in kinds or LOCAL not in ports.actuators else (*own, LOCAL)


def effects(
    ports: FallbackPorts, settings: Settings, route: Route, after: tuple[Weight, ...]
) -> tuple[str, ...]:
    """What would happen, one line an actuator."""
    wanted = Route(route.dependency, after, epoch=route.epoch + 1)
    lines = [f"store: epoch {wanted.epoch}"]
    for name in actuators_of(ports, settings, route.dependency):
        actuator = ports.actuators.get(name)
        lines.append(
            actuator.effect(wanted) if actuator else f"{name}: cannot be reached from here"
        )
    return tuple(lines)


def approval_of(policy: Policy, checks: Sequence[Check]) -> Policy:
    """The policy, raised to `ask` where a check leaves the decision to a person."""
    undecided = any(not check.passed and check.blocks == "never" for check in checks)
    return "ask" if undecided and policy in ("allow", "confirm") else policy


def not_held(route: Route, now_ms: int) -> Check:
    """A route that a person holds stays where it is."""
    holder = route.holder(now_ms)
    why = (
        f"held: {holder}; a person lets it go with gonogo route {route.dependency} --release"
        if holder
        else "not held"
    )
    return Check("not_held", holder is None, why, "always")


def rate_limit(switches: Sequence[Switch], now_ms: int) -> Check:
    """Two switches a day and route; going back is not counted."""
    n = sum(not s.undo and s.ts_ms > now_ms - DAY_MS for s in switches)
    why = f"{n} of {SWITCHES_A_DAY_MAX} in 24 h"
    return Check("rate_limit", n < SWITCHES_A_DAY_MAX, why, "agents")


def flap_damping(switches: Sequence[Switch], now_ms: int) -> Check:
    """A route that went back and forth rests: each switch counts one, half of it a day later.

    Stages of the way back that give the primary a part are no switches.
    The idea is route-flap damping's decaying penalty (RFC 2439, gentler as RFC 7196 asks).
    """
    penalty = sum(0.5 ** (max(0, now_ms - s.ts_ms) / DAY_MS) for s in switches if not s.stage)
    why = f"penalty {number(penalty)} of {number(FLAPS_MAX)}"
    return Check("flap_damping", penalty < FLAPS_MAX, why, "agents")


async def _is_bad(ports: FallbackPorts, settings: Settings, dependency: str, now_ms: int) -> bool:
    """Whether its standing verdict is no_go, or an incident of it is open."""
    verdicts = await verdicts_now(ports.decisions, settings, now_ms=now_ms, names=[dependency])
    if verdicts.get(dependency, NEVER_ASKED).verdict == "no_go":
        return True
    handled = await ports.incidents.unresolved([dependency])
    return any(found.status in ("open", "acknowledged", "mitigated") for found in handled)


def _of_target(
    own: DependencySettings, health: Assessment, *, is_down: bool, is_bad: bool
) -> tuple[Check, ...]:
    return (
        _ladder(own, health.target),
        _target_health(health, is_down=is_down),
        _target_better(health, is_down=is_down, is_bad=is_bad),
    )


def _ladder(own: DependencySettings, target: str) -> Check:
    if target == own.name or target in own.fallback:
        return Check("ladder", True, f"'{target}' is on the fallback ladder", "always")
    if own.fallback:
        listed = ", ".join(own.fallback)
        return Check("ladder", False, f"'{target}' is not on the ladder: {listed}", "always")
    return Check("ladder", False, "no ladder is configured: a person decides", "never")


def _target_health(health: Assessment, *, is_down: bool) -> Check:
    if is_down and health.answers:
        return Check("target_health", True, f"outage: {health.target} answers", "always")
    if health.verdict == "unknown":
        return Check("target_health", False, f"{health.target}: {health.why}", "never")
    bad = health.verdict == "no_go" or health.answers is False
    why = "its newest calls failed" if health.answers is False else health.why
    return Check("target_health", not bad, f"{health.target}: {why}", "always")


def _target_better(health: Assessment, *, is_down: bool, is_bad: bool) -> Check:
    if is_down and health.answers:
        return Check("target_better", True, "outage: an answer is better than none", "never")
    if health.p_better is None:
        why = "the primary is bad" if is_bad else "cannot be compared, the primary is not no_go"
        return Check("target_better", is_bad, f"{health.target}: {why}", "never")
    why = f"{percent(health.p_better)} likely better now"
    return Check("target_better", health.p_better >= P_BETTER_MIN, why, "never")


async def _chosen(
    ports: FallbackPorts, own: DependencySettings, route: Route, to: str | None, now_ms: int
) -> Assessment:
    """The target that was named, or the first healthy rung that does not have it all yet."""
    if to is not None:
        target = to.strip()
        listed = [own.name, *own.fallback, *UNMEASURED]
        if target not in listed and not await ports.health.is_known(target):
            raise UnknownTarget(
                "fallback target", target, listed, "Record observations of it, or check the name."
            )
        return await ports.health.assess(target, primary=own.name, now_ms=now_ms)
    await _refuse_beyond(ports, own, route, now_ms)
    had = {w.target for w in route.targets if w.share >= WHOLE - LEFT_SHARE_MAX}
    rungs = [name for name in own.fallback if name not in had]
    if not rungs:
        raise ActionRefused(
            f"'{own.name}' has no {'further' if own.fallback else 'fallback'} rung to go to. Name a "
            f"target with `to`, or set fallback = ['…'] under [dependencies.\"{own.name}\"]."
        )
    found = [await ports.health.assess(name, primary=own.name, now_ms=now_ms) for name in rungs]
    ranks: dict[Verdict, int] = {"go": 0, "caution": 0, "unknown": 1, "no_go": 2}
    return min(found, key=lambda health: ranks[health.verdict])


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
    """What a call costs there beside here, from the newest calls with a recorded cost."""
    here, n_here = await _mean_cost(telemetry, dependency)
    there, n_there = await _mean_cost(telemetry, target)
    if here is None or there is None:
        missing = dependency if here is None else target
        return f"not known: no cost is recorded for {missing}"
    less = f"{money(abs(there - here) * PER_CALLS)} {'less' if there < here else 'more'}"
    relative = f" ({signed(round(100 * (there - here) / here))}%)" if here else ""
    return (
        f"{counted(PER_CALLS, 'call')} cost {money(there * PER_CALLS)} on {target} and "
        f"{money(here * PER_CALLS)} on {dependency}: {less}{relative}; n {number(n_there)} and {number(n_here)}"
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
