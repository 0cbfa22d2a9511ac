"""The forecast of a run's final cost, from past runs of its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.answers import RunReport
from gonogo.money.step_down import cheaper_target
from gonogo.money.unpriced import unpriced_of
from gonogo.records import UNIT_SIZE

if TYPE_CHECKING:
    from gonogo.money.scopes import Traffic
    from gonogo.ports.money import CallCosts, RunProgress
    from gonogo.settings import Settings


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
    size = UNIT_SIZE[run.unit]
    spent = float(costs.sum()) / size
    missing = unpriced_of(run.calls, run.unit)
    unpriced = missing.share
    if len(past) < RUNS_MIN or missing.hides_spending:
        # From the costs of some calls it does not follow how many steps a run has taken.
        return RunReport(spent_usd=spent, calls=costs.size, past_runs=len(past), unpriced=unpriced)
    model = fit_runs(past)
    found = run_forecast(model, costs)
    cheaper = await cheaper_target(telemetry, settings, run.budget, traffic, now_ms=now_ms)
    advice = advise(
        model, costs, limit=float(run.held_micro_usd), cheaper=cheaper.share if cheaper else None
    )
    return RunReport(
        spent_usd=spent,
        calls=costs.size,
        past_runs=len(past),
        projected_total_usd=found.projected / size,
        interval90_usd=(found.low / size, found.high / size) if np.isfinite(found.high) else None,
        advice=advice,
        unpriced=unpriced,
        step_down_to=cheaper.target if cheaper and advice == "step down" else None,
    )
