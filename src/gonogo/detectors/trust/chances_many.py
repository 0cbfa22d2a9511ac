"""The chances of many dependencies in one run: `detectors.trust` with a leading axis for each.

Every step is the recursion that `trust_path` unrolls, taken for all dependencies at once: rows are
aligned at their newest, and what is missing in front has no calls and changes nothing. A property
test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.trust.hour_spread import hours_variance
from gonogo.detectors.trust.mixture import BetaMixture
from gonogo.detectors.trust.prior import Prior
from gonogo.detectors.trust.score import (
    DECAY_PER_HOUR,
    FIXED_SHARE,
    MEMORIES,
    WEIGHED_ROWS_MAX,
    counted_as,
    log_fit,
    nested,
)

# Dependencies in one run: those with about as many rows, so that little of it is padding.
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """The calls of one dependency by hour, shapes (rows,): hours ascend, each has a call."""

    hour: Ints
    good: Ints
    n: Ints


def posteriors(
    batches: Sequence[Batches], priors: Sequence[Prior], *, now_hour: int
) -> BetaMixture:
    """What `trust.posterior` gives for each; every dependency has at least one row.

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
