"""Real values of any shape as normal scores of their rank in a baseline, from histograms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints, check_vector
from gonogo.errors import DataError, NotEnoughData

# Ranks beyond the baseline's extremes say "extreme", not how extreme.
SCORE_MAX = 3.5
# One value that holds more than this share of the baseline is followed as a rate of its own.
ATOM_SHARE = 0.2
# From this share of ties on, values count as discrete, and are followed by shares above cuts.
TIE_SHARE = 0.1
CUT_SHARES = (0.9, 0.7, 0.5, 0.3, 0.1)
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Histograms of successive batches: `counts[i]` values in bin `bins[i]` of batch `row[i]`."""

    rows: int
    row: Ints
    bins: Ints
    counts: Floats

    def checked(self) -> SparseRows:
        """A copy with float counts; raises DataError where shapes, rows or counts are wrong."""
        counts = check_vector("counts", self.counts)
        row, bins = np.array(self.row), np.array(self.bins)
        if not (row.dtype.kind == bins.dtype.kind == "i" or counts.size == 0):
            raise DataError("Rows and bins of a histogram are integers.")
        if not row.shape == bins.shape == counts.shape or (counts < 0).any():
            raise DataError("Rows, bins and counts need one shape, and counts of 0 or more.")
        if counts.size and not (row.min() >= 0 and row.max() < self.rows):
            raise DataError(f"A histogram row lies outside 0 to {self.rows - 1}.")
        return SparseRows(self.rows, row.astype(np.int64), bins.astype(np.int64), counts)

    def cut(self, first: int, last: int) -> SparseRows:
        """Batches `first <= row < last`, numbered from 0."""
        kept = (self.row >= first) & (self.row < last)
        return SparseRows(last - first, self.row[kept] - first, self.bins[kept], self.counts[kept])

    def without(self, bins: Iterable[int]) -> SparseRows:
        """The rows without the values of some bins."""
        kept = np.ones(len(self.bins), dtype=np.bool_)
        for place in bins:
            kept &= self.bins != place
        return SparseRows(self.rows, self.row[kept], self.bins[kept], self.counts[kept])

    def sizes(self) -> Floats:
        """Values in each batch, shape (rows,)."""
        return _per_row(self.row, self.counts, self.rows)

    def share(self, place: int) -> Floats:
        """Values in one bin in each batch, shape (rows,)."""
        inside = self.bins == place
        return _per_row(self.row[inside], self.counts[inside], self.rows)

    def above(self, place: int) -> Floats:
        """Values in bins above one in each batch, shape (rows,)."""
        higher = self.bins > place
        return _per_row(self.row[higher], self.counts[higher], self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSums:
    """Count, sum and sum of squares of the scores of each batch; shapes (batches,)."""

    n: Floats
    total: Floats
    squares: Floats

    def less(self, expected: Floats) -> ScoreSums:
        """Scores less what was expected of each batch."""
        total = self.total - self.n * expected
        squares = self.squares - 2 * expected * self.total + self.n * expected**2
        return ScoreSums(self.n, total, np.maximum(squares, 0))


@dataclass(frozen=True, slots=True, eq=False)
class RankScores:
    """The score of a value in each bin; made by `rank_scores`. Shapes (bins,), `bins` ascending.

    Over the baseline the scores have mean 0 and variance 1. `below` is the count of baseline values
    below each bin, with the baseline's `size` at the end; `spread` what scores were divided by.
    """

    bins: Ints
    score: Floats
    below: Floats
    size: float
    spread: float

    def sums(self, histogram: SparseRows) -> ScoreSums:
        """The scores of each batch, summed."""
        at = np.searchsorted(self.bins, histogram.bins)
        inside = np.minimum(at, self.bins.size - 1)
        score = self.score[inside]
        strange = np.flatnonzero(self.bins[inside] != histogram.bins)
        if strange.size:
            places, back = np.unique(at[strange], return_inverse=True)
            found = np.array([_score(self.below[p], self.size) for p in places.tolist()])
            score[strange] = found[back] / self.spread
        rows, row = histogram.rows, histogram.row
        return ScoreSums(
            histogram.sizes(),
            _per_row(row, histogram.counts * score, rows),
            _per_row(row, histogram.counts * score**2, rows),
        )


def rank_scores(bins: ArrayLike, counts: ArrayLike) -> RankScores:
    """Learn ranks from a baseline's histogram.

    Values in one bin are ties: they share the mean of the part of the normal curve that the bin's
    ranks span, and scores are divided by their standard deviation. So a coarse histogram is told
    apart as well as its bins allow.

    Raises:
        NotEnoughData: the baseline holds no value.
        DataError: shapes differ, or a count is negative or not finite.

    Source: van der Waerden (1952) scores; ties by their conditional mean.
    """
    weight = check_vector("counts", counts)
    place = np.asarray(bins, dtype=np.int64)
    if place.shape != weight.shape or (weight < 0).any():
        raise DataError("Bins and counts need one shape, and counts of 0 or more.")
    distinct, back = np.unique(place[weight > 0], return_inverse=True)
    if distinct.size == 0:
        raise NotEnoughData("The baseline has no value of this metric.")
    count = np.bincount(back, weights=weight[weight > 0])
    below = np.concatenate(([0.0], np.cumsum(count)))
    size = float(below[-1])
    score = np.array([_mean(low, high) for low, high in zip(*_cuts(below, size), strict=True)])
    spread = math.sqrt(float(count @ score**2) / size)
    return RankScores(distinct, score / (spread or 1.0), below, size, spread or 1.0)


def atoms_of(bins: ArrayLike, counts: ArrayLike) -> list[int]:
    """Bins that hold more than a fifth of the baseline each, ascending."""
    place, weight = np.asarray(bins, dtype=np.int64), np.asarray(counts, dtype=np.float64)
    distinct, back = np.unique(place, return_inverse=True)
    total = np.bincount(back, weights=weight, minlength=distinct.size)
    heavy: list[int] = distinct[total > ATOM_SHARE * weight.sum()].tolist()
    return heavy


def cuts_of(bins: ArrayLike, counts: ArrayLike) -> list[int]:
    """Bins above which lie shares of values worth following, at most five, ascending.

    Empty where the values are continuous: no bin holds more than a tenth of them. Scores of few
    distinct values are skewed lumps to which the normal law of `reals` does not apply (a value that one
    in twenty has scores 4.4, and a bet on it gains 50 % a value where nothing changed): .15 of healthy
    counts, stars and 0 or 1 alarmed falsely in 60 days, where .04 is promised. The share of values
    above a cut is a rate, exact for any law.
    """
    place, weight = np.asarray(bins, dtype=np.int64), np.asarray(counts, dtype=np.float64)
    distinct, back = np.unique(place[weight > 0], return_inverse=True)
    count = np.bincount(back, weights=weight[weight > 0])
    if len(distinct) < 2 or count.max() <= TIE_SHARE * count.sum():  # noqa: PLR2004
        return []
    share = 1 - np.cumsum(count)[:-1] / count.sum()
    nearest = {int(np.abs(share - wanted).argmin()) for wanted in CUT_SHARES}
    return [int(distinct[at]) for at in sorted(nearest)]


def _cuts(below: Floats, size: float) -> tuple[list[float], list[float]]:
    """Each bin's span of the normal curve; the ends stop where a rank cannot be told."""
    inner = [_NORMAL.inv_cdf(b / size) for b in below[1:-1].tolist()]
    return [-math.inf, *inner], [*inner, math.inf]


def _mean(low: float, high: float) -> float:
    """Mean of a normal variable between two points, clipped."""
    mass = _NORMAL.cdf(high) - _NORMAL.cdf(low)
    if mass < 1e-12:  # noqa: PLR2004 - a span without width is a point
        return min(max(low, -SCORE_MAX), SCORE_MAX)
    f_low, f_high = (_NORMAL.pdf(z) if math.isfinite(z) else 0.0 for z in (low, high))
    return min(max((f_low - f_high) / mass, -SCORE_MAX), SCORE_MAX)


def _score(below: float, size: float) -> float:
    return min(max(_NORMAL.inv_cdf((below + 0.5) / (size + 1)), -SCORE_MAX), SCORE_MAX)


def _per_row(row: Ints, values: Floats, rows: int) -> Floats:
    summed: Floats = np.bincount(row, weights=values, minlength=rows).astype(np.float64)
    return summed
