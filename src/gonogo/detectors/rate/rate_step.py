"""One batch at a time: what `predictive_run` does to many, without numpy's price for each call.

A run takes its newest few batches so, and a new hour then costs tens of microseconds. Equal to a
`Run` over one batch but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from gonogo.detectors.rate.bets import (
    CELL,
    MASS_NATS_MIN,
    ODDS_MAX,
    OWN_LABELS_MIN,
    OWN_NATS_MIN,
    OWN_SHARE,
    ROOM_SHARE,
    check_rows,
    own_nats,
    rows_of,
)
from gonogo.detectors.rate.null import null_from
from gonogo.detectors.rate.rate_state import TRAIL_MAX, PastBatch
from gonogo.detectors.rate.rule import RateRule

if TYPE_CHECKING:
    from gonogo.detectors.rate.rate_state import RateState

__all__ = [
    "Step",
    "added_nats",
    "held_bets",
    "pruned_bets",
    "sides_nats",
    "step_rate",
    "summed_nats",
    "weighed_nats",
]

Bet = tuple[int, int, float]  # anchor in cells, row of the effect, log mass

# Few enough to step through; a run drops what no longer matters at the end of a longer piece.
BETS_MAX = 128


@dataclass(frozen=True, slots=True)
class Step:
    """What stands after a batch; names as in `RateWatch`."""

    both: float
    up: float
    down: float
    null_nats: float
    anchor: float
    state: RateState


def step_rate(
    state: RateState,
    labels: float,
    failures: float,
    rule: RateRule,
    offset: float | None,
    stamp: int,
) -> Step | None:
    """Take one batch; None during an episode and where one begins, of which a `Run` tells more."""
    if state.latched:
        return None
    bad, good = failures / rule.dispersion, (labels - failures) / rule.dispersion
    log_start, shift = math.log(labels) if labels > 0 else -math.inf, offset or 0.0
    null = null_from(state, rule, offsets=offset is not None)
    null_nats, anchor, learned = null.step(bad, good, shift)
    present = round(anchor / CELL)
    own = _own_bet(bad, good, shift, null_nats, present, rule)
    bets: list[Bet] = []
    check_rows(state.row, rule)
    held = list(zip(state.cell, state.row, state.mass_nats, strict=True))
    effects, effect_start = 2 * len(rule.deltas), log_start
    if bad + good >= OWN_LABELS_MIN:
        effect_start += math.log1p(-OWN_SHARE)
    for cell, row, mass in held_bets(held, present, rows_of(rule), own):
        log_bad, log_good = _gains(cell, row, shift, rule.deltas)
        joined = added_nats(effect_start, mass) if cell == present and row < effects else mass
        if (cell, row) == own:
            joined = added_nats(log_start + own_nats(rule), mass)
        bets.append((cell, row, joined + (bad * log_bad + good * log_good - null_nats)))
    up, down = sides_nats(bets, len(rule.deltas))
    both = weighed_nats(up, down, rule.side_weights)
    if both >= rule.needed_nats:
        return None
    bets = pruned_bets(bets, present, MASS_NATS_MIN)
    cells, rows, masses = zip(*bets, strict=True) if bets else ((), (), ())
    trail = (*state.trail, PastBatch(stamp, bad, good, shift, null_nats, anchor))[-TRAIL_MAX:]
    later = replace(learned.keep(state), batches=state.batches + 1, trail=trail)
    later = replace(later, cell=cells, row=rows, mass_nats=masses)
    return Step(both, up, down, null_nats, anchor, later)


def _own_bet(
    bad: float, good: float, shift: float, null_nats: float, present: int, rule: RateRule
) -> tuple[int, int] | None:
    """Cell and row of a batch's own rate, where it gains enough; see `own_cells`."""
    count = len(rule.deltas)
    if bad + good < OWN_LABELS_MIN:
        return None
    cell = round((math.log((bad + 0.5) / (good + 0.5)) - shift) / CELL)
    log_bad, log_good = _gains(cell, 2 * count, shift, rule.deltas)
    if bad * log_bad + good * log_good - null_nats < OWN_NATS_MIN:
        return None
    weight_up, weight_down = rule.side_weights
    if cell > present and weight_up > 0:
        return cell, 2 * count
    return (cell, 2 * count + 1) if cell < present and weight_down > 0 else None


def held_bets(
    bets: Iterable[Bet],
    present: int | None,
    rows: Iterable[int],
    own: tuple[int, int] | None = None,
) -> list[Bet]:
    """The bets so far, and an empty one for each effect that has none at the present anchor."""
    held = list(bets)
    known = {(cell, row) for cell, row, _ in held}
    if present is not None:
        held += [(present, row, -math.inf) for row in rows if (present, row) not in known]
    if own is not None and own not in known:
        held.append((*own, -math.inf))
    return held


def pruned_bets(bets: list[Bet], keep: int, least: float) -> list[Bet]:
    """Without the bets that no longer matter, where they have become many; `keep` stays whole."""
    if len(bets) <= BETS_MAX:
        return bets
    ranked = sorted(bets, key=lambda bet: -math.inf if bet[0] == keep else -bet[2])
    return [bet for bet in ranked[:BETS_MAX] if bet[0] == keep or bet[2] > least]


@lru_cache(maxsize=1 << 13)
def _gains(cell: int, row: int, offset: float, deltas: tuple[float, ...]) -> tuple[float, float]:
    """Logarithms of the rate that a bet is on, and of the rest; see `Bets.rates`."""
    anchor = 1 / (1 + math.exp(-(CELL * cell + offset)))
    delta, kind, rate = deltas[row % len(deltas)], row // len(deltas), anchor
    if kind == 0:
        rate = min(anchor + delta, anchor + ROOM_SHARE * (1 - anchor))
    elif kind == 1:
        rate = max(anchor - delta, (1 - ROOM_SHARE) * anchor)
    low, high = (1 / (1 + math.exp(edge - offset)) for edge in (ODDS_MAX, -ODDS_MAX))
    rate = min(max(rate, low), high)
    return math.log(rate), math.log1p(-rate)


def sides_nats(bets: list[Bet], effects: int) -> tuple[float, float]:
    """Evidence for "rose" and for "fell": see `bets.side_nats`."""
    up = summed_nats([mass for _, row, mass in bets if row < effects or row == 2 * effects])
    down = summed_nats(
        [mass for _, row, mass in bets if effects <= row < 2 * effects or row > 2 * effects]
    )
    return up - math.log(effects), down - math.log(effects)


def weighed_nats(up: float, down: float, weights: tuple[float, float]) -> float:
    """Evidence for any change, both sides weighed."""
    rose, fell = weights
    if fell == 0:
        return up
    if rose == 0:
        return down
    return added_nats(math.log(rose) + up, math.log(fell) + down)


def added_nats(one: float, other: float) -> float:
    """The logarithm of the sum of two masses."""
    low, high = (one, other) if one < other else (other, one)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def summed_nats(masses: list[float]) -> float:
    """The logarithm of the sum of masses."""
    top = max(masses, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(mass - top) for mass in masses))
