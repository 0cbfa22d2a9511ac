"""Candidate changes of one rate, summed: the masses of a mixture Shiryaev-Roberts sum.

As in `detectors/rate`, candidates with equal anchors bet alike for ever, so that one mass for each
anchor, side and effect carries them. Here starts may weigh more than one label: any weights that the
past chose are valid while their sum stays at or below the labels so far.
"""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.arrays import Floats

CELL = 0.1
_CELLS_MAX = 64
_MASS_MIN = 1e-20
_ROOM_SHARE = 0.75
# How closely a start that knows the size of a change holds to it, in log sizes; the rest is spread alike.
_SIZE_SD = 0.4
_SIZED_SHARE = 0.8


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
