"""The rate detector's rule, and the bets on changes that it makes.

The construction is a predictive mixture Shiryaev-Roberts procedure. The null is "labels are
exchangeable, with one unknown rate"; its Beta(1/2, 1/2) predictive is learned from every label so
far. At each label a candidate change starts, whose alternative is the rate estimated there plus a
few effect sizes, and which does not follow the stream afterwards. Evidence is the sum of the
candidates' likelihood ratios. Shiryaev (1963); Roberts (1966); Shin, Ramdas & Rinaldo (2023),
arXiv:2203.03532 for sums of e-processes.

Candidates are merged where they bet the same way. One that starts at a label bets, from then on, on
the rate estimated there plus or minus a few effect sizes. Rounded to a grid of log-odds, candidates with equal anchors bet alike for ever,
so that one mass for each anchor and effect carries all of them without loss.

A candidate whose first batch is large and speaks for a change also bets on that batch's own rate: the
effects end at some .12, and the null learns a collapse within the batch (900 labels at .05, then 2,000
bad in one hour: log10 evidence below 0 without it, and 686 with it). Its law before the batch is uniform over the
cells; only the cell nearest to what was seen is kept, and only where it gains, which lowers evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints, check_fractions, check_positive
from gonogo.detectors.log_space import accumulate_starts, from_log_odds
from gonogo.errors import DataError, ParameterError

# In units of the smallest effect that matters: from under half of it to beyond it, and five times it.
# The large one is for a short past: the null learns a fall from .20 to .50 bad faster than a bet of .12
# can win. After 100 labels such a fall is found in 1.00 of streams with it and in .42 without, and after
# 2,000 a fall of .05 is found 3 % later (benchmarks/short_past.py).
EFFECT_SPREAD = (0.4, 0.6, 0.9, 1.6, 5.0)
# Without a large one, for evidence whose episodes end halfway back from the bet that won.
NEAR_SPREAD = (0.4, 0.6, 0.9, 1.4, 2.4)
DEFAULT_EFFECT = 0.05
DAYS_A_YEAR = 365.25
DELTAS_MAX = 8
# Where an effect ends that would leave the room that rates have.
DELTA_MAX = 0.9
# Anchors of bets, in log-odds.
CELL = 0.1
BETS_MAX = 256
# Far below the mass of one fresh label. What is dropped only lowers the evidence.
MASS_NATS_MIN = math.log(1e-9)
# A candidate's share for a rate of its own, and the cells of log-odds it is spread over; in batches of
# so many labels' worth, for in fewer the null learns too little to hide a collapse.
OWN_SHARE = 0.1
_OWN_CELLS = 140
OWN_LABELS_MIN = 32.0
# What the first batch must gain by itself: few healthy batches do, so that it costs no time.
OWN_NATS_MIN = 3.0
# Rates at the edge of what a null on a grid can say are where bets end as well: beyond, a stream that is
# always good or always bad would be outbid by any bet, label by label.
ODDS_MAX = 7.0
# An effect larger than the room left is cut to this share of it.
ROOM_SHARE = 0.75
# What the candidates around the true start add to its evidence, less the cost of sharing it over
# effects; measured, as is the share found that it leads to (tests/simulation).
NEIGHBOURS_NATS = 3.0
# Standard normal quantile of nine in ten.
FOUND_SD = 1.28
# To a millionth of a rate point.
BISECTIONS = 20


def deltas_for(min_effect: float, spread: tuple[float, ...] = EFFECT_SPREAD) -> tuple[float, ...]:
    """Effect sizes to bet on, rate points: around the smallest change that matters to the user."""
    check_fractions(min_effect=min_effect)
    return tuple(min(times * min_effect, DELTA_MAX) for times in spread)


def needed_for(*, labels_per_day: float, false_alarms_per_year: float) -> float:
    """Evidence at which to alarm: the labels between two false alarms at that volume.

    Raises:
        ParameterError: A value is not finite and positive.
    """
    check_positive(labels_per_day=labels_per_day, false_alarms_per_year=false_alarms_per_year)
    return max(labels_per_day * DAYS_A_YEAR / false_alarms_per_year, 1.0)


@dataclass(frozen=True, slots=True)
class RateRule:
    """The changes looked for in a rate of bad outcomes, and the evidence at which one is found.

    Attributes:
        needed: Evidence at which to alarm. Over exchangeable labels the expected number of false
            alarms in n labels is at most n / needed, however often it is looked at.
        deltas: Changes to bet on, rate points above zero, ascending.
        weight_up: Weight of "the bad rate rose"; "it fell" has the rest. 1 looks one way only.
            Most of it goes to what harms: at even weights a rise takes about a tenth longer.
        dispersion: Labels that carry one independent label's information; 1 or more.
        declared: Known rate that is held against the stream; None learns it. Only a rate worse
            (higher) than declared is then a change.

    Raises:
        ParameterError: A value is out of its range.
    """

    needed: float
    deltas: tuple[float, ...] = deltas_for(DEFAULT_EFFECT)
    weight_up: float = 0.9
    dispersion: float = 1.0
    declared: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.needed) and self.needed >= 1):
            raise ParameterError(f"needed = {self.needed!r} is not a finite number of 1 or more.")
        if not 0 < len(self.deltas) <= DELTAS_MAX:
            raise ParameterError(f"{len(self.deltas)} deltas; give 1 to {DELTAS_MAX}.")
        for delta in self.deltas:
            check_fractions(delta=delta)
        if not 0 <= self.weight_up <= 1:
            raise ParameterError(f"weight_up = {self.weight_up!r} is not a fraction in [0, 1].")
        if not (math.isfinite(self.dispersion) and self.dispersion >= 1):
            raise ParameterError(f"dispersion = {self.dispersion!r} is not 1 or more.")
        if self.declared is not None:
            check_fractions(declared=self.declared)

    @property
    def needed_nats(self) -> float:
        """The logarithm of `needed`."""
        return math.log(self.needed)

    @property
    def effect(self) -> float:
        """The smallest change that matters, rate points: what the deltas lie around."""
        middle = len(self.deltas) // 2
        return self.deltas[middle] / EFFECT_SPREAD[len(EFFECT_SPREAD) // 2]

    @property
    def side_weights(self) -> tuple[float, float]:
        """Weights of "the bad rate rose" and "the bad rate fell"; they sum to 1."""
        if self.declared is not None:
            return 1.0, 0.0
        return self.weight_up, 1 - self.weight_up


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

    @property
    def effect_starts(self) -> Floats:
        """Log mass with which each effect's candidates start."""
        is_large = self.bad + self.good >= OWN_LABELS_MIN
        return np.where(is_large, self.log_starts + math.log1p(-OWN_SHARE), self.log_starts)


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """Live candidates. Arrays have shape (bets,).

    Attributes:
        cell: Anchor, log-odds in steps of CELL.
        row: Index of the effect: the rule's deltas upwards, the same downwards, then a rate of its
            own, which is the cell itself, above and below.
        nats: Log of the mass that bets so.
    """

    cell: Ints
    row: Ints
    nats: Floats

    def joined(self, present: Ints, own: OwnCells, rule: RateRule) -> Bets:
        """Add an empty bet for each present anchor and effect, and for each own rate, that has none yet."""
        rows = rows_of(rule)
        known = set(zip(self.cell.tolist(), self.row.tolist(), strict=True))
        wanted = [(c, r) for c in cells_of(present) for r in rows]
        wanted += [(c, r) for r, cells in own.items() for c in cells_of(cells) if c != NO_CELL]
        new = [key for key in wanted if key not in known]
        if not new:
            return self
        fresh = np.array(new, dtype=np.int64).reshape(-1, 2)
        return Bets(
            np.concatenate((self.cell, fresh[:, 0])),
            np.concatenate((self.row, fresh[:, 1])),
            np.concatenate((self.nats, np.full(len(fresh), -math.inf))),
        )

    def evolve(
        self, batches: Batches, present: Ints | None, own: OwnCells, rule: RateRule
    ) -> Floats:
        """Log mass of every bet after each batch, shape (bets, n).

        Args:
            batches: What was seen.
            present: Anchor cell at which each batch's candidates start, shape (n,), each with all
                its bets here; None where none start.
            own: Of `own_cells`.
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
        effect_starts = batches.effect_starts
        for cell in cells_of(present):
            mine = (self.cell == cell) & (self.row < 2 * len(rule.deltas))
            waiting &= ~mine
            starts = np.where(present == cell, effect_starts, -math.inf)
            walk[mine] = accumulate_starts(walk[mine], starts, self.nats[mine])
        for row, cells in own.items():
            for cell in cells_of(cells):
                mine = (self.cell == cell) & (self.row == row)
                waiting &= ~mine
                starts = np.where(cells == cell, batches.log_starts + own_nats(rule), -math.inf)
                walk[mine] = accumulate_starts(walk[mine], starts, self.nats[mine])
        walk[waiting] += self.nats[waiting, None]
        return walk

    def rates(self, rule: RateRule, offset: Floats) -> Floats:
        """The rate that each bet is on, shape (bets, *offset.shape), fractions."""
        anchor = from_log_odds(CELL * self.cell[:, None] + offset)
        deltas = np.array(rule.deltas)
        delta = deltas[self.row % len(deltas), None]
        up = np.minimum(anchor + delta, anchor + ROOM_SHARE * (1 - anchor))
        down = np.maximum(anchor - delta, (1 - ROOM_SHARE) * anchor)
        kind = self.row[:, None] // len(deltas)
        rates: Floats = np.where(kind == 0, up, np.where(kind == 1, down, anchor))
        return _within(rates, offset)

    def pruned(self, keep: int) -> Bets:
        """Drop the bets that no longer matter; cell `keep` stays whole."""
        rank = np.where(self.cell == keep, math.inf, self.nats)
        order = np.argsort(-rank, kind="stable")[:BETS_MAX]
        order = np.sort(order[rank[order] > MASS_NATS_MIN])
        return Bets(self.cell[order], self.row[order], self.nats[order])


OwnCells = dict[int, Ints]
# Of a batch without one.
NO_CELL = -(2**15)


def _within(rates: Floats, offset: Floats) -> Floats:
    low, high = from_log_odds(np.stack((offset - ODDS_MAX, offset + ODDS_MAX)))
    return np.clip(rates, low, high)


def own_nats(rule: RateRule) -> float:
    """Log mass that a candidate's one cell of own rates has for each label, in bets on effects."""
    return math.log(OWN_SHARE * len(rule.deltas) / _OWN_CELLS)


