"""Calls in a budget's window that have no price: they are not counted as free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from gonogo.money.planned_spend import UnpricedCalls
from gonogo.money.prices import TokenUsage, call_nano_usd
from gonogo.money.scopes import called_in
from gonogo.ports.booked_costs import VersionCalls
from gonogo.ports.money import BudgetRecord, CallCosts, ReservationCalls, Scope
from gonogo.records import Unit
from gonogo.settings import Settings
from gonogo.text.forms import UNIT_WORDS


async def unpriced_calls(
    telemetry: CallCosts,
    settings: Settings,
    scopes: Sequence[Scope],
    record: BudgetRecord,
    *,
    now_ms: int,
) -> UnpricedCalls:
    """Find the unpriced calls of the first budget of a chain whose spend they hide; else of the first.

    A budget counts the calls of its dependencies, and those that name it or one of its reservations.
    """
    found, named_by = [], record.named_above
    for scope in scopes:
        of_scope = await _of_scope(telemetry, settings, scope, named_by, now_ms)
        found.append(of_scope if scope is scopes[0] else replace(of_scope, parent=scope.budget))
    told = next((each for each in found if each.hides_spending), found[0])
    return replace(told, booked=any(each.booked for each in found))


def unpriced_of(
    calls: ReservationCalls, unit: Unit, *, of: Literal["reservation", "run"] = "reservation"
) -> UnpricedCalls:
    """The calls of a reservation that its cost leaves out."""
    return UnpricedCalls(
        calls.unpriced, calls.tokens, calls.calls, calls.names, holder=of, unit=unit
    )


async def _of_scope(
    telemetry: CallCosts, settings: Settings, scope: Scope, named_by: Sequence[str], now_ms: int
) -> UnpricedCalls:
    if scope.unit == "calls":
        return UnpricedCalls(unit=scope.unit)  # each call counts as one
    found: dict[str, UnpricedCalls] = {}
    booked = 0
    counted = called_in(scope)
    for name in sorted({*counted, *named_by}):
        look = partial(
            telemetry.calls_without_cost,
            name,
            since_ms=scope.start_ms or 0,
            now_ms=now_ms,
            budgets=None if name in counted else scope.members,
            segment=scope.segment if name in counted else None,
            unit=scope.unit,
        )
        versions = await look()
        late = scope.unit == "usd" and any(
            v.waiting and _is_priced(settings, name, v, now_ms) for v in versions
        )
        if late and (
            new := await telemetry.book_late(name, since_ms=scope.start_ms or 0, now_ms=now_ms)
        ):
            booked += new
            versions = await look()
        has_none = UNIT_WORDS[scope.unit].free and all(v.calls == v.silent for v in versions)
        if versions and has_none and await _is_tool(telemetry, name):
            continue  # one that never had a cost is free
        found[name] = _of_dependency(versions, scope.unit)
    return UnpricedCalls(
        sum(each.calls for each in found.values()),
        sum(each.tokens for each in found.values()),
        sum(each.of for each in found.values()),
        tuple(name for name, each in found.items() if each.calls),
        unit=scope.unit,
        tiers=sum(each.tiers for each in found.values()),
        is_part=any(each.is_part for each in found.values()),
        booked=booked > 0,
    )


async def _is_tool(telemetry: CallCosts, name: str) -> bool:
    known = await telemetry.dependency(name)
    return known is not None and known.kind not in (None, "model")


def _is_priced(settings: Settings, name: str, of: VersionCalls, now_ms: int) -> bool:
    """Whether tokens without a cost have a price by now: settings or the price list have changed."""
    probe = TokenUsage(1_000_000, 1_000_000)
    return call_nano_usd(name, of.version, probe, ts_ms=now_ms, settings=settings) is not None


def _of_dependency(versions: Sequence[VersionCalls], unit: Unit) -> UnpricedCalls:
    return UnpricedCalls(
        sum(each.silent + each.counted for each in versions),
        sum(each.tokens for each in versions),
        sum(each.calls for each in versions),
        tiers=sum(each.counted - each.waiting for each in versions) if unit == "usd" else 0,
        is_part=any(each.is_part for each in versions),
    )
