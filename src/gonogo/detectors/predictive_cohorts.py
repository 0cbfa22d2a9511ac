"""Candidate changes, merged where they would bet the same way.

A candidate that starts at a label bets, from then on, on the rate estimated there plus or minus a
few effect sizes. Rounded to a grid of log-odds, candidates with equal anchors bet alike for ever,
so that one mass for each anchor and effect carries all of them without loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.checks import Floats, Ints
from gonogo.detectors.predictive import RateRule, from_log_odds
from gonogo.detectors.recovery import accumulate_starts

CELL = 0.1
COHORTS_MAX = 64
# Mass that a hundred years of labels cannot bring back to the threshold's notice.
MASS_NATS_MIN = math.log(1e-20)
# An effect larger than the room left is cut to this share of it.
ROOM_SHARE = 0.75


def alternative_rates(anchor: Floats, rule: RateRule) -> Floats:
    """The rates that are bet on from an anchor rate: shape (rows, *anchor.shape).

    Rows are the rule's deltas upwards, then downwards where the rule looks down at all.
    """
    up = [np.minimum(anchor + d, anchor + ROOM_SHARE * (1 - anchor)) for d in rule.deltas]
    down = [np.maximum(anchor - d, (1 - ROOM_SHARE) * anchor) for d in rule.deltas]
    weight_up, weight_down = rule.side_weights
    return np.array((up if weight_up > 0 else []) + (down if weight_down > 0 else []))


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
class Cohorts:
    """Live candidates: `cells` shape (cohorts,), log mass `nats` shape (cohorts, rows)."""

    cells: Ints
    nats: Floats

    def joined(self, present: Ints) -> Cohorts:
        """With an empty cohort for each present anchor that has none yet."""
        new = np.setdiff1d(present, self.cells)
        nats = np.full((len(new), self.nats.shape[1]), -math.inf)
        return Cohorts(np.concatenate((self.cells, new)), np.concatenate((self.nats, nats)))

    def evolve(self, batches: Batches, present: Ints | None, rule: RateRule) -> Floats:
        """Log mass of every cohort after each batch, shape (cohorts, rows, n).

        Args:
            batches: What was seen.
            present: Anchor cell at which each batch's candidates start, shape (n,), every one of
                them among `cells`; None where none start.
            rule: What is bet on.
        """
        anchor = from_log_odds(self.cells[:, None] * CELL + batches.offset)
        rates = np.moveaxis(alternative_rates(anchor, rule), 0, 1)
        steps = batches.bad * np.log(rates) + batches.good * np.log1p(-rates) - batches.null_nats
        walk: Floats = np.cumsum(steps, axis=-1, out=steps)
        starting = () if present is None else np.unique(present)
        for row, cell in enumerate(self.cells):
            if present is not None and cell in starting:
                starts = np.where(present == cell, batches.log_starts, -math.inf)
                walk[row] = accumulate_starts(walk[row], starts, self.nats[row])
            else:
                walk[row] += self.nats[row][:, None]
        return walk

    def pruned(self, keep: int | None) -> Cohorts:
        """Without cohorts whose mass no longer matters; the present anchor's is kept."""
        top = self.nats.max(axis=1, initial=-math.inf)
        top[self.cells == keep] = math.inf
        order = np.argsort(-top, kind="stable")[:COHORTS_MAX]
        order = np.sort(order[top[order] > MASS_NATS_MIN])
        return Cohorts(self.cells[order], self.nats[order])


def side_nats(mass: Floats, rule: RateRule) -> tuple[Floats, Floats]:
    """Evidence for "rose" and "fell" from log masses of shape (cohorts, rows, n): two of (n,)."""
    count = len(rule.deltas)
    weight_up, weight_down = rule.side_weights
    nothing = np.full(mass.shape[-1], -math.inf)
    up = _log_sum(mass[:, :count]) - math.log(count) if weight_up > 0 else nothing
    down = _log_sum(mass[:, -count:]) - math.log(count) if weight_down > 0 else nothing
    return up, down


def _log_sum(mass: Floats) -> Floats:
    rows = mass.reshape(-1, mass.shape[-1])
    if not len(rows):
        return np.full(mass.shape[-1], -math.inf)
    top = rows.max(axis=0)
    finite = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total: Floats = np.log(np.exp(rows - finite).sum(axis=0)) + finite
    return total
