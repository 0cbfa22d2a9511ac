"""Has the mix of traffic changed, or what happens within it: an exact split of a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import check_vector
from gonogo.errors import DataError, NotEnoughData

__all__ = ["MixSplit", "split_mix"]


@dataclass(frozen=True, slots=True, eq=False)
class MixSplit:
    """`total = mix + within`, in the metric's unit.

    `mix` is what other shares of traffic explain, `within` what changed inside the cells. `total`
    is that of the cells with values in both periods; `left_out` is the share of the later values
    that lie in cells the earlier period did not have.
    """

    total: float
    mix: float
    within: float
    left_out: float


def split_mix(
    n_before: ArrayLike, sum_before: ArrayLike, n_after: ArrayLike, sum_after: ArrayLike
) -> MixSplit:
    """Split the difference of two means over the cells of a partition.

    Args:
        n_before: Values of each cell in the earlier period, shape (cells,).
        sum_before: Their sums.
        n_after: Values of each cell in the later period.
        sum_after: Their sums.

    Raises:
        DataError: shapes differ, or a count is negative or not finite.
        NotEnoughData: no cell has values in both periods.

    Source: Kitagawa (1955), "Components of a difference between two rates", JASA 50.
    """
    n0, s0, n1, s1 = (
        check_vector(name, values)
        for name, values in (
            ("n_before", n_before),
            ("sum_before", sum_before),
            ("n_after", n_after),
            ("sum_after", sum_after),
        )
    )
    if not n0.shape == s0.shape == n1.shape == s1.shape or (n0 < 0).any() or (n1 < 0).any():
        raise DataError("Counts and sums of both periods need one shape and counts of 0 or more.")
    both = (n0 > 0) & (n1 > 0)
    if not both.any():
        raise NotEnoughData("No segment has values in both periods.")
    share0, share1 = (np.where(both, n, 0) / n[both].sum() for n in (n0, n1))
    mean0, mean1 = (
        np.divide(s, n, out=np.zeros_like(s), where=both) for s, n in ((s0, n0), (s1, n1))
    )
    mix = (share1 - share0) * (mean0 + mean1) / 2
    within = (share0 + share1) / 2 * (mean1 - mean0)
    return MixSplit(
        total=float(share1 @ mean1 - share0 @ mean0),
        mix=float(mix.sum()),
        within=float(within.sum()),
        left_out=float(n1[~both].sum() / n1.sum()),
    )
