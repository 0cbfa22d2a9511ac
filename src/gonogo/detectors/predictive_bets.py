"""Candidate changes, merged where they bet the same way.

A candidate that starts at a label bets, from then on, on the rate estimated there plus or minus a
few effect sizes. Rounded to a grid of log-odds, candidates with equal anchors bet alike for ever,
so that one mass for each anchor and effect carries all of them without loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.checks import Floats, Ints
from gonogo.detectors.predictive import RateRule, from_log_odds
from gonogo.detectors.recovery import accumulate_starts
from gonogo.errors import DataError

CELL = 0.1
BETS_MAX = 256
# Far below the mass of one fresh label. What is dropped only lowers the evidence.
MASS_NATS_MIN = math.log(1e-9)
# An effect larger than the room left is cut to this share of it.
ROOM_SHARE = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """A run of batches in independent labels' worth. Arrays have shape (n,).

    `offset` has shape (n,), or (1,) where all batches are expected alike.
    """

    log_starts: Floats
    bad: Floats
    good: Floats
    offset: Floats
    null_nats: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """Live candidates. Arrays have shape (bets,).

    Attributes:
        cell: Anchor, log-odds in steps of CELL.
        row: Index of the effect: the rule's deltas upwards, then the same downwards.
        nats: Log of the mass that bets so.
    """

    cell: Ints
    row: Ints
    nats: Floats

    def joined(self, present: Ints, rule: RateRule) -> Bets:
        """With an empty bet for each present anchor and effect that has none yet."""
        rows = rows_of(rule)
        known = set(zip(self.cell.tolist(), self.row.tolist(), strict=True))
        new = [(c, r) for c in cells_of(present) for r in rows if (c, r) not in known]
        if not new:
            return self
        fresh = np.array(new, dtype=np.int64).reshape(-1, 2)
        return Bets(
            np.concatenate((self.cell, fresh[:, 0])),
            np.concatenate((self.row, fresh[:, 1])),
            np.concatenate((self.nats, np.full(len(fresh), -math.inf))),
        )

    def evolve(self, batches: Batches, present: Ints | None, rule: RateRule) -> Floats:
        """Log mass of every bet after each batch, shape (bets, n).

        Args:
            batches: What was seen.
            present: Anchor cell at which each batch's candidates start, shape (n,), each with all
                its bets here; None where none start.
            rule: What is bet on.
        """
        rate = self.rates(rule, batches.offset)
        if rate.shape[1] == 1:
            # The rates are the same in every batch: summing up and weighing may change places.
            gains = np.hstack((np.log(rate), np.log1p(-rate), np.full_like(rate, -1.0)))
            walk = gains @ np.cumsum((batches.bad, batches.good, batches.null_nats), axis=1)
        else:
            walk = batches.bad * np.log(rate)
            walk += batches.good * np.log1p(-rate)
            walk -= batches.null_nats
            np.cumsum(walk, axis=-1, out=walk)
        waiting = np.ones(len(self.cell), dtype=np.bool_)
        for cell in cells_of(present):
            mine = self.cell == cell
            waiting &= ~mine
            starts = np.where(present == cell, batches.log_starts, -math.inf)
            walk[mine] = accumulate_starts(walk[mine], starts, self.nats[mine])
        walk[waiting] += self.nats[waiting, None]
        return walk

    def rates(self, rule: RateRule, offset: Floats) -> Floats:
        """What each bet says the rate is, shape (bets, *offset.shape), fractions."""
        anchor = from_log_odds(CELL * self.cell[:, None] + offset)
        deltas = np.array(rule.deltas)
        delta = deltas[self.row % len(deltas), None]
        rises = self.row[:, None] < len(deltas)
        up = np.minimum(anchor + delta, anchor + ROOM_SHARE * (1 - anchor))
        down = np.maximum(anchor - delta, (1 - ROOM_SHARE) * anchor)
        rates: Floats = np.where(rises, up, down)
        return rates

    def pruned(self, keep: int) -> Bets:
        """Without the bets that no longer matter; cell `keep` stays whole."""
        rank = np.where(self.cell == keep, math.inf, self.nats)
        order = np.argsort(-rank, kind="stable")[:BETS_MAX]
        order = np.sort(order[rank[order] > MASS_NATS_MIN])
        return Bets(self.cell[order], self.row[order], self.nats[order])


def cells_of(present: Ints | None) -> list[int]:
    """The anchor cells at which candidates start, ascending."""
    return [] if present is None else sorted(set(present.tolist()))


def rows_of(rule: RateRule) -> range:
    """The effects that a rule bets on: a side of weight zero has none."""
    count = len(rule.deltas)
    weight_up, weight_down = rule.side_weights
    return range(0 if weight_up > 0 else count, 2 * count if weight_down > 0 else count)


def check_rows(rows: Iterable[int], rule: RateRule) -> None:
    """Refuse bets that the rule does not make; raises DataError."""
    if not set(rows) <= set(rows_of(rule)):
        raise DataError(f"The state bets on rows {sorted(set(rows))}, the rule does not.")


def side_nats(bets: Bets, mass: Floats, rule: RateRule) -> tuple[Floats, Floats]:
    """Evidence for "rose" and for "fell" from log masses of shape (bets, n): two of shape (n,)."""
    count = len(rule.deltas)
    up = _log_sum(mass[bets.row < count]) - math.log(count)
    down = _log_sum(mass[bets.row >= count]) - math.log(count)
    return up, down


def _log_sum(mass: Floats) -> Floats:
    top: Floats = np.maximum.reduce(mass, axis=0, initial=-math.inf)
    finite = np.where(np.isfinite(top), top, 0.0)
    share = mass - finite
    np.exp(share, out=share)
    total: Floats = np.log(share.sum(axis=0)) + finite
    return total
