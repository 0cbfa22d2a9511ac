"""The forecast of the total cost of planned calls: draws from a predictive distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.cost.days import (
    SPLIT_DAYS_MIN,
    DayLevels,
    LevelDrift,
    day_levels,
    level_drift,
)
from gonogo.detectors.cost.dependence import (
    HeavyTail,
    cautious_both_ways,
    correlation_time,
    heavy_tail,
    regime_start,
    split_correlation,
)
from gonogo.errors import DataError, ParameterError
from gonogo.records import DAY_MS

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats, Ints

# Draws from the predictive distribution; a probability's resolution is one in this many.
DRAWS = 1000
# Spread of log costs that is believed before any call is seen, and how many calls that belief
# weighs as much as.
PRIOR_SD = 0.9
PRIOR_CALLS = 3
# The parametric half has a share of POOL / (POOL + n): thin data leans on a lognormal.
POOL_CALLS = 5
# Weight, in calls, of the lognormal tail that the bootstrap draws unseen costs from, and the
# largest cost that it may draw, in largest costs seen.
TAIL_CALLS = 2.0
TAIL_CAP = 30.0
SIGMA_MAX = 2.5
# Up to this many calls a bootstrap total is summed call by call; above, its two moments suffice.
_SUMMED_CALLS_MAX = 24
# How many unseen costs are drawn one by one; beyond, they are scaled.
_TAIL_DRAWN_MAX = 128
# A lognormal of fixed mean and variance a call grows with the calls at every quantile up to here.
_Z_MAX = 3.1
# Lognormal costs are drawn for at most this many calls, and scaled beyond.
_LOGNORMAL_CALLS_MAX = 1000
# The bootstrap weighs the largest costs singly and the others in groups of neighbours: groups of
# Dirichlet weights are Dirichlet again, so only the spread inside a group is approximated.
_SINGLES, _GROUPS = 32, 96
# Variance of the logarithm of a declared total about the true one.
DECLARED_VARIANCE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class CostModel:
    """Draws of what one call costs, from the calls of the newest regime. Arrays: shape (draws,)."""

    n: int
    start: int  # index of the first call used
    log_mean: Floats
    log_sd: Floats
    paid_share: Floats  # chance that a call is not free
    parametric: NDArray[np.bool_]
    weights: Floats  # (bootstrap draws, atoms), rows sum to 1
    tail_share: Floats  # (bootstrap draws,)
    atoms: Floats
    atom_variances: Floats
    cap: float
    parameter_variance: float  # of the log of the mean cost, from n calls
    drift: LevelDrift | None
    seed: int
    days: DayLevels | None = None  # where it is known when the calls were made
    log_level: float = 0.0  # mean log cost, without the effects of the days
    tail: HeavyTail | None = None


def fit_costs(
    costs: Floats,
    *,
    seed: int,
    ts_ms: Ints | None = None,
    now_ms: int | None = None,
    draws: int = DRAWS,
    prior_sd: float = PRIOR_SD,
) -> CostModel:
    """Learn what a call costs from the newest regime of the calls seen.

    What days and neighbours have in common is taken out of the costs first, and put back into the
    totals: calls that are alike are fewer than they are, and a day to come is another day.

    Args:
        costs: Shape (n,), oldest first, each ≥ 0, in any unit of money; n ≥ 1.
        seed: Of every draw made from the model.
        ts_ms: When each call was made, ascending; without it days are not told apart.
        now_ms: The time; without it the newest call's.
        draws: How many.
        prior_sd: Standard deviation of log costs that is believed a priori.

    Raises:
        DataError: `costs` is empty, not a vector, negative or not finite.
    """
    if costs.ndim != 1 or not costs.size or not np.isfinite(costs).all() or (costs < 0).any():
        raise DataError("costs must be a vector of one or more finite numbers of at least 0")
    positive = costs[costs > 0]
    floor = float(positive.min()) if positive.size else 1.0
    start, days, recent = _newest_regime(costs, floor, ts_ms, now_ms)
    alike = split_correlation(np.log(np.maximum(recent, floor)))
    paid = recent[recent > 0]
    rng = np.random.default_rng([seed, 0])
    n, m = recent.size, paid.size
    logs = np.log(paid) if m else np.zeros(1)
    mean = float(logs.mean())
    squares = float(((logs - mean) ** 2).sum()) + PRIOR_CALLS * prior_sd**2
    log_sd = np.minimum(
        np.sqrt(squares / rng.chisquare(max(m - 1, 0) + PRIOR_CALLS, draws)), SIGMA_MAX
    )
    log_mean = mean + log_sd / math.sqrt(max(m, 1)) * rng.standard_normal(draws)
    share = np.ones(draws) if m == n else rng.beta(m + 0.5, n - m + 0.5, draws) * bool(m)
    parametric = rng.random(draws) < POOL_CALLS / (POOL_CALLS + n)
    atoms, counts, variances = _atoms(recent)
    gammas = rng.standard_gamma(counts, (int((~parametric).sum()), atoms.size))
    tail, sums = rng.standard_gamma(TAIL_CALLS, gammas.shape[0]) * bool(m), gammas.sum(axis=1)
    cv2 = float(recent.var()) / float(recent.mean()) ** 2 if m else 0.0
    return CostModel(
        n=n,
        start=start,
        log_mean=log_mean,
        log_sd=log_sd,
        paid_share=share,
        parametric=parametric,
        weights=gammas / sums[:, None],
        tail_share=tail / (tail + sums),
        atoms=atoms,
        atom_variances=variances,
        cap=TAIL_CAP * float(recent.max()),
        parameter_variance=math.log1p(cv2) / n * (n + 1) / max(n - 3, 1),
        drift=level_drift(recent, correlation=alike) if m else None,
        seed=seed,
        days=days,
        log_level=mean,
        tail=heavy_tail(recent),
    )


def _newest_regime(
    costs: Floats, floor: float, ts_ms: Ints | None, now_ms: int | None
) -> tuple[int, DayLevels | None, Floats]:
    """Find where the newest regime begins, its day levels, and its costs without their effects."""
    if ts_ms is None or not (costs > 0).any():
        start = regime_start(np.log(np.maximum(costs, floor)))
        return start, None, costs[start:]
    first = _newest_days(costs, floor, ts_ms)
    now_ms = int(ts_ms[-1]) if now_ms is None else now_ms
    days, recent = _by_day(costs[first:], floor, ts_ms[first:], now_ms)
    start = regime_start(np.log(np.maximum(recent, floor)))
    if start:
        # What a day is like is learned anew: the level before the split is none of it.
        days, recent = _by_day(costs[first + start :], floor, ts_ms[first + start :], now_ms)
    return first + start, days, recent


def _by_day(
    costs: Floats, floor: float, ts_ms: Ints, now_ms: int
) -> tuple[DayLevels | None, Floats]:
    """Fit the levels of days, and remove their effects from the costs."""
    paid = costs > 0
    if not paid.any():
        return None, costs
    logs = np.log(np.maximum(costs, floor))
    _, at, counts = np.unique(ts_ms // DAY_MS, return_inverse=True, return_counts=True)
    alike = correlation_time(logs - (np.bincount(at, logs) / counts)[at])
    days, of_day = day_levels(logs[paid], ts_ms[paid], now_ms=now_ms, correlation=alike)
    effect = np.zeros(costs.size)
    effect[paid] = np.where(of_day >= 0, days.effects[np.maximum(of_day, 0)], 0.0)
    return days, costs * np.exp(-effect)


def _newest_days(costs: Floats, floor: float, ts_ms: Ints) -> int:
    """Find the first of the newest days of one level; a jump between days is no day effect."""
    _, begins, at, counts = np.unique(
        ts_ms // DAY_MS, return_index=True, return_inverse=True, return_counts=True
    )
    if counts.size < SPLIT_DAYS_MIN:
        return 0
    means = np.bincount(at, np.log(np.maximum(costs, floor))) / counts
    return int(begins[regime_start(means, calls_min=2)])


def _atoms(costs: Floats) -> tuple[Floats, Floats, Floats]:
    """The costs as atoms: values, how many calls each stands for, variances inside."""
    ordered = np.sort(costs)
    if ordered.size <= _SINGLES + _GROUPS:
        return ordered, np.ones(ordered.size), np.zeros(ordered.size)
    groups = np.array_split(ordered[:-_SINGLES], _GROUPS)
    values = np.r_[[g.mean() for g in groups], ordered[-_SINGLES:]]
    counts = np.r_[[g.size for g in groups], np.ones(_SINGLES)].astype(float)
    return values, counts, np.r_[[g.var() for g in groups], np.zeros(_SINGLES)]


def spend_draws(model: CostModel, *, calls: int, declared: float | None = None) -> Floats:
    """Draw what `calls` calls will cost in total.

    Half lognormal posterior, half Dirichlet bootstrap with a lognormal tail, by sample size; times
    the drift of the level; pulled towards a declared total as far as the calls seen leave it open.

    Args:
        model: From `fit_costs`.
        calls: How many are planned, at least 1.
        declared: What a person or an agent expects the total to be, in the costs' unit.

    Returns:
        Shape (draws,), ascending: the chance that the total stays within x is
        `chance_within(draws, x)`.

    Raises:
        ParameterError: `calls` is below 1.

    Source: Rubin (1981) for the bootstrap; the pooling was calibrated on traces of LLM calls.
    """
    if calls < 1:
        raise ParameterError(f"calls must be at least 1, not {calls}")
    # The same numbers whatever the plan: of more calls every draw is dearer, so that more work is
    # never cheaper, nor likelier to fit, by a luckier draw.
    rng = np.random.default_rng([model.seed, 1])
    if not model.atoms.any():
        return np.zeros(model.log_mean.size)  # every call seen was free
    totals = np.empty(model.log_mean.size)
    lognormal = model.parametric
    of_lognormal, of_bootstrap, of_level = rng.spawn(3)
    totals[lognormal] = _lognormal_totals(
        model, lognormal, min(calls, _LOGNORMAL_CALLS_MAX), of_lognormal
    )
    if calls > _LOGNORMAL_CALLS_MAX:
        totals[lognormal] *= calls / _LOGNORMAL_CALLS_MAX
    totals[~lognormal] = _bootstrap_totals(model, calls, of_bootstrap)
    if model.drift is not None:
        which = of_level.choice(model.drift.weights.size, totals.size, p=model.drift.weights)
        z = np.clip(of_level.standard_normal(totals.size), -_Z_MAX, _Z_MAX)
        steps = model.drift.spread(calls)[which] * z
        totals *= np.exp(model.drift.shift[which] + steps)
    factors = np.ones(totals.size)
    if model.days is not None:
        days = model.days.shares(calls).size
        paths = model.days.paths(days, model.log_level, _of_days(model), totals.size)
        factors = model.days.factors(calls, paths)
    totals = _with_tail(model, calls, totals, factors)
    if declared is not None and declared > 0 and totals[-1] > 0:
        totals = _fold_in(totals, model.parameter_variance, declared)
    return totals


def _of_days(model: CostModel) -> np.random.Generator:
    """Draw days once for all numbers of calls, so that more calls never come out cheaper."""
    return np.random.default_rng([model.seed, 2])


def _with_tail(model: CostModel, calls: float, totals: Floats, factors: Floats) -> Floats:
    """Totals at the levels of their days, with what lies beyond the dearest call seen; ascending."""
    if model.tail is None:
        return np.sort(totals * factors)
    rng = np.random.default_rng([model.seed, 3])
    beyond = model.tail.beyond(calls, rng, totals.size)
    return cautious_both_ways(totals * factors, beyond * factors)


def _lognormal_totals(
    model: CostModel, rows: NDArray[np.bool_], calls: int, rng: np.random.Generator
) -> Floats:
    # A row of numbers a call, so that the first calls cost the same in a longer plan.
    shape = (calls, int(rows.sum()))
    of_cost, of_paid = rng.spawn(2)
    costs = model.log_mean[rows] + model.log_sd[rows] * of_cost.standard_normal(shape)
    np.exp(costs, out=costs)
    if (model.paid_share < 1).any():
        costs *= of_paid.random(shape) < model.paid_share[rows]
    return np.asarray(costs.sum(axis=0))


def _bootstrap_totals(model: CostModel, calls: int, rng: np.random.Generator) -> Floats:
    m, (of_call, of_rest, of_gap, of_tail) = model.weights.shape[0], rng.spawn(4)
    summed = min(calls, _SUMMED_CALLS_MAX)
    # One search for all rows: row i's cumulative weights lie in (i, i + 1].
    row = np.arange(m)
    edges = np.cumsum(model.weights, axis=1)
    edges /= edges[:, -1:]
    sought = of_call.random((summed, m)) + row
    found = np.searchsorted((edges + row[:, None]).ravel(), sought.ravel())
    atom = np.clip(found.reshape(summed, m) - row * model.atoms.size, 0, model.atoms.size - 1)
    places, unseen = _unseen_calls(calls, model.tail_share, of_gap)
    early = places <= summed
    kept = np.ones((summed, m), dtype=bool)
    kept[(places[early] - 1).astype(int), np.nonzero(early)[1]] = False
    totals = (model.atoms[atom] * kept).sum(axis=0)
    if calls > summed:
        mean = model.weights @ model.atoms
        square = model.weights @ (model.atoms**2 + model.atom_variances)
        rest = np.maximum(calls - summed - (unseen - early.sum(axis=0)), 0.0)
        z = np.clip(of_rest.standard_normal(m), -_Z_MAX, _Z_MAX)
        totals += _matched(mean, square - mean**2, rest, z) * (rest > 0)
    drawn = np.minimum(unseen, places.shape[0])
    rows = ~model.parametric
    noise = model.log_sd[rows] * of_tail.standard_normal(places.shape)
    tail = np.minimum(np.exp(model.log_mean[rows] + noise), model.cap)
    tail *= np.arange(places.shape[0])[:, None] < drawn
    return np.asarray(totals + tail.sum(axis=0) * (unseen / np.maximum(drawn, 1)))


def _unseen_calls(calls: int, share: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw which calls of a plan have an unseen cost, shape (k, m), and their number, shape (m,).

    By the gaps between them, so that a longer plan has those of a shorter one.
    """
    expected = calls * float(share.max(initial=0.0))
    k = int(min(calls, _TAIL_DRAWN_MAX, expected + 6 * math.sqrt(expected) + 8))
    rate = -np.log1p(-np.minimum(share, 1 - 1e-12))
    with np.errstate(divide="ignore"):
        gaps = np.ceil(rng.standard_exponential((k, share.size)) / rate)
    places = np.cumsum(np.maximum(gaps, 1), axis=0)
    unseen = (places <= calls).sum(axis=0).astype(float)
    if k == _TAIL_DRAWN_MAX:
        beyond = np.maximum(calls - places[-1], 0) * share
        unseen = np.where(unseen == k, k + np.floor(beyond), unseen)
    return places, unseen