def own_cells(batches: Batches, present: Ints | None, rule: RateRule) -> OwnCells:
    """The cell of each batch's own rate, where it gains enough; by row, shape (n,) each."""
    if present is None:
        return {}
    bad, good, count = batches.bad, batches.good, len(rule.deltas)
    cell = np.rint((np.log((bad + 0.5) / (good + 0.5)) - batches.offset) / CELL).astype(np.int64)
    rate = _within(from_log_odds(CELL * cell + batches.offset), batches.offset)
    gains = bad * np.log(rate) + good * np.log1p(-rate) - batches.null_nats >= OWN_NATS_MIN
    gains &= bad + good >= OWN_LABELS_MIN
    weight_up, weight_down = rule.side_weights
    return {
        row: np.where(mine, cell, NO_CELL)
        for row, weight, mine in (
            (2 * count, weight_up, gains & (cell > present)),
            (2 * count + 1, weight_down, gains & (cell < present)),
        )
        if weight > 0 and mine.any()
    }


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
    count = len(rule.deltas)
    if not set(rows) <= {*rows_of(rule), 2 * count, 2 * count + 1}:
        raise DataError(f"The state bets on rows {sorted(set(rows))}, the rule does not.")


def side_nats(bets: Bets, mass: Floats, rule: RateRule) -> tuple[Floats, Floats]:
    """Evidence for "rose" and for "fell" from log masses of shape (bets, n): two of shape (n,)."""
    rises = rises_of(bets.row, rule)
    share = math.log(len(rule.deltas))
    return _log_sum(mass[rises]) - share, _log_sum(mass[~rises]) - share


