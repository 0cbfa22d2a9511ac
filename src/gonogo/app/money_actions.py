"""Holding money and closing reservations, each logged in the same transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.money.budget_check import check_budget, settle_reservation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gonogo.answers import BudgetCheck, Settlement
    from gonogo.app.parts import Stores
    from gonogo.money.budget_request import BudgetRequest
    from gonogo.records import Decision

__all__ = ["check", "settle"]

_CHECK, _SETTLE = "check_budget_with_confidence", "settle_reservation"


async def check(
    stores: Stores, request: BudgetRequest, *, asked: Mapping[str, object], now_ms: int
) -> BudgetCheck:
    """Tell whether planned work fits a budget, and hold the money where that is asked."""
    entry_id = stores.new_id(now_ms)
    answer = await check_budget(
        stores.telemetry,
        stores.ledger,
        stores.settings,
        request,
        traffic=await stores.traffic(),
        now_ms=now_ms,
        new_id=lambda: stores.new_id(now_ms, "res-"),
        entry_of=lambda held: stores.action_entry(_CHECK, asked, held, entry_id, now_ms=now_ms),
        decision_id=entry_id,
        forecasts=stores.forecasts,
    )
    if stores.settings.read_only:  # a hold would be refused
        answer = answer.model_copy(update={"next_actions": []})
    if answer.decision_id is not None:
        return answer  # logged with its hold, or when its key was used first
    if request.reserve:
        return await stores.acted(_CHECK, asked, answer, now_ms=now_ms)
    return stores.noted(_CHECK, asked, answer, now_ms=now_ms)


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
