"""Holding money and closing reservations, each logged in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from gonogo.answers import BudgetCheck, Settlement
from gonogo.app.parts import Stores
from gonogo.errors import ParameterError, plain
from gonogo.money.budget_check import check_budget, renew_reservation, settle_reservation
from gonogo.money.budget_request import BudgetRequest
from gonogo.money.run_watch import report_run
from gonogo.money.scopes import Traffic, budget_chain, budget_fills, scopes_at, spent_on
from gonogo.money.step_down import CheaperTarget, cheaper_target, low_budgets, stepped_down
from gonogo.records import Decision, Unit
from gonogo.text.budget_summary import run_summary, step_down_text
from gonogo.text.forms import named, percent

_CHECK, _SETTLE = "check_budget_with_confidence", "settle_reservation"


async def check(
    stores: Stores, request: BudgetRequest, *, asked: Mapping[str, object], now_ms: int
) -> BudgetCheck:
    """Tell whether planned work fits a budget, and hold the money where that is asked."""
    entry_id = stores.new_id(now_ms)
    traffic = await stores.traffic()
    if stores.settings.budget(request.budget) is None:
        await _refuse_all_values(stores, request.budget, traffic, now_ms=now_ms)
    answer = await check_budget(
        stores.telemetry,
        stores.ledger,
        stores.settings,
        request,
        traffic=traffic,
        now_ms=now_ms,
        new_id=lambda: stores.new_id(now_ms, "res-"),
        entry_of=lambda held: stores.action_entry(_CHECK, asked, held, entry_id, now_ms=now_ms),
        decision_id=entry_id,
        forecasts=stores.forecasts,
    )
    if stores.settings.read_only:  # a hold would be refused
        answer = answer.model_copy(update={"next_actions": []})
    answer = await _beside_cheaper(stores, answer, traffic, now_ms=now_ms)
    if request.run is not None and answer.reservation is not None:
        answer = await _with_run(stores, answer, answer.reservation.id, traffic, now_ms=now_ms)
    if answer.decision_id is not None:
        return answer  # logged with its hold, or when its key was used first
    if request.reserve:
        return await stores.acted(_CHECK, asked, answer, now_ms=now_ms)
    return stores.noted(_CHECK, asked, answer, now_ms=now_ms)


async def _refuse_all_values(stores: Stores, name: str, traffic: Traffic, *, now_ms: int) -> None:
    """Refuse a question about a limit for each value of a key, with the values that are the fullest."""
    owner = stores.settings.keyed_budgets.get(name)
    if owner is None:
        return
    fills = await budget_fills(stores.ledger, stores.settings, traffic, now_ms=now_ms)
    own = [fill for fill in fills if fill.budget.name.startswith(f"{name}/")]
    own.sort(key=lambda fill: -fill.share)
    said = [f"{fill.budget.name} {percent(fill.share)}" for fill in own]
    raise ParameterError(
        f"'{plain(name, 80)}' is a limit for each {plain(owner.per or '', 80)}, not for all of them: ask "
        f"about one, '{plain(name, 80)}/VALUE'."
        + (f" The fullest of {len(own):,} seen: {named(said)}." if said else "")
    )


async def _beside_cheaper(
    stores: Stores, answer: BudgetCheck, traffic: Traffic, *, now_ms: int
) -> BudgetCheck:
    """The answer of a budget that runs low, or a parent does, with the cheaper target where that is configured."""
    chain = budget_chain(stores.settings, answer.budget)
    least = answer.budget if answer.binding is None else answer.binding.budget
    low = await low_budgets(
        stores.ledger,
        stores.settings,
        chain,
        traffic,
        too_small=() if answer.verdict == "go" else (answer.budget, least),
        now_ms=now_ms,
    )
    for budget in low:
        found = await cheaper_now(stores, budget.spent_on, budget.unit, traffic, now_ms=now_ms)
        if found is not None:
            step, plan = stepped_down(found, budget.name)
            who = "It" if budget.name == answer.budget else f"Budget {plain(budget.name, 80)}"
            said = step_down_text(
                step, budget.unit, f"{who} runs low" if budget.is_low else "Cheaper"
            )
            return answer.model_copy(
                update={
                    "step_down": step,
                    "summary": f"{answer.summary} {said}",
                    "next_actions": [plan, *answer.next_actions][:3],
                }
            )
    return answer


async def cheaper_now(
    stores: Stores, names: Iterable[str], unit: Unit, traffic: Traffic, *, now_ms: int
) -> CheaperTarget | None:
    """The first target of the ladders of some dependencies that costs less a call now; None without one."""
    return await cheaper_target(
        stores.telemetry, stores.decisions, stores.settings, names, unit, traffic, now_ms=now_ms
    )


Told = TypeVar("Told", BudgetCheck, Settlement)


async def _with_run(
    stores: Stores, answer: Told, reservation_id: str, traffic: Traffic, *, now_ms: int
) -> Told:
    """An answer about a run's hold with what the run will have cost in the end; a go only where the run may go on."""
    run = await stores.ledger.run_so_far(reservation_id)
    if run is None:
        return answer
    cheaper, budget = None, stores.settings.budget(run.budget)
    if budget is not None and run.past:
        [scope] = await scopes_at(stores.ledger, stores.settings, [budget], traffic, now_ms=now_ms)
        names = await spent_on(stores.ledger, stores.settings, budget, scope, traffic)
        cheaper = await cheaper_now(stores, names, run.unit, traffic, now_ms=now_ms)
    report = report_run(run, cheaper)
    summary = f"{answer.summary} {run_summary(report, answer.unit)}"
    verdict = answer.verdict
    if verdict == "go" and report.advice in ("step down", "stop"):
        verdict = "caution"
    return answer.model_copy(update={"run": report, "summary": summary, "verdict": verdict})


async def renew_hold(
    stores: Stores,
    reservation_id: str,
    actual_usd: float | None,
    *,
    asked: Mapping[str, object],
    now_ms: int,
) -> Settlement:
    """Let a hold last as long again, and tell what its run will have cost in the end."""
    if actual_usd is not None:
        raise ParameterError("renew keeps the hold open; settle with actual_usd afterwards.")
    renewed = await renew_reservation(
        stores.ledger, stores.settings, reservation_id=reservation_id, now_ms=now_ms
    )
    traffic = await stores.traffic()
    renewed = await _with_run(stores, renewed, reservation_id, traffic, now_ms=now_ms)
    if renewed.run is not None and renewed.run.advice is None and renewed.run.unpriced is not None:
        renewed = renewed.model_copy(update={"verdict": "unknown"})
    return stores.noted(_SETTLE, asked, renewed, now_ms=now_ms)


async def settle(
    stores: Stores,
    reservation_id: str,
    actual_usd: float | None,
    *,
    asked: Mapping[str, object],
    now_ms: int,
) -> Settlement:
    """Book what held money was really spent; one that was closed before is told, and not closed again."""
    entry_id = stores.new_id(now_ms)

    def entry_of(settlement: Settlement, budget: str) -> Decision:
        entry = stores.action_entry(_SETTLE, asked, settlement, entry_id, now_ms=now_ms)
        return replace(entry, budget=budget)

    settled = await settle_reservation(
        stores.ledger,
        stores.settings,
        reservation_id=reservation_id,
        actual_usd=actual_usd,
        now_ms=now_ms,
        entry_of=entry_of,
    )
    if settled.decision_id is not None:
        return settled
    return stores.noted(_SETTLE, asked, settled, now_ms=now_ms)