def rises_of(row: Ints, rule: RateRule) -> NDArray[np.bool_]:
    """A mask of the effects that are upwards."""
    count = len(rule.deltas)
    rises: NDArray[np.bool_] = (row < count) | (row == 2 * count)
    return rises


def _log_sum(mass: Floats) -> Floats:
    top: Floats = np.maximum.reduce(mass, axis=0, initial=-math.inf)
    finite = np.where(np.isfinite(top), top, 0.0)
    share = mass - finite
    np.exp(share, out=share)
    total: Floats = np.log(share.sum(axis=0)) + finite
    return total


def detectable_now(
    *, before: float, since: float, rate: float, rule: RateRule, rises: bool = True
) -> float | None:
    """The smallest change that this much data would have shown nine times in ten.

    Args:
        before: Labels before the period that is asked about.
        since: Labels in it; the change is thought to have begun with it.
        rate: Bad rate before it, fraction.
        rule: The rule that watches.
        rises: Whether to ask for a rise of the bad rate, or a fall.

    Returns:
        Rate points, above 0; None where not even the largest change possible would have shown.

    Raises:
        ParameterError: A count is negative or `rate` is not a fraction.
    """
    check_fractions(rate=rate)
    if not (before >= 0 and since >= 0):
        raise ParameterError(f"{before!r} and {since!r} labels; both must be 0 or more.")
    room = (1 - rate if rises else rate) * (1 - 1e-9)
    if not _shown(room, before, since, rate, rule, rises=rises):
        return None
    low, high = 0.0, room
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _shown(middle, before, since, rate, rule, rises=rises):
            high = middle
        else:
            low = middle
    return high


def _shown(
    change: float, before: float, since: float, rate: float, rule: RateRule, *, rises: bool
) -> bool:
    old, new = before / rule.dispersion, since / rule.dispersion
    after = rate + change if rises else rate - change
    pooled = rate if rule.declared is not None else (old * rate + new * after) / (old + new)
    nats = new * _divergence(after, pooled)
    if rule.declared is None:
        nats += old * _divergence(rate, pooled)
    slope = math.log(after / (1 - after)) - math.log(pooled / (1 - pooled))
    error = math.sqrt(new * after * (1 - after)) * abs(slope)
    weight = rule.side_weights[0 if rises else 1]
    if weight == 0:
        return False
    return nats - FOUND_SD * error >= rule.needed_nats - math.log(weight) - NEIGHBOURS_NATS


def _divergence(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
