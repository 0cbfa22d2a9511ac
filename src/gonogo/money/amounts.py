"""Amounts of a dependency's calls, one by one, in the unit of a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.money.prices import price_calls
from gonogo.ports.routes import split_version

if TYPE_CHECKING:
    from gonogo.ports.money import NewestCalls
    from gonogo.records import Costs, Floats, Unit
    from gonogo.settings import Settings

CALLS_MIN = 5


async def call_amounts(
    telemetry: NewestCalls, settings: Settings, name: str, unit: Unit, *, now_ms: int
) -> tuple[Costs, Floats]:
    """The newest calls that a unit can be counted of, oldest first, and how much each was.

    Money at today's prices in micro-dollars, tokens, or microseconds; NaN where it is not known.
    """
    import numpy as np

    if unit == "minutes":
        calls = await telemetry.newest_durations(name)
        return calls, calls.cost_micro_usd
    calls = await telemetry.newest_costs(name)
    if unit == "usd":
        alike = [each for each in settings.prices if each.startswith(name) and ":" in each]
        others = [each for each in alike if await telemetry.dependency(each) is not None]
        return calls, price_calls(calls, name, settings, now_ms=now_ms, others=others)
    if unit == "calls":
        return calls, np.ones(calls.ts_ms.size)
    tokens = np.maximum(calls.input_tokens, 0) + np.maximum(calls.output_tokens, 0)
    known = (calls.input_tokens >= 0) | (calls.output_tokens >= 0)
    return calls, np.where(known, tokens.astype(float), np.nan)


async def mean_amount(
    telemetry: NewestCalls, settings: Settings, target: str, unit: Unit, *, now_ms: int
) -> float | None:
    """The mean of a target's newest calls; None where fewer than five are known."""
    import numpy as np

    if unit == "calls":
        return 1.0
    known = await telemetry.dependency(target)
    name, version = (target, None) if known else split_version(target)
    if known is None and await telemetry.dependency(name) is None:
        return None
    calls, amounts = await call_amounts(telemetry, settings, name, unit, now_ms=now_ms)
    if version in calls.versions:
        amounts = amounts[calls.version == calls.versions.index(version)]
    amounts = amounts[~np.isnan(amounts)]
    return float(amounts.mean()) if amounts.size >= CALLS_MIN else None
