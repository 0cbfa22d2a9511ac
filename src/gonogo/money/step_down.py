"""The cheaper target of a ladder, for work whose budget runs low."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gonogo.money.prices import price_calls
from gonogo.money.scopes import dependencies_of
from gonogo.ports.routes import is_called, split_version

if TYPE_CHECKING:
    from gonogo.money.scopes import Traffic
    from gonogo.ports.money import CallCosts
    from gonogo.settings import Settings

_CALLS_MIN = 5
# From here on of the limit, spent or held, a budget is low.
LOW_SHARE = 0.8


class CheaperTarget(NamedTuple):
    """A target of the ladder of `dependency`; `share`: its mean cost over that of the dependency."""

    dependency: str
    target: str
    share: float


async def cheaper_target(
    telemetry: CallCosts, settings: Settings, budget: str, traffic: Traffic, *, now_ms: int
) -> CheaperTarget | None:
    """The first target of a ladder that costs less a call than what the budget counts; None without one.

    Both have to have five priced calls. What was stepped down, or away, already is passed over.
    """
    configured = settings.budgets.get(budget)
    for name in dependencies_of(settings, configured, traffic) if configured else ():
        route = traffic.routes.get(name)
        if route is not None and not route.is_primary:
            continue
        here = await _mean_cost(telemetry, settings, name, now_ms)
        for target in settings.dependency(name).fallback:
            if not is_called(target):
                continue
            there = await _mean_cost(telemetry, settings, target, now_ms)
            if here and there is not None and there < here:
                return CheaperTarget(name, target, there / here)
    return None


async def _mean_cost(
    telemetry: CallCosts, settings: Settings, target: str, now_ms: int
) -> float | None:
    import numpy as np

    known = await telemetry.dependency(target)
    name, version = (target, None) if known else split_version(target)
    if known is None and await telemetry.dependency(name) is None:
        return None
    calls = await telemetry.newest_costs(name)
    priced = price_calls(calls, name, settings, now_ms=now_ms).micro_usd
    if version in calls.versions:
        priced = priced[calls.version == calls.versions.index(version)]
    priced = priced[~np.isnan(priced)]
    return float(priced.mean()) if priced.size >= _CALLS_MIN else None