def _matched(mean: Floats, variance: Floats, calls: Floats, z: Floats) -> Floats:
    """A lognormal with the mean and the variance of a sum of `calls` costs, at the quantiles z."""
    count = np.maximum(calls, 1)
    # Free calls have neither a mean nor a spread.
    ratio = np.divide(np.maximum(variance, 0), mean**2, out=np.zeros_like(mean), where=mean**2 > 0)
    log_variance = np.log1p(ratio / count)
    return np.asarray(count * mean * np.exp(np.sqrt(log_variance) * z - log_variance / 2))


def _fold_in(totals: Floats, parameter_variance: float, declared: float) -> Floats:
    """Shrink the part of the spread that more calls would remove, towards a declared total."""
    logs = np.log(np.maximum(totals, totals[-1] * 1e-9))
    middle, variance = float(np.median(logs)), float(logs.var())
    weight = parameter_variance / (parameter_variance + DECLARED_VARIANCE)
    kept = max(variance - parameter_variance * weight, 0.0) / variance if variance else 1.0
    centre = middle + weight * (math.log(declared) - middle)
    return np.asarray(np.exp(centre + math.sqrt(kept) * (logs - middle)))


def quantile_by_calls(model: CostModel, calls: Floats, *, probability: float) -> Floats:
    """The bound that totals of several numbers of calls stay within with a given probability.

    From the moments of one call in each draw instead of its calls one by one: quick, monotonic,
    and close enough to say how many calls would pass.

    Args:
        model: From `fit_costs`.
        calls: Shape (k,), ascending, each at least 1.
        probability: In (0, 1).

    Returns:
        Shape (k,), never falling.
    """
    rng = np.random.default_rng([model.seed, 0, 1])
    mean = model.paid_share * np.exp(model.log_mean + model.log_sd**2 / 2)
    square = model.paid_share * np.exp(2 * model.log_mean + 2 * model.log_sd**2)
    rows = ~model.parametric
    seen_mean = model.weights @ model.atoms
    seen_square = model.weights @ (model.atoms**2 + model.atom_variances)
    mean[rows] += (1 - model.tail_share) * (seen_mean - mean[rows])
    square[rows] += (1 - model.tail_share) * (seen_square - square[rows])
    z, z_level = rng.standard_normal((2, mean.size))
    quantiles = np.empty(calls.size)
    if model.drift is not None:
        which = rng.choice(model.drift.weights.size, mean.size, p=model.drift.weights)
    if model.days is not None:
        days = model.days.shares(float(calls[-1])).size
        paths = model.days.paths(days, model.log_level, _of_days(model), mean.size)
    for i, count in enumerate(calls):
        totals = _matched(mean, square - mean**2, np.full(mean.size, float(count)), z)
        if model.drift is not None:
            spread = model.drift.spread(float(count))[which]
            totals = totals * np.exp(model.drift.shift[which] + spread * z_level)
        factors = np.ones(mean.size)
        if model.days is not None:
            factors = model.days.factors(float(count), paths)
        totals = _with_tail(model, float(count), totals, factors)
        quantiles[i] = np.quantile(totals, probability)
    return np.maximum.accumulate(quantiles)


def chance_within(draws: Floats, limit: float) -> float:
    """The chance that a total stays within a limit; never quite 0 or 1, since draws are finite."""
    return float(np.searchsorted(draws, limit, side="right") + 0.5) / (draws.size + 1)
