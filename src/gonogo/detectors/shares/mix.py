"""Has the mix of traffic changed, or what happens within it: a split of the difference of two means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import check_vector
from gonogo.errors import DataError, NotEnoughData

# Labels that a cell's two rates borrow of each other: one that has all but come or gone has not changed.
ALIKE_LABELS = 100.0


@dataclass(frozen=True, slots=True)
class MixSplit:
    """A mean's change, in the metric's unit, and the part of it that shifted shares of traffic make."""

    total: float
    mix: float

    @property
    def within(self) -> float:
        """The rest: what changed inside the cells."""
        return self.total - self.mix

    @property
    def explains(self) -> float:
        """The share of the move that the mix makes, in [0, 1]; 0 where nothing moved."""
        return min(max(self.mix / self.total, 0.0), 1.0) if self.total else 0.0


def split_mix(
    n_before: ArrayLike,
    sum_before: ArrayLike,
    n_after: ArrayLike,
    sum_after: ArrayLike,
    *,
    n_between: ArrayLike = 0.0,
    sum_between: ArrayLike = 0.0,
) -> MixSplit:
    """Split the difference of two means over the cells of a partition.

    A cell that the earlier period did not have came with the mean that it had between the two, where it
    had one: what it did since is within it. One that was never seen before, or is not seen any more,
    is mix alone.

    Args:
        n_before: Values of each cell in the earlier period, shape (cells,).
        sum_before: Their sums.
        n_after: Values of each cell in the later period.
        sum_after: Their sums.
        n_between: Values after the earlier and before the later period, which only such cells need.
        sum_between: Their sums.

    Raises:
        DataError: shapes differ, or a count is negative or not finite.
        NotEnoughData: one of the two periods has no values.

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
    if not (n0.any() and n1.any()):
        raise NotEnoughData("A mix needs values in both periods.")
    is_new = n0 == 0
    known_n, known_sum = np.where(is_new, n_between, n0), np.where(is_new, sum_between, s0)
    both = np.maximum(known_n + n1, 1e-9)
    alike = ALIKE_LABELS * (known_sum + s1) / both
    mean0, mean1 = (
        (known_sum + alike) / (known_n + ALIKE_LABELS),
        (s1 + alike) / (n1 + ALIKE_LABELS),
    )
    share0, share1 = n0 / n0.sum(), n1 / n1.sum()
    mean = np.where(is_new, mean0, (mean0 + mean1) / 2)
    return MixSplit(
        total=float(s1.sum() / n1.sum() - s0.sum() / n0.sum()),
        mix=float((share1 - share0) @ mean),
    )
