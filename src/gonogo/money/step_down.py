"""The cheaper target of a ladder, for work whose budget runs low."""

from __future__ import annotations

from typing import NamedTuple

from gonogo.answers import NextAction, StepDown
from gonogo.money.amounts import mean_amount
from gonogo.money.scopes import Traffic, dependencies_of
from gonogo.ports.money import NewestCalls
from gonogo.ports.routes import is_called
from gonogo.records import Unit
from gonogo.settings import Settings

# From here on of the limit, spent or held, a budget is low.
LOW_SHARE = 0.8


class CheaperTarget(NamedTuple):
    """A target of the ladder of `dependency`; `share`: its mean cost, or use, over that of the dependency."""

    dependency: str
    target: str
    share: float


def stepped_down(found: CheaperTarget, budget: str) -> tuple[StepDown, NextAction]:
    """The cheaper target as an answer names it, and its plan."""
    plan = NextAction(
        tool="trigger_fallback",
        arguments={
            "dependency": found.dependency,
            "to": found.target,
            "reason": f"budget {budget} is low",
        },
        reason="plan the cheaper target; who may carry it out, its policy says",
    )
    return StepDown(dependency=found.dependency, to=found.target, cost_share=found.share), plan


async def cheaper_target(
    telemetry: NewestCalls,
    settings: Settings,
    budget: str,
    traffic: Traffic,
    *,
    of: str | None = None,
    now_ms: int,
) -> CheaperTarget | None:
    """The first target of a ladder that costs less a call than what the budget counts; None without one.

    A call is a call everywhere, so that a budget of calls has none. Both have to have five calls that are
    known in the budget's unit. What was stepped down, or away, already is passed over.

    `of`: of this dependency alone; else the first that has one.
    """
    configured = settings.budget(budget)
    unit: Unit = "usd" if configured is None else configured.unit
    for name in dependencies_of(settings, configured, traffic) if configured else ():
        route = traffic.routes.get(name)
        if of not in (None, name) or (route is not None and not route.is_primary):
            continue
        here = await mean_amount(telemetry, settings, name, unit, now_ms=now_ms)
        for target in settings.dependency(name).fallback:
            if not is_called(target):
                continue
            there = await mean_amount(telemetry, settings, target, unit, now_ms=now_ms)
            if here and there is not None and there < here:
                return CheaperTarget(name, target, there / here)
    return None
