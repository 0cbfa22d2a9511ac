"""The chance that the next call is good, from hourly counts.

Five memories with half-lives of 0.1, 1, 5 and 20 days and for ever count good calls. The longest
starts from the population's prior, each shorter one from the next longer; how well each has
predicted so far says how much it counts (a fixed share lets a memory come back after a change).
The result is a mixture of five Beta distributions: its mean is the score, its quantiles the
interval. The parts of a score are such mixtures too; a product of independent ones is told by
points of equal probability.

Source: Jøsang & Ismail, The Beta Reputation System (2002), for counts that are forgotten; Herbster
& Warmuth, Tracking the Best Expert (1998), for the fixed share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.log_space import log_rising
from gonogo.detectors.trust.hour_spread import hours_variance
from gonogo.detectors.trust.mixture import BetaMixture
from gonogo.detectors.trust.prior import Prior
from gonogo.errors import DataError, ParameterError

HALF_LIVES_DAYS = (0.1, 1.0, 5.0, 20.0, math.inf)
# Pseudo-calls with which a memory starts from the next longer one.
NEST_STRENGTH = 6.0
# With fewer calls in all than this, a short memory cannot be told from chance: it starts from the
# next longer one with up to twice the pseudo-calls.
_FEW_CALLS = 15.0
# Weight that goes back to all memories alike with each call.
FIXED_SHARE = 0.02
# Weights forget by at least 2 % a call, so rows before the newest 512 move a score by < 1e-4.
WEIGHED_ROWS_MAX = 512
# What calls count for in the spread (never in the mean). The more the two shortest memories have
# weighed of late, the more restless the rate, and the likelier it has moved since: then calls
# count for less. Of a rate that rests they count for more, since the short memories that are mixed
# in widen what the long one knows. Chosen on other seeds and worlds than benchmarks/trust.py
# reports, so that the 90 % interval holds the rate under fast drift and is no wider than it says
# where outages and jumps are rare.
_RESTS, _RESTLESS = 0.34, 0.49
_COUNTS_FOR_MOST, _COUNTS_FOR_LEAST = 1.15, 0.5

DECAY_PER_HOUR: Floats = -math.log(2) / (24 * np.array(HALF_LIVES_DAYS))
MEMORIES = len(HALF_LIVES_DAYS)
# Dependencies in one run: those with about as many rows, so that little of it is padding.
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class TrustPath:
    """The contents of the memories before each row of counts: shapes (rows, 5)."""

    weight: Floats
    good: Floats
    n: Floats
    prior: Prior

    def counts_for(self) -> Floats:
        """The weight of calls in the spread, before each row; shape (rows,)."""
        short = np.r_[0.0, np.cumsum(self.weight[:, :2].sum(axis=1))]
        row = np.arange(1, short.size)
        first = np.maximum(row - WEIGHED_ROWS_MAX, 0)
        return counted_as((short[row] - short[first]) / (row - first))


def trust_path(
    hour: Ints, good: Ints, n: Ints, *, prior: Prior, rows_max: int = WEIGHED_ROWS_MAX
) -> TrustPath:
    """Follow the memories through the hours that have calls.

    Args:
        hour: Shape (rows,), strictly ascending.
        good: Shape (rows,), good calls of the hour.
        n: Shape (rows,), calls of the hour, at least 1.
        prior: What the longest memory starts from.
        rows_max: Rows that are weighed one by one, the newest; older ones enter by their sums.

    Returns:
        The state before each of the newest `rows_max` rows.

    Raises:
        DataError: The rows are not as described.
    """
    _check_rows(hour, good, n)
    first = max(hour.size - rows_max, 0)
    start = hour[first] if hour.size else 0
    age = (start - hour[:first, None]).astype(float)
    old = np.exp(age * DECAY_PER_HOUR)
    rows = slice(first, None)
    good_before = _remembered(hour[rows], good[rows], good[:first].astype(float) @ old)
    n_before = _remembered(hour[rows], n[rows], n[:first].astype(float) @ old)
    fit = log_fit(good_before, n_before, good[rows, None], n[rows, None], prior)
    weight = _weights_before(fit, n[rows])
    return TrustPath(weight, good_before, n_before, prior)


def after_batch(path: TrustPath, row: Ints, good: Ints, n: Ints) -> BetaMixture:
    """The mixture once `good` of `n` further calls are seen in the hour of `row`.

    Args:
        path: The states before each row.
        row: Shape (m,), which row's hour is meant.
        good: Shape (m,), good calls so far in that hour.
        n: Shape (m,), calls so far in that hour; none gives the mixture before the hour.

    Returns:
        Mixtures of shape (m, 5).
    """
    before_good, before_n = path.good[row], path.n[row]
    good, n = good[:, None], n[:, None]
    fit = log_fit(before_good, before_n, good, n, path.prior)
    weight = _step(path.weight[row], np.exp(fit - fit.max(axis=-1, keepdims=True)), n)
    a, b = nested(before_good + good, before_n + n, path.prior)
    counts_for = path.counts_for()[row][:, None]
    return BetaMixture(weight, counts_for * a, counts_for * b)


def posterior(hour: Ints, good: Ints, n: Ints, *, now_hour: int, prior: Prior) -> BetaMixture:
    """The rate's distribution at `now_hour`, from all hours with calls.

    Args:
        hour: Shape (rows,), ascending; rows after `now_hour` are taken as of now.
        good: Shape (rows,), good calls.
        n: Shape (rows,), calls; rows without calls are passed over.
        now_hour: Hours since 1970.
        prior: What is believed before the first call.

    Returns:
        A mixture of shape (5,).
    """
    called = n > 0
    hour, good, n = hour[called], good[called], n[called]
    if not hour.size:
        nothing = np.zeros(MEMORIES)
        a, b = nested(nothing, nothing, prior)
        alike = nothing + 1 / MEMORIES
        counts_for = counted_as(alike[:2].sum())
        return BetaMixture(alike, counts_for * a, counts_for * b)
    path = trust_path(hour, good, n, prior=prior)
    last = np.array([path.n.shape[0] - 1])
    weight = after_batch(path, last, good[-1:], n[-1:]).weight[0]
    fade = np.exp(max(now_hour - int(hour[-1]), 0) * DECAY_PER_HOUR)
    a, b = nested((path.good[-1] + good[-1]) * fade, (path.n[-1] + n[-1]) * fade, prior)
    counts_for = path.counts_for()
    between = _between_hours(path, counts_for, good, n)
    return BetaMixture(weight, counts_for[-1] * a, counts_for[-1] * b, between)


def _between_hours(path: TrustPath, counts_for: Floats, good: Ints, n: Ints) -> float:
    """The variance of an hour's rate around what the path held before it."""
    a, b = nested(path.good, path.n, path.prior)
    before = BetaMixture(path.weight, counts_for[:, None] * a, counts_for[:, None] * b)
    rows = slice(n.size - path.n.shape[0], None)
    return float(hours_variance(before.mean(), before.variance(), good[rows], n[rows]))


