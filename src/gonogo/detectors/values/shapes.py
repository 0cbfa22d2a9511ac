"""The distance between two distributions, from histograms: effect sizes, and a test beside them.

A fixed threshold on an effect is wrong at both ends: a PSI of .2 is crossed by chance in four of
ten windows of 50 values, and never by a shift of .2 standard deviations in any number of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints
from gonogo.errors import DataError, NotEnoughData

GROUPS_MAX = 10
# Below it Pearson's statistic is larger by chance than chi-squared says.
_EXPECTED_MIN = 5.0


@dataclass(frozen=True, slots=True)
class ShapeChange:
    """The difference of a sample from a baseline.

    `psi`: population stability index over `groups` groups of about equal baseline counts.
    `w1_sd`: Wasserstein distance, in the baseline's standard deviations. `p_value`: of the PSI as
    chi-squared with groups - 1 degrees of freedom, one look; None where fewer than five values
    are expected in a group.
    """

    psi: float
    w1_sd: float
    groups: int
    p_value: float | None


def group_edges(bins: ArrayLike, counts: ArrayLike) -> Ints:
    """Cut a baseline's bins into up to ten groups of about equal counts.

    Returns:
        The last bin of each group but the last, ascending: shape (groups - 1,).

    Raises:
        NotEnoughData: the baseline holds no value.
    """
    place, weight = np.asarray(bins, dtype=np.int64), np.asarray(counts, dtype=np.float64)
    distinct, back = np.unique(place[weight > 0], return_inverse=True)
    if not distinct.size:
        raise NotEnoughData("The baseline has no value of this metric.")
    total = np.cumsum(np.bincount(back, weight[weight > 0]))
    groups = int(min(GROUPS_MAX, total[-1] // (2 * _EXPECTED_MIN) + 1))
    wanted = total[-1] * np.arange(1, groups) / groups
    # The cut nearest to each wanted share, so that one heavy bin does not empty its neighbours.
    after = np.minimum(np.searchsorted(total, wanted), distinct.size - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(total[before] - wanted) < np.abs(total[after] - wanted)
    cuts = np.unique(np.where(nearer, before, after))
    edges: Ints = distinct[cuts[cuts < distinct.size - 1]]
    return edges


def grouped(edges: Ints, row: ArrayLike, bins: ArrayLike, counts: ArrayLike, rows: int) -> Floats:
    """Counts of each row and group, shape (rows, groups)."""
    groups = len(edges) + 1
    at = np.searchsorted(edges, np.asarray(bins), side="left")
    flat = np.bincount(
        np.asarray(row, dtype=np.int64) * groups + at,
        np.asarray(counts, dtype=np.float64),
        minlength=rows * groups,
    )
    return flat.astype(np.float64).reshape(rows, groups)


def shape_change(
    bins: ArrayLike,
    values: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    *,
    dispersion: float = 1.0,
) -> ShapeChange:
    """Hold a sample's histogram against a baseline's.

    Args:
        bins: Bins in ascending order, shape (bins,), integers.
        values: The value that stands for each bin, shape (bins,), ascending.
        before: The baseline's counts, shape (bins,).
        after: The sample's counts, shape (bins,).
        dispersion: Values that carry one independent value's information, 1 or more.

    Raises:
        DataError: shapes differ, or a count is negative or not finite.
        NotEnoughData: one of the two holds no value.

    Source: Yurdakul & Naranjo (2020), "Statistical properties of the population stability index",
    for PSI nm / (n + m) as chi-squared.
    """
    place, centre = np.asarray(bins, dtype=np.int64), np.asarray(values, dtype=np.float64)
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if not place.shape == centre.shape == old.shape == new.shape or place.ndim != 1:
        raise DataError("Bins, values and counts need one shape.")
    if not all((np.isfinite(c) & (c >= 0)).all() for c in (old, new)):
        raise DataError("Counts need to be finite and 0 or more.")
    n, m = float(old.sum()), float(new.sum())
    if n == 0 or m == 0:
        raise NotEnoughData("Two distributions need a value each to be compared.")
    gap = np.cumsum(new / m - old / n)
    mean = float(old @ centre) / n
    sd = math.sqrt(max(float(old @ (centre - mean) ** 2) / n, 0.0))
    w1 = float(np.abs(gap[:-1]) @ np.diff(centre))
    edges = group_edges(place, old)
    zero = np.zeros(place.size, dtype=np.int64)
    first, second = (grouped(edges, zero, place, counts, 1)[0] for counts in (old, new))
    # Half a value in each group keeps an empty one finite.
    p, q = (c + 0.5 for c in (first, second))
    p, q = p / p.sum(), q / q.sum()
    psi = float(((q - p) * np.log(q / p)).sum())
    expected = min(float(first.min()), m * float(p.min())) / dispersion
    p_value = None
    if expected > _EXPECTED_MIN and len(p) > 1:
        p_value = chi2_tail(psi * n * m / (n + m) / dispersion, len(p) - 1)
    w1_sd = w1 / sd if sd else 0.0
    return ShapeChange(psi, w1_sd, len(p), p_value)


def chi2_tail(value: float, freedom: int) -> float:
    """P(chi-squared with `freedom` degrees of freedom >= value): finite sums, no library.

    Source: Abramowitz & Stegun (1964), 26.4.4 and 26.4.5.
    """
    half = value / 2
    if half <= 0:
        return 1.0
    if freedom % 2 == 0:
        term = total = math.exp(-half)
        for k in range(1, freedom // 2):
            term *= half / k
            total += term
        return min(total, 1.0)
    total = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for k in range(1, (freedom + 1) // 2):
        total += term
        term *= half / (k + 0.5)
    return min(total, 1.0)
