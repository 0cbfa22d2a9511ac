"""Calls in a budget's window that have no price: they are not counted as free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.money.planned_spend import UnpricedCalls
from gonogo.money.prices import call_micro_usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.money import CallCosts, Ledger, Scope
    from gonogo.records import VersionCalls
    from gonogo.settings import Settings

_MILLION = 1_000_000


async def unpriced_calls(
    telemetry: CallCosts,
    ledger: Ledger,
    settings: Settings,
    scopes: Sequence[Scope],
    *,
    now_ms: int,
) -> UnpricedCalls:
    """What has no price of the first budget of a chain whose spending that hides; else of the first.

    A budget counts the calls of its dependencies, and those that name it or one of its reservations.
    """
    named_by = await ledger.named_by(scopes[-1].members)  # the topmost counts all below it
    found = []
    for scope in scopes:
        of_scope = await _of_scope(telemetry, settings, scope, named_by, now_ms)
        found.append(of_scope if scope is scopes[0] else replace(of_scope, parent=scope.budget))
    return next((each for each in found if each.hides_spending), found[0])


async def _of_scope(
    telemetry: CallCosts, settings: Settings, scope: Scope, named_by: Sequence[str], now_ms: int
) -> UnpricedCalls:
    found: dict[str, UnpricedCalls] = {}
    for name in sorted({*scope.dependencies, *named_by}):
        known = await telemetry.dependency(name)
        if known is None:
            continue
        versions = await telemetry.calls_without_cost(
            name,
            since_ms=scope.start_ms or 0,
            now_ms=now_ms,
            budgets=None if name in scope.dependencies else scope.members,
        )
        if known.kind not in (None, "model") and all(v.calls == v.silent for v in versions):
            continue  # a tool that never had a cost is free
        found[name] = _of_dependency(settings, name, versions, now_ms)
    return UnpricedCalls(
        sum(each.calls for each in found.values()),
        sum(each.tokens for each in found.values()),
        sum(each.of for each in found.values()),
        tuple(name for name, each in found.items() if each.calls),
    )


def _of_dependency(
    settings: Settings, name: str, versions: Sequence[VersionCalls], now_ms: int
) -> UnpricedCalls:
    without = [
        each for each in versions if each.counted and not _is_priced(settings, name, each, now_ms)
    ]
    return UnpricedCalls(
        sum(each.silent for each in versions) + sum(each.counted for each in without),
        sum(each.tokens for each in without),
        sum(each.calls for each in versions),
    )


def _is_priced(settings: Settings, name: str, of: VersionCalls, now_ms: int) -> bool:
    price = call_micro_usd(
        name,
        of.version,
        input_tokens=_MILLION,
        output_tokens=_MILLION,
        ts_ms=now_ms,
        settings=settings,
    )
    return price is not None
