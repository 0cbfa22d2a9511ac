"""The forecast of a run's final cost, from past runs of its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import RunReport
from gonogo.money.prices import price_calls
from gonogo.money.unpriced import unpriced_of
from gonogo.ports.routes import is_called, split_version
from gonogo.records import MICRO

if TYPE_CHECKING:
    from gonogo.money.scopes import Traffic
    from gonogo.ports.money import CallCosts, RunProgress
    from gonogo.settings import Settings

_CALLS_MIN = 5


async def report_run(
    telemetry: CallCosts, settings: Settings, run: RunProgress, traffic: Traffic, *, now_ms: int
) -> RunReport:
    """Spent, projected and advised, as far as past runs of the budget tell.

    A run's limit is what was held for it; past runs are settled reservations whose calls were
    recorded. A cheaper target is the first of the ladder of what the budget counts.
    """
    import numpy as np

    from gonogo.detectors.cost.run_total import RUNS_MIN, advise, fit_runs, run_forecast

    costs = np.array(run.costs, dtype=float)
    past = [np.array(each, dtype=float) for each in run.past if sum(each) > 0]
    spent = float(costs.sum()) / MICRO
    missing = unpriced_of(run.calls)
    unpriced = missing.share
    if len(past) < RUNS_MIN or missing.hides_spending:
        # From the costs of some calls it does not follow how many steps a run has taken.
        return RunReport(spent_usd=spent, calls=costs.size, past_runs=len(past), unpriced=unpriced)
    model = fit_runs(past)
    found = run_forecast(model, costs)
    cheaper = await _cheaper(telemetry, settings, run.budget, traffic, now_ms)
    advice = advise(
        model, costs, limit=float(run.held_micro_usd), cheaper=cheaper[1] if cheaper else None
    )
    return RunReport(
        spent_usd=spent,
        calls=costs.size,
        past_runs=len(past),
        projected_total_usd=found.projected / MICRO,
        interval90_usd=(found.low / MICRO, found.high / MICRO) if np.isfinite(found.high) else None,
        advice=advice,
        unpriced=unpriced,
        step_down_to=cheaper[0] if cheaper and advice == "step down" else None,
    )


async def _cheaper(
    telemetry: CallCosts, settings: Settings, budget: str, traffic: Traffic, now_ms: int
) -> tuple[str, float] | None:
    """The first target of a ladder that costs less a call, and its share of the cost here."""
    configured = settings.budgets.get(budget)
    for name in configured.dependencies if configured else ():
        route = traffic.routes.get(name)
        if route is not None and not route.is_primary:
            continue  # it was stepped down, or away, already
        here = await _mean_cost(telemetry, settings, name, now_ms)
        for target in settings.dependency(name).fallback:
            if not is_called(target):
                continue
            there = await _mean_cost(telemetry, settings, target, now_ms)
            if here and there is not None and there < here:
                return target, there / here
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
