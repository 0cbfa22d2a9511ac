"""Budgets that run low, and the cheaper target of a ladder for what they are spent on."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

from gonogo.answers import NextAction, StepDown
from gonogo.money.amounts import mean_amount
from gonogo.money.scopes import Traffic, balances_of, scopes_at, spent_on
from gonogo.ports.money import Ledger, NewestCalls
from gonogo.ports.routes import is_called
from gonogo.ports.standing_verdicts import verdicts_now
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import Unit
from gonogo.settings import BudgetSettings, Settings

# From here on of the limit, spent or held, a budget is low.
LOW_SHARE = 0.8


class LowBudget(NamedTuple):
    """A budget of `on_low = "step_down"` and the dependencies that it is spent on; `is_low`: not just too small for a plan."""

    name: str
    unit: Unit
    spent_on: tuple[str, ...]
    is_low: bool


class CheaperTarget(NamedTuple):
    """A target of the ladder of `dependency`; `share`: its mean cost, or use, over that of the dependency."""

    dependency: str
    target: str
    share: float


async def low_budgets(
    ledger: Ledger,
    settings: Settings,
    budgets: Iterable[BudgetSettings],
    traffic: Traffic,
    *,
    too_small: Container[str] = (),
    now_ms: int,
) -> list[LowBudget]:
    """Those of some budgets that step down where they run low, and do, or are too small for what is planned."""
    stepping = [budget for budget in budgets if budget.on_low == "step_down"]
    scopes = await scopes_at(ledger, settings, stepping, traffic, now_ms=now_ms)
    balances = await balances_of(ledger, scopes, now_ms=now_ms)
    found = []
    for budget, scope, balance in zip(stepping, scopes, balances, strict=True):
        used = balance.spent_micro_usd + balance.held_micro_usd
        is_low = used >= LOW_SHARE * budget.limit_micro_usd
        if is_low or budget.name in too_small:
            names = await spent_on(ledger, settings, budget, scope, traffic)
            found.append(LowBudget(budget.name, budget.unit, names, is_low))
    return found


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
    log: DecisionLog,
    settings: Settings,
    names: Iterable[str],
    unit: Unit,
    traffic: Traffic,
    *,
    now_ms: int,
) -> CheaperTarget | None:
    """The first target of the ladders of some dependencies that costs less a call; None without one.

    A call is a call everywhere, so that in calls there is none. Both have to have five calls that are
    known in the unit. What was stepped down, or away, already is passed over, and a target that is `no_go`.
    """
    for name in names:
        route = traffic.routes.get(name)
        ladder = [target for target in settings.dependency(name).fallback if is_called(target)]
        if not ladder or (route is not None and not route.is_primary):
            continue
        here = await mean_amount(telemetry, settings, name, unit, now_ms=now_ms)
        if not here:
            continue
        verdicts = await verdicts_now(log, settings, now_ms=now_ms, names=ladder)
        for target in ladder:
            if target in verdicts and verdicts[target].verdict == "no_go":
                continue
            there = await mean_amount(telemetry, settings, target, unit, now_ms=now_ms)
            if there is not None and there < here:
                return CheaperTarget(name, target, there / here)
    return None
