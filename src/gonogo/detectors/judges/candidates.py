"""Candidate changes of one rate, summed (the masses of a mixture Shiryaev-Roberts sum), and bets with a judge's grades.

As in `detectors/rate`, candidates with equal anchors bet alike for ever, so that one mass for each
anchor, side and effect carries them. Here starts may weigh more than one label: any weights that the
past chose are valid while their sum stays at or below the labels so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gonogo.detectors.arrays import Floats

CELL = 0.1
_CELLS_MAX = 64
_MASS_MIN = 1e-20
_ROOM_SHARE = 0.75
# How closely a start that knows the size of a change holds to it, in log sizes; the rest is spread alike.
_SIZE_SD = 0.4
_SIZED_SHARE = 0.8
# Bets are worked out on a grid of what they rest on: any bet that the past chose is valid.
_ODDS_STEP = 0.1
_RATIO_STEP = 0.25
_STEPS = 24
_TINY = 1e-9
# What was worked out, by an anchor's rates and the point of the grid: hours in a row rest on few points.
_BETS: dict[tuple[tuple[float, ...], tuple[int, int, int]], Floats] = {}
_BETS_MAX = 1 << 14

BadGivenJudge = tuple["Floats", "Floats"]


class LearnedRate:
    """A rate as its null learns it: Beta(1/2, 1/2) and what it has counted."""

    __slots__ = ("bad", "n")

    def __init__(self) -> None:
        self.bad, self.n = 0.0, 0.0

    @property
    def rate(self) -> float:
        """The chance that the next label is bad."""
        return (self.bad + 0.5) / (self.n + 1)

    @property
    def cell(self) -> int:
        """The rate's place on the grid of log-odds."""
        return round(math.log(self.rate / (1 - self.rate)) / CELL)

    def add(self, bad: float, n: float) -> None:
        """Count labels; what is counted of bad stays within them."""
        self.n += n
        self.bad = min(max(self.bad + bad, 0.0), self.n)

    def nats(self, bad: float, good: float) -> float:
        """Log chance of labels in one order."""
        a, b = self.bad + 0.5, self.n - self.bad + 0.5
        return (
            math.lgamma(a + bad)
            + math.lgamma(b + good)
            - math.lgamma(a + b + bad + good)
            - (math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))
        )


class Candidates:
    """Masses by anchor, side (0: rose, 1: fell) and effect; `rates` are what each bets on."""

    def __init__(self, deltas: tuple[float, ...]) -> None:
        self.deltas = np.array(deltas)
        self.cells: list[int] = []
        # `rates` of each cell as a key for what is worked out of them.
        self.bet_rates: list[tuple[float, ...]] = []
        self.mass: Floats = np.empty((0, 2, len(deltas)))
        self.rates: Floats = np.empty((0, 2, len(deltas)))

    @property
    def total(self) -> float:
        """The evidence."""
        return float(self.mass.sum())

    def side(self) -> int:
        """The side with more evidence."""
        return int(self.mass[:, 1].sum() > self.mass[:, 0].sum())

    def start(self, cell: int, amounts: tuple[float, float]) -> None:
        """Start candidates at an anchor, spread alike over the effects of each side."""
        at = self._place(cell)
        self.mass[at] += np.array(amounts)[:, None] / self.deltas.size

    def start_sized(self, cell: int, side: int, amount: float, size: float) -> None:
        """Start candidates on one side, most of them near a size of change."""
        at = self._place(cell)
        near = np.exp(-0.5 * (np.log(self.deltas / max(size, 1e-3)) / _SIZE_SD) ** 2)
        near = near / near.sum() if near.sum() > _MASS_MIN else np.full(near.shape, 1 / near.size)
        spread = (1 - _SIZED_SHARE) / self.deltas.size
        self.mass[at, side] += amount * (spread + _SIZED_SHARE * near)

    def weigh(self, nats: Floats) -> None:
        """Multiply every mass by a likelihood ratio; shape of `mass`, logarithms."""
        self.mass *= np.exp(np.minimum(nats, 300.0))
        if len(self.cells) > _CELLS_MAX:
            kept = np.flatnonzero(self.mass.sum(axis=(1, 2)) > _MASS_MIN)[-_CELLS_MAX:]
            self.cells = [self.cells[i] for i in kept]
            self.bet_rates = [self.bet_rates[i] for i in kept]
            self.mass, self.rates = self.mass[kept], self.rates[kept]

    def weigh_counts(self, bad: float, good: float, null_nats: float) -> None:
        """Weigh labels of one batch by their own rate against the null's."""
        self.weigh(bad * np.log(self.rates) + good * np.log1p(-self.rates) - null_nats)

    def mean_rates(self) -> tuple[float, float]:
        """Anchor and alternative, weighed by the evidence of the stronger side."""
        side = self.side()
        weight = self.mass[:, side]
        anchors = 1 / (1 + np.exp(-CELL * np.array(self.cells, dtype=float)))
        share = weight / max(weight.sum(), _MASS_MIN)
        return float(share.sum(axis=1) @ anchors), float((share * self.rates[:, side]).sum())

    def clear(self) -> None:
        """Forget every candidate."""
        self.cells, self.bet_rates = [], []
        self.mass, self.rates = self.mass[:0], self.rates[:0]

    def _place(self, cell: int) -> int:
        if cell in self.cells:
            return self.cells.index(cell)
        anchor = 1 / (1 + math.exp(-CELL * cell))
        up = np.minimum(anchor + self.deltas, anchor + _ROOM_SHARE * (1 - anchor))
        down = np.maximum(anchor - self.deltas, (1 - _ROOM_SHARE) * anchor)
        self.cells.append(cell)
        self.bet_rates.append((*up.tolist(), *down.tolist()))
        self.rates = np.concatenate([self.rates, np.stack([up, down])[None]])
        self.mass = np.concatenate([self.mass, np.zeros((1, 2, self.deltas.size))])
        return len(self.cells) - 1


