"""One batch of scores at a time, without numpy: see `predictive_step`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gonogo.detectors.rate.bets import OWN_LABELS_MIN, OWN_SHARE
from gonogo.detectors.rate.rate_step import (
    added_nats,
    held_bets,
    pruned_bets,
    sides_nats,
    weighed_nats,
)
from gonogo.detectors.rate.recovery import SHARE_OF_NEEDED
from gonogo.detectors.values.score_state import (
    CELL,
    MASS_NATS_MIN,
    OWN_LEAD_NATS,
    own_cell,
    own_nats,
    rows_of,
)

if TYPE_CHECKING:
    from gonogo.detectors.values.score_state import ScoreRule, ScoreState

__all__ = ["ScoreStep", "recovery_gain", "step_scores"]

_STEP_MIN = 0.05


@dataclass(frozen=True, slots=True)
class ScoreStep:
    """What stands after a batch; names as in `ScoreWatch`."""

    both: float
    up: float
    down: float
    mean: float
    state: ScoreState


def step_scores(
    state: ScoreState, count: float, total: float, squares: float, rule: ScoreRule
) -> ScoreStep | None:
    """Take one batch; None where an episode begins or ends with it, of which a run tells more."""
    log_start = math.log(count) if count > 0 else -math.inf
    n, total, squares = count / rule.dispersion, total / rule.dispersion, squares / rule.dispersion
    mean, later = state.total / state.n, state.n + n
    about = max(state.squares - state.total**2 / state.n, 1e-9 * state.n)
    if state.latched:
        present, fresh = None, 0.0
        null = about + squares - 2 * mean * total + n * mean**2
    else:
        present, fresh = round(mean / CELL), math.log(later / state.n) / 2
        null = state.squares + squares - (state.total + total) ** 2 / later
    log_null, half = math.log(max(null, about)), later / 2

    def gained(c: float) -> float:
        left = max(about + squares - 2 * c * total + c * c * n, about)  # but for rounding
        return fresh + half * (log_null - math.log(left))

    bets, effects = [], (*rule.deltas, *(-delta for delta in rule.deltas), 0.0, 0.0)
    own = None if present is None else own_cell(n, total, rule, mean=mean)
    if own is not None and gained(CELL * own[0]) < OWN_LEAD_NATS:
        own = None
    starts = _starts(log_start, n, rule)
    for cell, row, mass in held_bets(state.bets, present, rows_of(rule), own):
        is_own, joined = row >= 2 * len(rule.deltas), mass
        if (cell, row) == own or (cell == present and not is_own):
            joined = added_nats(starts[is_own], mass)
        bets.append((cell, row, joined + gained(CELL * cell + effects[row])))
    up, down = sides_nats(bets, len(rule.deltas))
    both = weighed_nats(up, down, (rule.weight_up, 1 - rule.weight_up))
    after = replace(state, batches=state.batches + 1, bets=tuple(bets))
    if present is None:
        slope, per_value = recovery_gain(state)
        gain = n * per_value - total * slope
        after = replace(after, recovery_nats=added_nats(log_start, state.recovery_nats) + gain)
        if after.recovery_nats >= math.log(rule.needed * SHARE_OF_NEEDED):
            return None
        return ScoreStep(both, up, down, mean, after)
    if both >= math.log(rule.needed):
        return None
    learned = replace(
        after,
        n=later,
        total=state.total + total,
        squares=state.squares + squares,
        bets=tuple(pruned_bets(bets, present, MASS_NATS_MIN)),
    )
    return ScoreStep(both, up, down, mean, learned)


def _starts(log_start: float, n: float, rule: ScoreRule) -> tuple[float, float]:
    """Log mass of new candidates on each effect, and on the batch's own mean."""
    share = math.log1p(-OWN_SHARE) if n >= OWN_LABELS_MIN else 0.0
    return log_start + share, log_start + own_nats(rule)


def recovery_gain(state: ScoreState) -> tuple[float, float]:
    """What the scores' sum takes from, and their count adds to, evidence that an episode is over.

    Against halfway back: nats for each unit of the sum, and for each value.
    """
    step = (state.after - state.before) / 2
    step = math.copysign(max(abs(step), _STEP_MIN), step)
    mean = state.total / state.n
    variance = max(state.squares / state.n - mean**2, 1e-9)
    return step / variance, (step**2 + 2 * step * state.before) / (2 * variance)
