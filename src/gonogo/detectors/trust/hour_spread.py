"""The spread of single hours' chances around the average that the memories hold.

Nights that are worse, one of two providers, hours that hang together: the average over such hours
may be known to a point while the next call's chance is ten points off. What was said before each
hour is held against what came in it; what neither the chance of single calls nor the average's own
uncertainty explains is the variance between hours, and the interval of the next call is wider by it.

Source: the moment estimator of overdispersion, Kleinman, JASA 68 (1973), around a forecast.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats, Ints

# An hour so many standard deviations off is an outage, not how hours usually differ: the memories
# follow it, and it must not widen what is said for weeks.
_OUTLIER_SD = 3.0
_ROUNDS = 3
# Below so many standard errors, hours differ no more than by chance. Small, since what is missed leaves the
# interval too narrow by half, and what is found where nothing differs widens it by a tenth.
_SURE_SD = 0.5
# With few calls an hour the variance is not known to better than so much, and is left alone.
_ERROR_MAX = 0.002
_HOURS_MIN = 24
# Half a 90 % interval of a normal law, in standard deviations.
_Z90 = 1.645
_TINY = 1e-12


def hours_variance(chance: Floats, known: Floats, good: Ints, n: Ints) -> Floats:
    """Variance of an hour's chance around what was said before it, beyond what is explained.

    Args:
        chance: Shape (..., rows), the chance of good that was said before each hour.
        known: Shape (..., rows), the variance of what was said.
        good: Shape (..., rows), good calls of the hour.
        n: Shape (..., rows), calls of the hour; rows without a call change nothing.

    Returns:
        Shape (...), variances of a chance: 0 where hours differ no more than calls do by themselves,
        NaN where there are too few hours, or calls an hour, to tell.
    """
    calls = n.sum(axis=-1, keepdims=True)
    # What calls vary by themselves is told by the overall rate: what a short memory said may be so
    # near 1 that any failure would look like an hour of another kind.
    rate = good.sum(axis=-1, keepdims=True) / np.maximum(calls, 1)
    one_call = rate * (1 - rate)
    of_calls, pairs = n * one_call, (n * (n - 1)).astype(float)
    missed = (good - n * chance) ** 2
    # Of a binomial count: the variance of its squared distance from the mean.
    noise = 2 * of_calls**2 + of_calls * abs(1 - 6 * one_call)
    between, kept = np.zeros((*n.shape[:-1], 1)), pairs > 0
    told = error = by_known = between
    for _ in range(_ROUNDS):
        # E missed = of_calls + pairs (between + known), hours weighed by how well they tell it.
        expected = of_calls + pairs * (between + known)
        variance = noise + 2 * (expected**2 - of_calls**2)
        weight = np.where(kept, pairs / np.maximum(variance, _TINY), 0.0)
        told = (weight * pairs).sum(axis=-1, keepdims=True)
        by_known = (weight * pairs * known).sum(axis=-1, keepdims=True) / np.maximum(told, _TINY)
        excess = (weight * (missed - of_calls)).sum(axis=-1, keepdims=True)
        between = np.maximum(excess / np.maximum(told, _TINY) - by_known, 0.0)
        error = np.sqrt((weight**2 * noise).sum(axis=-1, keepdims=True)) / np.maximum(told, _TINY)
        limit = _OUTLIER_SD**2 * (of_calls + pairs * (between + known) + 1)
        kept = (pairs > 0) & (missed <= limit)
    enough = (n > 0).sum(axis=-1, keepdims=True) >= _HOURS_MIN
    is_known = (told > 0) & (error <= _ERROR_MAX) & enough
    differs = between > _SURE_SD * error
    # Where hours differ, the memories' own spread is mostly of the same origin, and a memory that
    # runs after a cycle does not know it: it is not taken off in the end.
    found: Floats = np.where(differs, between + by_known, 0.0)
    return np.where(is_known, found, np.nan)[..., 0]


def widened(rate: float, interval90: tuple[float, float], variance: float) -> tuple[float, float]:
    """The 90 % interval of one hour's rate, from that of the average and the variance of hours.

    Half-widths add as independent normal errors do; what would leave 0 to 1 stays at its end. A
    variance that is not known (NaN) leaves the interval of the average.
    """
    lower, upper = interval90
    hours = _Z90 * math.sqrt(variance) if variance > 0 else 0.0
    return (
        max(rate - math.hypot(rate - lower, hours), 0.0),
        min(rate + math.hypot(upper - rate, hours), 1.0),
    )