def counted_as(short: Floats) -> Floats:
    """The weight of calls where the two shortest memories have weighed `short` together."""
    restless = np.clip((short - _RESTS) / (_RESTLESS - _RESTS), 0, 1)
    share: Floats = _COUNTS_FOR_MOST - (_COUNTS_FOR_MOST - _COUNTS_FOR_LEAST) * restless
    return share


def _check_rows(hour: Ints, good: Ints, n: Ints) -> None:
    if not hour.shape == good.shape == n.shape or hour.ndim != 1:
        raise ParameterError("hour, good and n must be vectors of one length")
    if np.any(n < 1) or np.any(good < 0) or np.any(good > n):
        raise DataError("each row must have 0 <= good <= n and at least one call")
    if np.any(np.diff(hour) <= 0):
        raise DataError("hours must ascend")


def _remembered(hour: Ints, count: Ints, start: Floats) -> Floats:
    """Decayed sums of `count` before each row; `start` is the sum at the first. Shape (rows, 5).

    A scan by doubling: after pass k an entry holds its newest 2^k rows, so that a year of hours
    takes 14 vector passes and no power of two overflows.
    """
    total = np.zeros((hour.size, MEMORIES))
    if not hour.size:
        return total
    total[0] = start
    gap = np.diff(hour)[:, None].astype(float)
    total[1:] = count[:-1, None] * np.exp(gap * DECAY_PER_HOUR)
    total[1:2] += start * np.exp(gap[:1] * DECAY_PER_HOUR)
    reach = 1
    # Row 0 already reaches row 1; from there on each row starts at row 1.
    sums, when = total[1:], hour[1:]
    while reach < when.size:
        lag = (when[reach:] - when[:-reach])[:, None].astype(float)
        sums[reach:] += sums[:-reach] * np.exp(lag * DECAY_PER_HOUR)
        reach *= 2
    return total