# Bets on people's grades that use the judge's grades of the same calls, and need no trust in them.
#
# A label's likelihood ratio is replaced by  e(h, j) = 1 + lambda [(h - p) - beta (j - K/N)],  h a person's
# grade and j the judge's (1: bad), p the rate that the null expects, K of the hour's N calls judged bad.
# Since the mean of j - K/N is 0 for any judge where people see a random sample of the calls, the mean of
# e is 1 while the rate is p: a wrong lambda or beta costs power, and never a false alarm.
#
# The growth-optimal pair against "people's rate is q" is found from one number that tells how good the
# judge is, the odds ratio of the two grades: with it the margins q and c give a = P(h=1 | j=1) and
# b = P(h=1 | j=0), and among the laws of rate p with the judge's margin c the one nearest to that is
# x(a), x(b) below.
#
# Source: Waudby-Smith & Ramdas (2024) for betting on a mean; Angelopoulos et al., Prediction-powered
# inference (2023), arXiv:2301.09633, and its e-values, arXiv:2502.04294; Plackett (1965) for the 2 x 2 law.


def given_judge(bad: Floats, judged: float, odds_ratio: float) -> BadGivenJudge:
    """P(person says bad) where the judge says bad, and where it says good.

    Args:
        bad: Rates of bad by people, any shape.
        judged: Rate of bad by the judge.
        odds_ratio: Of the two grades; 1 where they know nothing of each other.

    Returns:
        Two arrays of the shape of `bad`.
    """
    excess = odds_ratio - 1
    if abs(excess) < _TINY:
        return bad + 0.0, bad + 0.0
    total = 1 + (bad + judged) * excess
    root = np.sqrt(total**2 - 4 * odds_ratio * excess * bad * judged)
    both = (total - root) / (2 * excess)
    return (
        np.clip(both / judged, _TINY, 1 - _TINY),
        np.clip((bad - both) / (1 - judged), _TINY, 1 - _TINY),
    )


def bets_against(
    rates: Sequence[tuple[float, ...]], null: float, judged: float, odds_ratio: float
) -> tuple[Floats, Floats]:
    """Growth-optimal lambda and beta against each of these rates of bad.

    Args:
        rates: Alternatives of people's rate of bad, within (0, 1): those of each anchor, as many.
        null: The rate that the null expects, within (0, 1).
        judged: The judge's rate of bad.
        odds_ratio: Of the two grades.

    Returns:
        Two arrays of shape (anchors, rates of each): right for values on a grid near those given.
    """
    grid = (
        round(_log_odds(null) / _ODDS_STEP),
        round(_log_odds(judged) / _ODDS_STEP),
        round(math.log(odds_ratio) / _RATIO_STEP),
    )
    new = [own for own in rates if (own, grid) not in _BETS]
    if new:
        if len(_BETS) > _BETS_MAX:
            _BETS.clear()
            new = list(rates)
        for own, found in zip(new, _solved(new, *grid), strict=True):
            _BETS[own, grid] = found
    both = np.array([_BETS[own, grid] for own in rates])
    return both[:, 0], both[:, 1]


def _log_odds(rate: float) -> float:
    return math.log(rate / (1 - rate))


def _solved(
    rates: Sequence[tuple[float, ...]], null_at: int, judged_at: int, ratio_at: int
) -> Floats:
    """Lambda and beta at a point of the grid, shape (anchors, 2, rates of each)."""
    null, judged = (1 / (1 + math.exp(-_ODDS_STEP * at)) for at in (null_at, judged_at))
    above, below = given_judge(np.array(rates), judged, math.exp(_RATIO_STEP * ratio_at))
    # The mean of x falls as lambda grows, and at the root the bet stays above 0: bisect between.
    low = np.full(above.shape, -1 / (1 - null))
    high = np.full(above.shape, 1 / null)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        mean = judged * _nearest(middle, above) + (1 - judged) * _nearest(middle, below)
        low, high = np.where(mean > null, middle, low), np.where(mean > null, high, middle)
    stake = (low + high) / 2
    return np.stack([stake, _nearest(stake, above) - _nearest(stake, below)], axis=1)


def _nearest(stake: Floats, rate: Floats) -> Floats:
    """The law with rate p that is nearest to the alternative: x of stake x^2 - (1 + stake) x + rate = 0."""
    stake = np.where(np.abs(stake) < _TINY, _TINY, stake)
    return ((1 + stake) - np.sqrt((1 + stake) ** 2 - 4 * stake * rate)) / (2 * stake)
