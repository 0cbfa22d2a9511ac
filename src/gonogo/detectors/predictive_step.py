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

from gonogo.detectors.predictive import RateRule
from gonogo.detectors.predictive_bets import (
    CELL,
    MASS_NATS_MIN,
    ROOM_SHARE,
    check_rows,
    rows_of,
)
from gonogo.detectors.predictive_null import null_from
from gonogo.detectors.predictive_state import TRAIL_MAX, Passed

if TYPE_CHECKING:
    from gonogo.detectors.predictive_state import RateState

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
    bets: list[Bet] = []
    check_rows(state.row, rule)
    held = list(zip(state.cell, state.row, state.mass_nats, strict=True))
    for cell, row, mass in held_bets(held, present, rows_of(rule)):
        log_bad, log_good = _gains(cell, row, shift, rule.deltas)
        joined = added_nats(log_start, mass) if cell == present else mass
        bets.append((cell, row, joined + (bad * log_bad + good * log_good - null_nats)))
    up, down = sides_nats(bets, len(rule.deltas))
    both = weighed_nats(up, down, rule.side_weights)
    if both >= rule.needed_nats:
        return None
    bets = pruned_bets(bets, present, MASS_NATS_MIN)
    cells, rows, masses = zip(*bets, strict=True) if bets else ((), (), ())
    trail = (*state.trail, Passed(stamp, bad, good, shift, null_nats, anchor))[-TRAIL_MAX:]
    later = replace(learned.keep(state), batches=state.batches + 1, trail=trail)
    later = replace(later, cell=cells, row=rows, mass_nats=masses)
    return Step(both, up, down, null_nats, anchor, later)


def held_bets(bets: Iterable[Bet], present: int | None, rows: Iterable[int]) -> list[Bet]:
    """The bets so far, and an empty one for each effect that has none at the present anchor."""
    held = list(bets)
    if present is not None:
        known = {row for cell, row, _ in held if cell == present}
        held += [(present, row, -math.inf) for row in rows if row not in known]
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
    delta = deltas[row % len(deltas)]
    if row < len(deltas):
        rate = min(anchor + delta, anchor + ROOM_SHARE * (1 - anchor))
    else:
        rate = max(anchor - delta, (1 - ROOM_SHARE) * anchor)
    return math.log(rate), math.log1p(-rate)


def sides_nats(bets: list[Bet], effects: int) -> tuple[float, float]:
    """Evidence for "rose" and for "fell": see `side_nats`."""
    up = summed_nats([mass for _, row, mass in bets if row < effects])
    down = summed_nats([mass for _, row, mass in bets if row >= effects])
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
