"""Recovery: evidence that the old rate is back, after an alarm.

The detector's own evidence stays above its threshold for weeks after the trouble has passed, so
"evidence below the threshold" says nothing. Two sums watch for the end instead. Each holds "the
trouble ended at some hour since the alarm", with a prior over that hour, against "it still lasts":

    E <- (E + end) q / m        m: predictive of the bad level, learned since the onset
    W <- (W + end) q / p_near   p_near: the level nearest to the old rate that still counts as bad

q is the likelihood of an hour at the old rate p0. E decides when "bad" becomes "recovering": it
knows how bad the trouble was, so that a handful of good labels end an outage. W decides when it is
over: q / p_near falls with every bad label, so its mean is at most 1 at every level of p_near or
worse, and W plus the prior not yet used is a supermartingale from 1. By Ville (1939)
P(over, ever | level >= p_near) <= 1 / OVER_ODDS for each spell. Not covered: a p_near estimated too
high, as in a slow slide whose first weeks were learned as normal.

A fall back while recovering (E < 1) begins a spell again, at half the prior each time, and the end
is only believed once twice the quiet that went wrong has passed: what flaps is not called over.

Sources: Shin, Ramdas & Rinaldo (2023), arXiv:2203.03532; Saha & Ramdas (2025), arXiv:2502.06096.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.log_space import accumulate_starts

Side = Literal["up", "down"]

# Values, which have no recovery of two stages: evidence needed relative to an alarm.
SHARE_OF_NEEDED = 0.1

RECOVERING_NATS = math.log(20.0)  # odds for the way back at which "bad" becomes "recovering"
OVER_NATS = math.log(50.0)  # the same against the nearest bad level, at which it is over
# E is held to 10,000 (which only takes from it), so that an hour of trouble is enough to fall back.
END_NATS_MAX = math.log(1e4)
LEVELS = 48  # log-odds of the bad level, from p_near to
LEVEL_TOP = 8.0
LEVEL_SPAN_MIN = 2.0
# p_near lies half of what is surely lost above p0, within these shares of the smallest effect.
SURE_SE = 1.28
NEAREST_SHARE, FARTHEST_SHARE = 0.3, 1.0
# An alarm this soon, in hours, counts its hours in full; a later one picked them for looking bad.
SOON_HOURS = 3
# What a rate is expected to move by: half-normal prior of a change that was found slowly.
TYPICAL_CHANGE = 0.07
# The first and the last hour of a change are part normal: shares of the way from old to bad.
PARTS = np.arange(0.05, 1.0, 0.1)
RELAPSE_HOURS = 2.0
RELAPSES_MAX = 5
NEW_TROUBLE_HOURS = 24
# An hour so many times worse than the old rate is no quiet hour.
RESTLESS = 3.0
ROOM_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Batches, counted so that up is away from the old rate; arrays of shape (n,).

    `stamp` is their hour; `bad` and `good` are independent labels' worth; `offset` the log-odds
    that each is expected to lie above the stream's own.
    """

    stamp: Ints
    bad: Floats
    good: Floats
    offset: Floats

    def part(self, low: int, high: int | None = None) -> Hours:
        """The batches `low <= index < high`."""
        kept = slice(low, high)
        return Hours(self.stamp[kept], self.bad[kept], self.good[kept], self.offset[kept])

    def mirrored(self) -> Hours:
        """The batches with good and bad exchanged, for streams that recover downwards."""
        return Hours(self.stamp, self.good, self.bad, -self.offset)

    def nats(self, odds: Floats) -> Floats:
        """Log likelihood of each batch at each level, shape (n, levels)."""
        at = odds[None, :] + self.offset[:, None]
        gain: Floats = self.bad[:, None] * at - (self.bad + self.good)[:, None] * np.logaddexp(
            0, at
        )
        return gain


