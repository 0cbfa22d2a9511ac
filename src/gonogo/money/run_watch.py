"""The forecast of a run's final cost, from past runs of its budget."""

from __future__ import annotations

from gonogo.answers import RunReport
from gonogo.money.step_down import CheaperTarget
from gonogo.money.unpriced import unpriced_of
from gonogo.ports.money import RunProgress
from gonogo.records import UNIT_SIZE


def report_run(run: RunProgress, cheaper: CheaperTarget | None) -> RunReport:
    """Spent, projected and advised, as far as past runs of the budget tell.

    A run may have had several holds, one after the other: all that it spent counts, and its limit is what
    the last one holds beyond the calls before it. Past runs are settled reservations whose calls were recorded.

    `cheaper`: where its calls could go instead.
    """
    import numpy as np

    from gonogo.detectors.cost.run_total import RUNS_MIN, advise, fit_runs, run_forecast

    earlier = run.earlier
    before = sum(earlier.costs)
    costs = np.array([*earlier.costs, *run.costs], dtype=float)
    past = [np.array(each, dtype=float) for each in run.past if sum(each) > 0]
    size = UNIT_SIZE[run.unit]
    # What was declared has no calls, or other costs than they have: no step of the run, but spent.
    apart = float(earlier.spent_micro_usd - before)
    spent = (float(costs.sum()) + apart) / size
    missing = unpriced_of(run.calls.plus(earlier.calls), run.unit, of="run")
    unpriced = missing.share
    if len(past) < RUNS_MIN or missing.hides_spending:
        # From the costs of some calls it does not follow how many steps a run has taken.
        return RunReport(spent_usd=spent, calls=costs.size, past_runs=len(past), unpriced=unpriced)
    model = fit_runs(past)
    found = run_forecast(model, costs)
    advice = advise(
        model,
        costs,
        limit=float(run.held_micro_usd + before),
        cheaper=cheaper.share if cheaper else None,
    )
    ends = (apart + found.low) / size, (apart + found.high) / size
    return RunReport(
        spent_usd=spent,
        calls=costs.size,
        past_runs=len(past),
        projected_total_usd=(apart + found.projected) / size,
        interval90_usd=ends if np.isfinite(found.high) else None,
        advice=advice,
        unpriced=unpriced,
        step_down_to=cheaper.target if cheaper and advice == "step down" else None,
    )
