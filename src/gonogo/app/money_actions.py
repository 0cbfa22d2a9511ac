"""Holding money and closing reservations, each logged in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gonogo.answers import BudgetCheck, RunReport, Settlement
from gonogo.app.parts import Stores
from gonogo.errors import ParameterError, plain
from gonogo.money.budget_check import check_budget, renew_reservation, settle_reservation
from gonogo.money.budget_request import BudgetRequest
from gonogo.money.run_watch import report_run
from gonogo.money.scopes import Traffic, budget_fills
from gonogo.money.step_down import LOW_SHARE, cheaper_target, stepped_down
from gonogo.records import Decision, Verdict
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
    answer = await _beside_cheaper(stores, answer, now_ms=now_ms)
    if request.run is not None and answer.reservation is not None:
        run = await _run(stores, answer.reservation.id, now_ms=now_ms)
        told = f"{answer.summary} {run_summary(run, answer.unit)}" if run else answer.summary
        answer = answer.model_copy(update={"run": run, "summary": told})
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


async def _beside_cheaper(stores: Stores, answer: BudgetCheck, *, now_ms: int) -> BudgetCheck:
    """The answer of a budget that runs low, with the cheaper target, where that is configured."""
    budget = stores.settings.budget(answer.budget)
    if budget is None or budget.on_low != "step_down":
        return answer
    used = answer.spent_usd + answer.held_usd
    if answer.verdict == "go" and used < LOW_SHARE * answer.limit_usd:
        return answer
    traffic = await stores.traffic()
    found = await cheaper_target(
        stores.telemetry, stores.settings, answer.budget, traffic, now_ms=now_ms
    )
    if found is None:
        return answer
    step, plan = stepped_down(found, answer.budget)
    return answer.model_copy(
        update={
            "step_down": step,
            "summary": f"{answer.summary} {step_down_text(step, answer.unit)}",
            "next_actions": [plan, *answer.next_actions][:3],
        }
    )


async def _run(stores: Stores, reservation_id: str, *, now_ms: int) -> RunReport | None:
    so_far = await stores.ledger.run_so_far(reservation_id)
    if so_far is None:
        return None
    traffic = await stores.traffic()
    return await report_run(stores.telemetry, stores.settings, so_far, traffic, now_ms=now_ms)


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
    run = await _run(stores, reservation_id, now_ms=now_ms)
    if run is not None:
        summary = f"{renewed.summary} {run_summary(run, renewed.unit)}"
        verdict: Verdict = "go" if run.advice in (None, "go on") else "caution"
        if run.advice is None and run.unpriced is not None:
            verdict = "unknown"
        renewed = renewed.model_copy(update={"run": run, "summary": summary, "verdict": verdict})
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