@dataclass(frozen=True, slots=True)
class Recovery:
    """An episode's way back, counted so that up is away from the old rate. Times are stamps.

    Attributes:
        old: Log-odds of the rate before the change, p0.
        near: Log-odds of the nearest level that still counts as bad, p_near.
        alarm_nats: Log weights of the bad levels at the alarm, shape (LEVELS,).
        level_nats: The same now.
        end_nats: Log of E, the odds that the trouble has ended; -inf at first.
        over_nats: Log of W, the same against p_near alone.
        begun: When the spell began: the alarm, or the newest relapse.
        newest: The newest batch that was weighed.
        spell: Length of the trouble when the spell began, D: its end is expected on that scale.
        relapses: How often it fell back.
        quiet_from: From when it has been quiet.
        gap: The longest quiet that was followed by trouble again.
        span: Stamps that a batch spans.
        recovering: Whether it is on its way back now.
    """

    old: float
    near: float
    alarm_nats: tuple[float, ...]
    level_nats: tuple[float, ...]
    begun: int
    newest: int
    spell: float
    quiet_from: int
    gap: int = 0
    span: int = 1
    end_nats: float = -math.inf
    over_nats: float = -math.inf
    relapses: int = 0
    recovering: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Hours from a change on, and what is believed of it.

    `rate` and its standard error `se` are those of the hours, `old` the log-odds before.
    """

    hours: Hours
    old: float
    rate: float
    se: float


def begin_recovery(change: Change, *, effect: float, quiet_from: int | None, span: int) -> Recovery:
    """Set out at an alarm.

    Args:
        change: The hours from the onset to the alarm, at least one.
        effect: The smallest change that matters, rate points.
        quiet_from: From when the episode before was quiet; None where there was none.
        span: Stamps that a batch spans; 24 where a batch is a day and stamps are hours.
    """
    hours, old = change.hours, change.old
    p0 = _rate(old)
    sure = (change.rate - SURE_SE * change.se - p0) / 2
    step = min(max(sure, NEAREST_SHARE * effect), FARTHEST_SHARE * effect)
    near = _odds(p0 + min(step, ROOM_SHARE * (1 - p0)))
    levels = levels_from(near)
    first, last = int(hours.stamp[0]), int(hours.stamp[-1])
    spell = float(last - first + span)
    # What alarmed slowly alarmed because it looked bad: half its evidence.
    power = 1.0 if spell <= SOON_HOURS else 0.5
    nats = _prior(levels, p0, is_soon=spell <= SOON_HOURS)
    nats += power * hours.part(1, -1).nats(levels).sum(axis=0)
    nats += _edge(levels, old, hours.part(0, 1), power)
    if len(hours.stamp) > 1:
        nats += _edge(levels, old, hours.part(len(hours.stamp) - 1), power)
    gap = 0 if quiet_from is None else first - quiet_from
    weight = tuple((nats - _log_sum(nats)).tolist())
    return Recovery(
        old=old,
        near=near,
        alarm_nats=weight,
        level_nats=weight,
        begun=last,
        newest=last,
        spell=spell,
        quiet_from=last + span,
        gap=gap if 0 < gap <= NEW_TROUBLE_HOURS else 0,
        span=span,
    )


@dataclass(frozen=True, slots=True, eq=False)
class RecoveryPath:
    """`recovering` after each batch taken, shape (taken,); `over`: the last of them ended it."""

    state: Recovery
    recovering: NDArray[np.bool_]
    over: bool


def follow_recovery(state: Recovery, hours: Hours) -> RecoveryPath:
    """Weigh later batches until the trouble is over or there are none left."""
    at, over = 0, False
    recovering: NDArray[np.bool_] = np.zeros(len(hours.stamp), dtype=np.bool_)
    while at < len(hours.stamp) and not over:
        later, taken, over = _until_turn(state, hours.part(at))
        recovering[at : at + taken - 1] = state.recovering
        recovering[at + taken - 1] = later.recovering
        state, at = later, at + taken
    return RecoveryPath(state, recovering[:at], over)


def _until_turn(state: Recovery, hours: Hours) -> tuple[Recovery, int, bool]:
    """Take batches to the next turn: the state after them, how many, whether it is over."""
    levels = levels_from(state.near)
    weight = np.array(state.level_nats) + np.cumsum(hours.nats(levels), axis=0)
    mass = np.r_[_log_sum(np.array(state.level_nats)), _log_sum(weight)]
    known = hours.nats(np.array([state.old, state.near]))
    joins = _end_nats(state, hours.stamp)
    ended = _capped(known[:, 0] - np.diff(mass), joins, state.end_nats)
    over = accumulate_starts(np.cumsum(known[:, 0] - known[:, 1]), joins, state.over_nats)
    p0 = 1 / (1 + np.exp(-(state.old + hours.offset)))
    restless = (ended < RECOVERING_NATS) & (hours.bad > RESTLESS * p0 * (hours.bad + hours.good))
    quiet_from = np.maximum.accumulate(
        np.where(restless, hours.stamp + state.span, state.quiet_from)
    )
    is_back = ended >= RECOVERING_NATS
    is_quiet = hours.stamp + state.span - quiet_from >= 2 * state.gap
    is_over = is_back & (over >= OVER_NATS) & is_quiet
    turns = np.flatnonzero((ended < 0) | is_over if state.recovering else is_back)
    at = int(turns[0]) if turns.size else len(hours.stamp) - 1
    later = replace(
        state,
        level_nats=tuple((weight[at] - mass[at + 1]).tolist()),
        end_nats=float(ended[at]),
        over_nats=float(over[at]),
        newest=int(hours.stamp[at]),
        quiet_from=int(quiet_from[at]),
    )
    if turns.size and state.recovering and not is_over[at]:
        quiet = int(hours.stamp[at]) - int(quiet_from[at - 1] if at else state.quiet_from)
        later = _relapsed(later, hours.part(at, at + 1), quiet=quiet)
    elif turns.size:
        later = replace(later, recovering=True)
    return later, at + 1, bool(turns.size and is_over[at])


def _capped(steps: Floats, joins: Floats, start_nats: float) -> Floats:
    """Log of E after each batch: as `accumulate_starts`, but never above its cap."""
    nats, path = start_nats, []
    for step, join in zip(steps.tolist(), joins.tolist(), strict=True):
        low, high = min(nats, join), max(nats, join)
        both = high if low == -math.inf else high + math.log1p(math.exp(low - high))
        nats = min(both + step, END_NATS_MAX)
        path.append(nats)
    return np.array(path)


def _end_nats(state: Recovery, stamp: Ints) -> Floats:
    """Log prior that the trouble ended since the batch before: D / (D + t) is left after t hours.

    Hours without labels are passed over: what would have ended in them joins the next batch.
    """
    passed = np.maximum.accumulate(np.maximum(np.r_[state.newest, stamp] - state.begun, 0))
    left = state.spell / (state.spell + passed)
    with np.errstate(divide="ignore"):
        joins: Floats = np.log(left[:-1] - left[1:])
    return joins - min(state.relapses, RELAPSES_MAX) * math.log(2)


def _relapsed(state: Recovery, hour: Hours, *, quiet: int) -> Recovery:
    """A new spell after so much quiet, with what was known of the level at the alarm and this hour's part of it.

    The level that was learned since is diluted by the hours between, so it is not gone on from.
    """
    stamp, levels = int(hour.stamp[0]), levels_from(state.near)
    weight = np.array(state.alarm_nats) + _edge(levels, state.old, hour, 1.0)
    return replace(
        state,
        recovering=False,
        gap=max(state.gap, quiet),
        relapses=state.relapses + 1,
        end_nats=-math.inf,
        over_nats=-math.inf,
        begun=stamp,
        spell=RELAPSE_HOURS,
        quiet_from=stamp + state.span,
        level_nats=tuple((weight - _log_sum(weight)).tolist()),
    )


def levels_from(near: float) -> Floats:
    """The bad levels that are weighed, log-odds, shape (LEVELS,)."""
    return np.linspace(near, max(LEVEL_TOP, near + LEVEL_SPAN_MIN), LEVELS)


def _prior(levels: Floats, p0: float, *, is_soon: bool) -> Floats:
    """Log prior of the bad levels: Jeffreys' and a half-normal above p0 alike; soon, the nearest level as well.

    Two errors of a tool that had none are an alarm, and say little of how bad it is. By Jeffreys' law alone,
    which expects a half, the quiet hours of a lasting rate of .03 were taken for its end in .25 to .29 of lives.
    """
    rate = 1 / (1 + np.exp(-levels))
    jeffreys = np.sqrt(rate * (1 - rate))
    typical = np.exp(-0.5 * ((rate - p0) / TYPICAL_CHANGE) ** 2) * rate * (1 - rate)
    nearest = np.eye(1, len(levels))[0]
    laws = [jeffreys, typical, nearest] if is_soon else [jeffreys, typical]
    nats: Floats = np.log(np.mean([law / max(law.sum(), 1e-300) for law in laws], axis=0))
    return nats


def _edge(levels: Floats, old: float, hour: Hours, power: float) -> Floats:
    """Log likelihood of an hour of which an unknown part was bad, shape (LEVELS,)."""
    shift = float(hour.offset[0])
    p0 = _rate(old + shift)
    bad = 1 / (1 + np.exp(-(levels + shift)))
    rate = p0 + PARTS[:, None] * (bad - p0)
    nats = power * (float(hour.bad[0]) * np.log(rate) + float(hour.good[0]) * np.log1p(-rate))
    return _log_sum(nats.T) - math.log(len(PARTS))


def _log_sum(nats: Floats) -> Floats:
    """Log of the sum of exponentials along the last axis."""
    top = nats.max(axis=-1, keepdims=True)
    total: Floats = np.log(np.exp(nats - top).sum(axis=-1)) + top[..., 0]
    return total


def _rate(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def _odds(rate: float) -> float:
    return math.log(rate) - math.log1p(-rate)
