"""Judging a switch as it stands now: when it is planned, and again when it is carried out.

Only a step towards the primary is free of limits. Where it is an undo, the primary's health is told
and blocks nothing: nobody is kept from going back to where they came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gonogo.fallback.conditions import (
    flap_damping,
    home_is_ill,
    last_drill,
    not_held,
    on_ladder,
    rate_limit,
    rehearsed,
    target_incidents,
    target_is_better,
    target_is_well,
    target_provider,
    target_route,
)
from gonogo.fallback.drawn_budgets import drawn_budgets
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.ports.routes import Check, Route, Weight, grown
from gonogo.ports.standing_verdicts import NEVER_ASKED, verdicts_now
from gonogo.ports.target_health import Assessment
from gonogo.records import DAY_MS

LIMITS_LOOK_BACK_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class SwitchJudgement:
    """The findings about a switch: the health of the target that gets most, and every check."""

    health: Assessment | None
    checks: tuple[Check, ...]


async def judge_switch(
    ports: FallbackPorts,
    route: Route,
    after: Sequence[Weight],
    *,
    is_undo: bool = False,
    home: str | None = None,
    asked_by: Sequence[str],
    now_ms: int,
) -> SwitchJudgement:
    """Ask everything that speaks for or against a switch of this route, now; reads only.

    `home`: where an undo leads, where that is not the route's own. `asked_by`: who planned it and
    who carries it out; a target is not fit on their own word (see `askers`).
    """
    name = route.dependency
    own = ports.settings.dependency(name)
    share = {weight.target: weight.share for weight in after}
    targets = sorted(grown(route.targets, after), key=lambda target: -share[target])
    state = (
        not_held(route, now_ms),
        Check("state_version", True, f"version {route.version}", "always"),
    )
    if targets == [home or route.home] and is_undo:
        if home is not None:
            return SwitchJudgement(None, state)  # of a promotion: the candidate's calls are its own
        back = await ports.health.assess(targets[0], primary=name, asked_by=asked_by, now_ms=now_ms)
        ill = home_is_ill(back)
        return SwitchJudgement(replace(back, verdict="no_go") if ill else None, (*ill, *state))
    healths, checks = await _of_targets(ports, route, targets, asked_by, now_ms)
    main = healths[0] if healths else None
    if targets == [route.home]:
        return SwitchJudgement(main, (*checks, *state))
    switches = await ports.routes.switches(name, since_ms=now_ms - LIMITS_LOOK_BACK_MS)
    return SwitchJudgement(
        main,
        (
            *checks,
            state[0],
            rate_limit(switches, now_ms),
            flap_damping(switches, now_ms),
            *await drawn_budgets(ports, route, tuple(after), now_ms=now_ms),
            *rehearsed(await last_drill(ports.decisions, name), own.fallback_policy, now_ms),
            state[1],
        ),
    )


async def _of_targets(
    ports: FallbackPorts, route: Route, targets: Sequence[str], asked_by: Sequence[str], now_ms: int
) -> tuple[list[Assessment], list[Check]]:
    """Assess each target that gets more, and make the checks that follow."""
    name = route.dependency
    own = ports.settings.dependency(name)
    is_down = await ports.health.is_down(name, now_ms=now_ms, asked_by=asked_by)
    is_bad = is_down or await is_ill(ports, name, now_ms)
    healths: list[Assessment] = []
    checks: list[Check] = []
    for target in targets:
        health = await ports.health.assess(target, primary=name, asked_by=asked_by, now_ms=now_ms)
        healths.append(health)
        if target in (name, route.home):
            checks.append(target_is_well(health, is_down=False))
            continue
        handled = await ports.incidents.unresolved([target])
        checks += [
            on_ladder(own, target),
            target_is_well(health, is_down=is_down),
            target_is_better(health, is_down=is_down, is_bad=is_bad),
            *target_provider(health),
            *target_route(name, target, {r.dependency: r for r in await ports.routes.routes()}),
            *target_incidents(target, handled, is_down=is_down),
        ]
    return healths, checks


async def is_ill(ports: FallbackPorts, dependency: str, now_ms: int) -> bool:
    """Whether its standing verdict is no_go, or an incident of it is open."""
    verdicts = await verdicts_now(
        ports.decisions, ports.settings, now_ms=now_ms, names=[dependency]
    )
    if verdicts.get(dependency, NEVER_ASKED).verdict == "no_go":
        return True
    handled = await ports.incidents.unresolved([dependency])
    return any(found.status in ("open", "acknowledged", "mitigated") for found in handled)
