"""The forecast of an agent run's final cost, and whether to go on: bounds that hold at all times.

Past runs of a kind that ended by themselves tell what remains after each call. A run's score is the
largest ratio, over its calls, of what truly remained to what was predicted to remain. Runs of a kind
are exchangeable, so a new run's score has a uniform rank among those of the past: a quantile of them
bounds the total at every call at once, whatever the calls of one run have to do with each other.

Source: rank (conformal) prediction of Vovk (2005); the supremum over time as the score as in
Diquigiovanni et al. (2022); scores leave the run itself out as the jackknife+ of Barber et al. (2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats

Advice = Literal["go on", "step down", "stop"]

RUNS_MIN = 2
_ALPHA = 0.10
# A position's mean is shrunk to that of the call before it, by so many runs' weight.
_SHRINK_RUNS = 3
# Below so many runs the scores' quantile is a t-bound with a prior spread.
_RANKED_RUNS = 9
_SCORE_SD, _SCORE_SD_WEIGHT = 0.9, 3
# From so many on at least the largest score of all is taken.
_LARGEST_RUNS = 5
# Two-sided from here on: the lower rank of past totals has to be among them.
_LOWER_RUNS = 34
_LOWER_SHARE = 0.03
# Stopping by rank proves its rate of needless stops from so many runs.
_STOP_RUNS = 20
_STOP_RANKED_RUNS = 49
_NEEDLESS = 0.02
_STOP_T = 2.2  # Student's upper 2 % at 20 to 48 runs
_STEP_ALPHA = 0.20
_GUARD = 0.9


@dataclass(frozen=True, slots=True)
class RunForecast:
    """A run so far: spent, and the total that it will come to. In the costs' own unit."""

    spent: float
    projected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class RunModel:
    """The costs of past runs of a kind. Positions: shape (k,), one a call; scores: shape (runs,)."""

    runs: int
    cost: Floats  # mean cost of call i
    left: Floats  # mean of what remains after i calls, i = 0..k-1
    ending: Floats  # chance that a run ends after call i, given that it came so far
    level_variance: float
    call_variance: float  # squared coefficient of variation of a call
    scores: Floats  # ascending
    totals: Floats  # ascending
    guards: Floats  # of each call, its cost beside what was predicted
    endless: int
    past: tuple[Floats, ...] = ()

    def remainder(self, costs: Floats) -> float:
        """The cost that is predicted to remain after these calls."""
        i = min(costs.size, self.left.size - 1)
        return float(self.left[i]) * self.level(costs)

    def level(self, costs: Floats) -> float:
        """The cost of this run's calls relative to past runs', shrunk by their number."""
        t = costs.size
        if t == 0:
            return 1.0
        expected = float(self.cost[np.minimum(np.arange(t), self.cost.size - 1)].sum())
        weight = self.level_variance / (self.level_variance + self.call_variance / t + 1e-12)
        spent = float(costs.sum())
        return (spent / expected) ** weight if spent > 0 and expected > 0 else 1.0


def fit_runs(runs: Sequence[Floats], *, endless: int = 0) -> RunModel:
    """Learn from past runs.

    Args:
        runs: The costs of each run's calls, in order; runs that ended by themselves, two or more.
        endless: How many more were cut off by a cap: what they would have cost is not known.

    Returns:
        The model, whose scores leave each run out of what it is scored by.
    """
    model = _positions(runs, endless)
    scores = []
    for i, run in enumerate(runs):
        others = [each for j, each in enumerate(runs) if j != i]
        scores.append(_score(_positions(others, 0), run))
    totals = np.sort([float(run.sum()) for run in runs])
    return RunModel(
        runs=len(runs),
        cost=model.cost,
        left=model.left,
        ending=model.ending,
        level_variance=model.level_variance,
        call_variance=model.call_variance,
        scores=np.sort(np.r_[scores, np.full(endless, np.inf)]),
        totals=totals,
        guards=model.guards,
        endless=endless,
        past=tuple(runs),
    )


def _positions(runs: Sequence[Floats], endless: int) -> RunModel:
    longest = max(run.size for run in runs)
    cost, left, ending = np.zeros(longest), np.zeros(longest), np.zeros(longest)
    for i in range(longest):
        there = [run for run in runs if run.size > i]
        n = len(there)
        of_cost = float(np.mean([run[i] for run in there]))
        of_left = float(np.mean([run[i:].sum() for run in there]))
        of_end = float(np.mean([run.size == i + 1 for run in there]))
        if i:
            of_cost, of_left, of_end = (
                (n * new + _SHRINK_RUNS * old) / (n + _SHRINK_RUNS)
                for new, old in (
                    (of_cost, cost[i - 1]),
                    (of_left, left[i - 1]),
                    (of_end, ending[i - 1]),
                )
            )
        cost[i], left[i], ending[i] = of_cost, of_left, of_end
    ratios = [run / np.maximum(cost[: run.size], 1e-300) for run in runs]
    means = [math.log(max(float(each.mean()), 1e-9)) for each in ratios]
    within = [float(each.var()) / max(float(each.mean()) ** 2, 1e-300) for each in ratios]
    call_variance = float(np.mean(within))
    noise = float(np.mean([call_variance / run.size for run in runs]))
    spread = float(np.var(means, ddof=1)) if len(runs) > 1 else 0.0
    nothing = np.zeros(0)
    return RunModel(
        runs=len(runs),
        cost=cost,
        left=left,
        ending=ending,
        level_variance=max(spread - noise, 0.0),
        call_variance=call_variance,
        scores=nothing,
        totals=nothing,
        guards=np.sort(np.concatenate(ratios)),
        endless=endless,
    )


