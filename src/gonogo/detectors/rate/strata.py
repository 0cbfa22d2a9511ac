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
evidence of a collapse is not bounded by the largest effect. A candidate whose first batch is large and
speaks for a change also bets on how far that batch itself went, as in `rate.rule`: between the shifts that are
fixed, the null learns a large batch faster than they win (in one hour of 1,800 labels .01 and .1 bad
became .45: log10 evidence of 2, and 72 with it).

Sources: Shiryaev-Roberts over sums of e-processes, as in `rate.rule`; Dawid (1984), prequential.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.log_space import accumulate_starts, from_log_odds, log_gamma
from gonogo.detectors.rate.rule import (
    CELL,
    OWN_LABELS_MIN,
    OWN_SHARE,
    ROOM_SHARE,
    RateRule,
)

BORROWED_LABELS = 20.0
BET_LABELS_MIN = 50.0
COHORTS_MAX = 64
SHIFTS = (1.0, 2.0, 4.0, 6.0)  # log-odds
# What a large batch may have become: all strata shifted alike in log-odds, or the same share of their
# good labels turned bad (its log-odds). Fine enough to lose about a nat in a thousand labels.
_OWN_SHIFTS = CELL * np.arange(1, 101, dtype=np.float64)
_OWN_HARMS = CELL * np.arange(-50, 50, dtype=np.float64)
# By so many nats such a bet must explain a batch better than all others: else it only costs time.
OWN_LEAD_NATS = 6.0
_OWN_BETS = len(_OWN_SHIFTS) + len(_OWN_HARMS)


@dataclass(frozen=True, slots=True, eq=False)
class _LearnedRates:
    """The null's rates ahead of each batch and the likelihood that they gave it; shapes (batches, strata)."""

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
        mine = learned.seen[begin] >= BET_LABELS_MIN
        odds = learned.odds[begin][mine]
        cohort = _Cohort(odds, failed[begin:, mine], good[begin:, mine], learned.nats[begin:, mine])
        starts = np.where(np.arange(begin, len(n)) < end, log_starts[begin:], -math.inf)
        is_large = (failed + good)[begin:].sum(axis=1) >= OWN_LABELS_MIN
        small = np.where(is_large, starts + math.log1p(-OWN_SHARE), starts)
        fixed = _rates(odds, rule)
        walk = cohort.walk(fixed)
        mass = accumulate_starts(walk, small, np.full(rows, -math.inf))
        total[begin:] = np.logaddexp(total[begin:], np.logaddexp.reduce(mass, axis=0))
        for rate, own in cohort.own(is_large[: end - begin], fixed):
            begun = np.full(len(starts), -math.inf)
            begun[own] = starts[own] + math.log(OWN_SHARE * rows / _OWN_BETS)
            mass = accumulate_starts(cohort.walk(rate), begun, np.full(1, -math.inf))
            total[begin:] = np.logaddexp(total[begin:], mass[0])
        if end >= len(n):
            break
        begin = end
    told: Floats = total + math.log(rule.side_weights[0] / rows)
    return told


def _learn(bad: Floats, good: Floats) -> _LearnedRates:
    """The null's predictive of each batch, learned from all before it."""
    before_bad, before_good = (np.cumsum(x, axis=0) - x for x in (bad, good))
    of_all = (before_bad.sum(axis=1) + 0.5) / (before_bad.sum(axis=1) + before_good.sum(axis=1) + 1)
    a = before_bad + BORROWED_LABELS * of_all[:, None]
    b = before_good + BORROWED_LABELS * (1 - of_all)[:, None]
    nats = _log_beta(a + bad, b + good) - _log_beta(a, b)
    return _LearnedRates(before_bad + before_good, np.log(a / b), nats)


def _log_beta(a: Floats, b: Floats) -> Floats:
    stacked = np.stack((a, b, a + b))
    one, other, both = log_gamma(stacked.reshape(-1)).reshape(stacked.shape)
    beta: Floats = one + other - both
    return beta


def _moved(learned: _LearnedRates, begin: int) -> int:
    """The first batch ahead of which the strata have moved from where they stood at `begin`."""
    seen = learned.seen[begin:]
    weight = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1.0)
    move = (weight * np.abs(learned.odds[begin:] - learned.odds[begin])).sum(axis=1)
    # Who may be bet on is settled with the cohort: it ends as well where another stratum joins.
    joined = ((seen >= BET_LABELS_MIN) != (learned.seen[begin] >= BET_LABELS_MIN)).any(axis=1)
    turns = np.flatnonzero((move > CELL) | joined)
    return begin + int(turns[0]) if turns.size else len(learned.seen)


@dataclass(frozen=True, slots=True, eq=False)
class _Cohort:
    """Candidates that bet from the same log-odds; arrays are of the batches since the first began.

    Shapes: `odds` (strata,), the others (batches, strata).
    """

    odds: Floats
    bad: Floats
    good: Floats
    null_nats: Floats

    def walk(self, rate: Floats) -> Floats:
        """Cumulative gain of bets on rates of shape (bets, strata); shape (bets, batches)."""
        gains = np.log(rate) @ self.bad.T + np.log1p(-rate) @ self.good.T
        walk: Floats = np.cumsum(gains - self.null_nats.sum(axis=1), axis=1)
        return walk

    def own(self, is_large: NDArray[np.bool_], fixed: Floats) -> Iterator[tuple[Floats, Ints]]:
        """Rates, shape (1, strata), and the large batches that they explain best.

        Only batches that they explain better than the null and every bet on `fixed` rates do.
        """
        at = np.flatnonzero(is_large)
        if not at.size or not self.odds.size:
            return
        bad, good = self.bad[at].T, self.good[at].T
        known = np.log(fixed) @ bad + np.log1p(-fixed) @ good
        rival = np.maximum(known.max(axis=0), self.null_nats[at].sum(axis=1))
        # No rates explain a batch better than its own do: where even those lead by little, no need.
        rate = np.clip(bad / np.maximum(bad + good, 1.0), 1e-9, 1 - 1e-9)
        led = (bad * np.log(rate) + good * np.log1p(-rate)).sum(axis=0) - rival >= OWN_LEAD_NATS
        if not led.any():
            return
        at, bad, good, rival = at[led], bad[:, led], good[:, led], rival[led]
        share = from_log_odds(_OWN_HARMS)[:, None]
        anchor = from_log_odds(self.odds)
        rate = np.vstack((_shifted(self.odds, _OWN_SHIFTS), anchor + share * (1 - anchor)))
        gains = np.log(rate) @ bad + np.log1p(-rate) @ good
        best = gains.argmax(axis=0)
        enough = gains.max(axis=0) - rival >= OWN_LEAD_NATS
        for k in np.unique(best[enough]).tolist():
            yield rate[k : k + 1], at[enough & (best == k)]


def _rates(odds: Floats, rule: RateRule) -> Floats:
    """The strata's rates that each bet is on, shape (bets, strata)."""
    anchor, deltas = from_log_odds(odds), np.array(rule.deltas)[:, None]
    moved = np.minimum(anchor + deltas, anchor + ROOM_SHARE * (1 - anchor))
    return np.vstack((moved, _shifted(odds, np.array(SHIFTS))))


def _shifted(odds: Floats, shifts: Floats) -> Floats:
    rate: Floats = np.minimum(from_log_odds(odds + shifts[:, None]), 1 - 1e-9)
    return rate
