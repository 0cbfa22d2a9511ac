"""A metric's histograms, brought to the scale of its baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.values.ranks import (
    TIE_SHARE,
    RankScores,
    ScoreSums,
    SparseRows,
    atoms_of,
    cuts_of,
    rank_scores,
)
from gonogo.errors import NotEnoughData

# Below this share of the baseline, what is not one of the heavy values is too thin to rank.
_REST_SHARE_MIN = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class ValueSums:
    """Sums of histograms on a `ValueScale`: all that evidence depends on.

    `n`: values of each batch, shape (batches,). `atoms`: those of each heavy value, or above each cut,
    shape (atoms + cuts, batches). `scores`: of all others.
    """

    n: Floats
    atoms: Floats
    scores: ScoreSums

    def then(self, later: ValueSums) -> ValueSums:
        """These sums followed by those of later batches on the same scale."""
        mine, others = self.scores, later.scores
        return ValueSums(
            np.concatenate((self.n, later.n)),
            np.concatenate((self.atoms, later.atoms), axis=1),
            ScoreSums(
                np.concatenate((mine.n, others.n)),
                np.concatenate((mine.total, others.total)),
                np.concatenate((mine.squares, others.squares)),
            ),
        )

    def since(self, first: int) -> ValueSums:
        """The batches from one on."""
        n, total, squares = self.scores.n, self.scores.total, self.scores.squares
        scores = ScoreSums(n[first:], total[first:], squares[first:])
        return ValueSums(self.n[first:], self.atoms[:, first:], scores)


@dataclass(frozen=True, slots=True, eq=False)
class ValueScale:
    """The scale on which a baseline puts a metric's values; made by `value_scale`.

    `atoms`: bins that hold more than a fifth of it each, ascending. `ranks`: of all other values;
    None where they are too few. `cuts`: where values are discrete, bins above which shares are followed,
    instead of the other two.
    """

    atoms: tuple[int, ...]
    ranks: RankScores | None
    cuts: tuple[int, ...] = ()

    def sums(self, histogram: SparseRows) -> ValueSums:
        """Sum up batches, each by itself.

        Raises:
            DataError: the histogram is malformed.
        """
        data = histogram.checked()
        atoms = np.zeros((len(self.atoms) + len(self.cuts), data.rows))
        for at, atom in enumerate(self.atoms):
            atoms[at] = data.share(atom)
        for at, cut in enumerate(self.cuts, len(self.atoms)):
            atoms[at] = data.above(cut)
        none = np.zeros(data.rows)
        rest = data.without(self.atoms)
        scores = ScoreSums(none, none, none) if self.ranks is None else self.ranks.sums(rest)
        return ValueSums(data.sizes(), atoms, scores)


def value_scale(baseline: SparseRows) -> ValueScale:
    """Learn from a baseline's histograms which values are heavy, and the ranks of all others.

    Raises:
        NotEnoughData: the baseline holds no value.
        DataError: the histogram is malformed.
    """
    first = baseline.checked()
    total = float(first.counts.sum())
    if total == 0:
        raise NotEnoughData("The baseline has no value of this metric.")
    atoms = atoms_of(first.bins, first.counts)
    rest = first.without(atoms)
    ranked = not atoms or float(rest.counts.sum()) > _REST_SHARE_MIN * total
    is_discrete = ranked and bool(rest.counts.max() > TIE_SHARE * rest.counts.sum())
    cuts = cuts_of(first.bins, first.counts) if is_discrete else []
    if cuts:
        return ValueScale((), None, tuple(cuts))
    return ValueScale(tuple(atoms), rank_scores(rest.bins, rest.counts) if ranked else None)
