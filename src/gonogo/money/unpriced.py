"""What was called in a budget's window and has no price: it is not spent as nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.money.planned_spend import UnpricedCalls
from gonogo.money.prices import price_calls

if TYPE_CHECKING:
    from gonogo.money.planned_spend import Forecasts
    from gonogo.ports.money import CallCosts, Scope
    from gonogo.settings import Settings


async def unpriced_calls(
    telemetry: CallCosts, settings: Settings, scope: Scope, forecasts: Forecasts | None
) -> UnpricedCalls:
    """Look through the newest calls of what a budget counts; tools that never had a cost are free."""
    found: list[tuple[str, UnpricedCalls]] = []
    for name in scope.dependencies:
        known = await telemetry.dependency(name)
        if known is None:
            continue
        key = (settings.digest, name, known.rev, known.n, scope.start_ms)
        kept = forecasts.unpriced.get(key) if forecasts is not None else None
        if kept is None:
            is_tool = known.kind not in (None, "model")
            kept = await _of_dependency(telemetry, settings, name, scope, is_tool=is_tool)
            if forecasts is not None:
                forecasts.keep_unpriced(key, kept)
        found.append((name, kept))
    return UnpricedCalls(
        sum(each.calls for _, each in found),
        sum(each.tokens for _, each in found),
        sum(each.of for _, each in found),
        tuple(name for name, each in found if each.calls),
    )


async def _of_dependency(
    telemetry: CallCosts, settings: Settings, name: str, scope: Scope, *, is_tool: bool
) -> UnpricedCalls:
    import numpy as np

    calls = await telemetry.calls_since(name, scope.start_ms or 0)
    used = (calls.cost_micro_usd >= 0) | (calls.input_tokens >= 0) | (calls.output_tokens >= 0)
    if is_tool and not used.any():
        return UnpricedCalls()
    priced = price_calls(calls, name, settings, now_ms=int(calls.ts_ms[-1]) if used.size else 0)
    without = np.isnan(priced.micro_usd)
    tokens = np.maximum(calls.input_tokens, 0) + np.maximum(calls.output_tokens, 0)
    return UnpricedCalls(int(without.sum()), int(tokens[without].sum()), int(used.size))