def nested(good: Floats, n: Floats, prior: Prior | tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Beta parameters of each memory, each started from the next longer one; shapes (..., 5).

    `prior` may be the means and strengths of many, broadcast against shape (...).
    """
    a, b = np.empty_like(good), np.empty_like(good)
    mean: Floats | float
    strength: Floats | float
    mean, strength = (prior.mean, prior.strength) if isinstance(prior, Prior) else prior
    nest = NEST_STRENGTH * (1 + _FEW_CALLS / (_FEW_CALLS + n[..., -1]))
    for memory in reversed(range(MEMORIES)):
        a[..., memory] = good[..., memory] + strength * mean
        b[..., memory] = n[..., memory] - good[..., memory] + strength * (1 - mean)
        mean = a[..., memory] / (a[..., memory] + b[..., memory])
        strength = nest
    tiny = 1e-9
    return np.maximum(a, tiny), np.maximum(b, tiny)


def log_fit(
    before_good: Floats, before_n: Floats, good: Ints, n: Ints, prior: Prior | tuple[Floats, Floats]
) -> Floats:
    """Log chance that each memory gave to `good` of `n` calls in any one order (Beta-binomial)."""
    a, b = nested(before_good, before_n, prior)
    return log_rising(a, good) + log_rising(b, n - good) - log_rising(a + b, n)


def _step(weight: Floats, fit: Floats, n: Ints) -> Floats:
    """Weights after a batch of `n` calls; the share is given out once a call.

    For one call it is fixed share exactly. Of a batch all but the last share come before it, so
    that a large batch does not wipe out what it has just taught.
    """
    kept = (1 - FIXED_SHARE) ** np.maximum(n - 1, 0)
    weight = (weight * kept + (1 - kept) / MEMORIES) * fit
    weight = weight / weight.sum(axis=-1, keepdims=True)
    last = np.where(n > 0, FIXED_SHARE, 0.0)
    result: Floats = weight * (1 - last) + last / MEMORIES
    return result


def _weights_before(fit: Floats, n: Ints) -> Floats:
    """Weights before each row, shape (rows, 5).

    A row is a linear map of the weights. Blocks of about sqrt(rows) rows multiply their maps side
    by side, then the blocks are chained: 2 sqrt(rows) vector operations instead of `rows`.
    """
    rows = fit.shape[0]
    weight = np.full((rows, MEMORIES), 1 / MEMORIES)
    if rows <= 1:
        return weight
    length = math.isqrt(rows - 1) + 1
    blocks = -(-rows // length)
    lik = np.ones((blocks * length, MEMORIES))
    lik[:rows] = np.exp(fit - fit.max(axis=1, keepdims=True))
    calls = np.zeros(blocks * length)
    calls[:rows] = n
    lik, calls = lik.reshape(blocks, length, MEMORIES), calls.reshape(blocks, length)
    chained = np.empty((blocks, length + 1, MEMORIES, MEMORIES))
    chained[:, 0] = np.eye(MEMORIES)
    for i in range(length):
        kept = ((1 - FIXED_SHARE) ** np.maximum(calls[:, i] - 1, 0))[:, None, None]
        state = chained[:, i]
        state = kept * state + (1 - kept) / MEMORIES * state.sum(axis=1, keepdims=True)
        state = state * lik[:, i, :, None]
        state = (1 - FIXED_SHARE) * state + FIXED_SHARE / MEMORIES * state.sum(
            axis=1, keepdims=True
        )
        chained[:, i + 1] = state / state.max(axis=(1, 2), keepdims=True)
    start = np.empty((blocks, MEMORIES))
    start[0] = 1 / MEMORIES
    for block in range(1, blocks):
        at = chained[block - 1, length] @ start[block - 1]
        start[block] = at / at.sum()
    spread = np.einsum("blij,bj->bli", chained[:, :length], start).reshape(-1, MEMORIES)[:rows]
    weight[:] = spread / spread.sum(axis=1, keepdims=True)
    return weight


# The chances of many dependencies in one run: `detectors.trust` with a leading axis for each.
#
# Every step is the recursion that `trust_path` unrolls, taken for all dependencies at once: rows are
# aligned at their newest, and what is missing in front has no calls and changes nothing. A property
# test holds the two to each other.


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """The calls of one dependency by hour, shapes (rows,): hours ascend, each has a call."""

    hour: Ints
    good: Ints
    n: Ints


def posteriors(
    batches: Sequence[Batches], priors: Sequence[Prior], *, now_hour: int
) -> BetaMixture:
    """Compute `trust.posterior` of each; every dependency has at least one row.

    Args:
        batches: The calls of each.
        priors: What is believed of each before its first call.
        now_hour: Hours since 1970.

    Returns:
        Mixtures of shape (dependencies, 5), in their order.
    """
    weight, a, b = (np.empty((len(batches), MEMORIES)) for _ in range(3))
    between = np.empty(len(batches))
    order = sorted(range(len(batches)), key=lambda i: batches[i].hour.size)
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        found = _run([batches[i] for i in some], [priors[i] for i in some], now_hour)
        weight[some], a[some], b[some] = found.weight, found.a, found.b
        between[some] = found.between_hours
    return BetaMixture(weight, a, b, between)


def _run(batches: Sequence[Batches], priors: Sequence[Prior], now_hour: int) -> BetaMixture:
    rows = min(max(one.hour.size for one in batches), WEIGHED_ROWS_MAX)
    hour, good, n = (np.zeros((rows, len(batches)), dtype=np.int64) for _ in range(3))
    # Sums of the rows before those that are weighed one by one, at the first of these.
    good_now, n_now = (np.zeros((len(batches), MEMORIES)) for _ in range(2))
    for at, one in enumerate(batches):
        first = max(one.hour.size - rows, 0)
        kept = one.hour.size - first
        hour[:, at], hour[rows - kept :, at] = one.hour[first], one.hour[first:]
        good[rows - kept :, at], n[rows - kept :, at] = one.good[first:], one.n[first:]
        if first:
            fade = np.exp((one.hour[first] - one.hour[:first, None]) * DECAY_PER_HOUR)
            good_now[at], n_now[at] = one.good[:first] @ fade, one.n[:first] @ fade
    before_good, before_n = (np.empty((rows, len(batches), MEMORIES)) for _ in range(2))
    decay = np.exp(np.diff(hour, axis=0)[..., None] * DECAY_PER_HOUR)
    before_good[0], before_n[0] = good_now, n_now
    for row in range(1, rows):
        np.add(before_good[row - 1], good[row - 1, :, None], out=before_good[row])
        before_good[row] *= decay[row - 1]
        np.add(before_n[row - 1], n[row - 1, :, None], out=before_n[row])
        before_n[row] *= decay[row - 1]
    mean, strength = (
        np.array(column) for column in zip(*((p.mean, p.strength) for p in priors), strict=True)
    )
    fit = log_fit(before_good, before_n, good[..., None], n[..., None], (mean, strength))
    weight, before, short = _weighed(fit, n)
    own_a, own_b = nested(before_good, before_n, (mean, strength))
    scale = counted_as(short)[..., None]
    told = BetaMixture(before, scale * own_a, scale * own_b)
    between = hours_variance(told.mean().T, told.variance().T, good.T, n.T)
    fade = np.exp(np.maximum(now_hour - hour[-1], 0)[:, None] * DECAY_PER_HOUR)
    last_good = (before_good[-1] + good[-1, :, None]) * fade
    last_n = (before_n[-1] + n[-1, :, None]) * fade
    a, b = nested(last_good, last_n, (mean, strength))
    return BetaMixture(weight, scale[-1] * a, scale[-1] * b, between)


def _weighed(fit: Floats, n: Ints) -> tuple[Floats, Floats, Floats]:
    """Weights after the last row, before each, and what the two shortest weighed on average up to each."""
    weight = np.full(fit.shape[1:], 1 / MEMORIES)
    before = np.empty_like(fit)
    likelihood = np.exp(fit - fit.max(axis=-1, keepdims=True))
    kept = ((1 - FIXED_SHARE) ** np.maximum(n - 1, 0))[..., None]
    even = (1 - kept) / MEMORIES
    is_row = n > 0
    given = np.where(is_row, FIXED_SHARE, 0.0)[..., None]
    back = given / MEMORIES
    for row in range(fit.shape[0]):
        before[row] = weight
        weight *= kept[row]
        weight += even[row]
        weight *= likelihood[row]
        weight *= (1 - given[row]) / weight.sum(axis=1, keepdims=True)
        weight += back[row]
    short = np.where(is_row, before[..., 0] + before[..., 1], 0.0).cumsum(axis=0)
    return weight, before, short / np.maximum(is_row.cumsum(axis=0), 1)
