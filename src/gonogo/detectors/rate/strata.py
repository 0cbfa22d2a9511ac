"""Evidence that a rate rose given its mix: the same bets, each stratum held against itself.

Null: labels are exchangeable within each stratum c. What it predicts is learned there, with L labels
borrowed from all traffic: Beta(s_c + L r, n_c - s_c + L (1 - r)), r the running rate of all; an hour's
null is the product over its strata. A candidate bets that every stratum has shifted by the same effect
from where it then stood, so a mix that moves between strata is evidence of nothing, also where a
stratum was sparse or is new: the null goes on learning, so rates need no allowance for error. (Offsets
made from baseline rates were tried: .19 of streams were falsely called degraded where sparse strata
grow, .99 where a new one comes.) Strata under 50 labels are not bet on.

Candidates share the strata's rates of the first of them until those have moved by more than .1
log-odds, weighed by labels. Beside the rule's effects there are shifts in log-odds, so that the
evidence of a collapse is not bounded by the largest effect.

Sources: Shiryaev-Roberts over sums of e-processes, as in `predictive`; Dawid (1984), prequential.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.bets import CELL, ROOM_SHARE
from gonogo.detectors.rate.recovery import accumulate_starts
from gonogo.detectors.rate.rule import RateRule, from_log_odds, log_gamma, log_odds

__all__ = ["risen_given_mix"]

BORROWED_LABELS = 20.0
BET_LABELS_MIN = 50.0
COHORTS_MAX = 64
SHIFTS = (1.0, 2.0, 4.0, 6.0)  # log-odds


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What the null held ahead of each batch and how it fared; shapes (batches, strata)."""

    seen: Floats
    odds: Floats
    nats: Floats


def risen_given_mix(n: Floats, bad: Floats, rule: RateRule) -> Floats:
    """Evidence after each batch that the bad rate rose in the strata, nats, shape (batches,).

    While labels are exchangeable within each stratum, whatever becomes of their shares, it reaches
    ln(needed) within n labels with probability at most n / needed.

    Args:
        n: Labels of each batch in each stratum, shape (batches, strata); together all labels.
        bad: Bad ones among them, same shape.
        rule: What to look for.
    """
    failed, good = bad / rule.dispersion, (n - bad) / rule.dispersion
    learned = _learn(failed, good)
    with np.errstate(divide="ignore"):
        log_starts = np.log(n.sum(axis=1))
    total = np.full(len(n), -math.inf)
    begin, rows = 0, len(rule.deltas) + len(SHIFTS)
    for _ in range(COHORTS_MAX):
        end = _moved(learned, begin)
        walk = _gains(learned, failed, good, begin, rule)
        starts = log_starts[begin:].copy()
        starts[end - begin :] = -math.inf
        mass = accumulate_starts(walk, starts, np.full(rows, -math.inf))
        total[begin:] = np.logaddexp(total[begin:], np.logaddexp.reduce(mass, axis=0))
        if end >= len(n):
            break
        begin = end
    told: Floats = total + math.log(rule.side_weights[0] / rows)
    return told


def _learn(bad: Floats, good: Floats) -> _Learned:
    """The null's predictive of each batch, learned from all before it."""
    before_bad, before_good = (np.cumsum(x, axis=0) - x for x in (bad, good))
    of_all = (before_bad.sum(axis=1) + 0.5) / (before_bad.sum(axis=1) + before_good.sum(axis=1) + 1)
    a = before_bad + BORROWED_LABELS * of_all[:, None]
    b = before_good + BORROWED_LABELS * (1 - of_all)[:, None]
    nats = _log_beta(a + bad, b + good) - _log_beta(a, b)
    return _Learned(before_bad + before_good, np.log(a / b), nats)


def _log_beta(a: Floats, b: Floats) -> Floats:
    stacked = np.stack((a, b, a + b))
    one, other, both = log_gamma(stacked.reshape(-1)).reshape(stacked.shape)
    beta: Floats = one + other - both
    return beta


def _moved(learned: _Learned, begin: int) -> int:
    """The first batch ahead of which the strata have moved from where they stood at `begin`."""
    seen = learned.seen[begin:]
    weight = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1.0)
    move = (weight * np.abs(learned.odds[begin:] - learned.odds[begin])).sum(axis=1)
    # Who may be bet on is settled with the cohort: it ends as well where another stratum joins.
    joined = ((seen >= BET_LABELS_MIN) != (learned.seen[begin] >= BET_LABELS_MIN)).any(axis=1)
    turns = np.flatnonzero((move > CELL) | joined)
    return begin + int(turns[0]) if turns.size else len(learned.seen)


def _gains(learned: _Learned, bad: Floats, good: Floats, begin: int, rule: RateRule) -> Floats:
    """Cumulative gain of each bet of a cohort since it began, shape (bets, batches)."""
    mine = learned.seen[begin] >= BET_LABELS_MIN
    anchor = from_log_odds(learned.odds[begin][mine])
    deltas = np.array(rule.deltas)[:, None]
    moved = np.minimum(anchor + deltas, anchor + ROOM_SHARE * (1 - anchor))
    shifted = from_log_odds(log_odds(anchor) + np.array(SHIFTS)[:, None])
    rate = np.vstack((moved, np.minimum(shifted, 1 - 1e-9)))
    gains = np.log(rate) @ bad[begin:, mine].T + np.log1p(-rate) @ good[begin:, mine].T
    walk: Floats = np.cumsum(gains - learned.nats[begin:, mine].sum(axis=1), axis=1)
    return walk