def _score(model: RunModel, run: Floats) -> float:
    """The largest ratio of what remained to what was predicted, over the run's calls."""
    remained = run[::-1].cumsum()[::-1]
    predicted = [model.remainder(run[:t]) for t in range(run.size)]
    return max((r / max(p, 1e-300) for r, p in zip(remained, predicted, strict=True)), default=1.0)


def score_quantile(model: RunModel, alpha: float) -> float:
    """The bound that a new run's score stays below with a chance of 1 - alpha."""
    r = model.scores.size
    rank = math.ceil((1 - alpha) * (r + 1))
    if r >= _RANKED_RUNS:
        return float(model.scores[rank - 1]) if rank <= r else math.inf
    finite = np.log(np.maximum(model.scores[np.isfinite(model.scores)], 1e-9))
    if finite.size < r or not r:
        return math.inf
    centre = float(finite.mean())
    spread = float(((finite - centre) ** 2).sum())
    variance = (_SCORE_SD_WEIGHT * _SCORE_SD**2 + spread) / (r + 2)
    bound = math.exp(centre + _t(r + 2, alpha) * math.sqrt(variance * (1 + 1 / r)))
    return max(bound, float(model.scores[-1])) if r >= _LARGEST_RUNS else bound


# Upper quantiles of Student's t at 10 and 20 %, by degrees of freedom 4 to 10.
_T = {
    _ALPHA: (1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372),
    _STEP_ALPHA: (0.941, 0.920, 0.906, 0.896, 0.889, 0.883, 0.879),
}


def _t(degrees: int, alpha: float) -> float:
    table = _T[_ALPHA if alpha <= _ALPHA else _STEP_ALPHA]
    return table[min(max(degrees - 4, 0), len(table) - 1)]


def run_forecast(model: RunModel, costs: Floats) -> RunForecast:
    """Forecast a run's final cost; the interval covers at every call, nine times in ten.

    Args:
        model: From `fit_runs`.
        costs: Of the run's calls so far, in order, shape (t,).
    """
    spent = float(costs.sum())
    two_sided = model.runs >= _LOWER_RUNS
    quantile = score_quantile(model, _ALPHA - _LOWER_SHARE if two_sided else _ALPHA)
    spent_after = np.r_[0.0, np.cumsum(costs)]
    high = min(
        float(spent_after[t]) + quantile * model.remainder(costs[:t]) for t in range(costs.size + 1)
    )
    low = spent
    if two_sided:
        rank = max(math.floor(_LOWER_SHARE * (model.runs + 1)), 1)
        low = max(spent, float(model.totals[rank - 1]))
    projected = spent + model.remainder(costs)
    return RunForecast(spent, min(max(projected, low), max(high, spent)), low, max(high, spent))


def advise(model: RunModel, costs: Floats, *, limit: float, cheaper: float | None = None) -> Advice:
    """Whether to go on, to step down to a cheaper target, or to stop.

    Args:
        model: From `fit_runs`.
        costs: Of the run's calls so far, shape (t,).
        limit: What the run may cost.
        cheaper: A call there as a share of a call here; None where there is nothing cheaper.
    """
    spent = float(costs.sum())
    t = costs.size
    after = float(model.cost[min(t, model.cost.size - 1)]) * model.level(costs)
    guard = float(np.quantile(model.guards, _GUARD)) if model.guards.size else 1.0
    if spent + guard * after * (1.0 if cheaper is None else cheaper) > limit:
        return "stop"
    if cheaper is not None:
        # As late as the rest still fits at the cheaper price.
        rest = cheaper * score_quantile(model, _STEP_ALPHA) * model.remainder(costs)
        return "step down" if spent + guard * after + rest > limit else "go on"
    if model.runs < _STOP_RUNS or not t:
        return "go on"
    chance = float(_chances(model, costs, limit)[-1])
    return "stop" if chance < _stop_chance(model, limit) else "go on"


def _chances(model: RunModel, costs: Floats, limit: float) -> Floats:
    """After each call, the chance that the run ends by itself within the limit.

    As of a rest without memory, and of runs that never end: a run that has come far where few do is
    likelier to be one of those. Shape (t,).
    """
    t = np.arange(1, costs.size + 1)
    spent = np.cumsum(costs)
    expected = np.cumsum(model.cost[np.minimum(t - 1, model.cost.size - 1)])
    weight = model.level_variance / (model.level_variance + model.call_variance / t + 1e-12)
    level = np.where(spent > 0, (spent / np.maximum(expected, 1e-300)) ** weight, 1.0)
    left = model.left[np.minimum(t, model.left.size - 1)] * level
    survived = np.cumprod(1 - model.ending[np.minimum(t - 1, model.ending.size - 1)])
    lam = (1 + model.endless) / (50 + model.runs)
    never = lam / (lam + (1 - lam) * survived)
    room = np.maximum(limit - spent, 0.0)
    return np.asarray((1 - never) * -np.expm1(-room / np.maximum(left, 1e-300)))


def _stop_chance(model: RunModel, limit: float) -> float:
    """Below this chance a run is stopped; of those that end within the limit, 2 % are.

    By rank among past runs that did; where they are too few for that, by a bound on the logarithm.
    """
    lowest = np.sort(
        [
            float(_chances(model, run, limit)[:-1].min(initial=1.0))
            for run in model.past
            if run.sum() <= limit
        ]
    )
    rank = math.floor(_NEEDLESS * (model.runs + 1))
    if model.runs >= _STOP_RANKED_RUNS and rank >= 1:
        return float(lowest[rank - 1]) if rank <= lowest.size else 0.0
    if lowest.size < _STOP_RUNS // 2:
        return 0.0
    logs = np.log(np.maximum(lowest, 1e-300))
    return math.exp(float(logs.mean()) - _STOP_T * float(logs.std(ddof=1)))
