"""The evidence of one hour that a candidate is not worse than the current version, or that it is.

Both versions are called in the same hour. The null hypothesis of a line is: the candidate's rate of
bad calls exceeds the current one's by `line` or more, whatever the current one's is. The bet (a*, b*) is
made from the past; (a', b') is its Kullback-Leibler projection onto b = a + line, weighted by the
calls of both. The hour's e-value is

    (a*/a')^x_a ((1-a*)/(1-a'))^(n_a-x_a) (b*/b')^x_b ((1-b*)/(1-b'))^(n_b-x_b)

Its mean under the null is at most 1: with c_g = (g*-g')/(g'(1-g')), the logarithm of the mean is
sum n_g ln(1 + c_g (g-g')), which is concave, and by the projection's optimality
sum n_g c_g (g-g') <= 0 on the convex null. So the product over hours is a supermartingale, and it
ever reaches 1/p with a chance of at most p (Ville, 1939), for any course of the current rate: a bad
hour that both share says nothing. Graded outcomes too, by the weighted mean inequality.

Source: Turner, Ly, Grünwald (2024), Generic E-variables for exact sequential k-sample tests,
arXiv 2106.02693, and arXiv 2302.11401 for the difference of two rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import ROUNDING, Floats
from gonogo.errors import DataError

# What a stage has to exclude: a drop of so much. It shrinks with what the stage puts at risk.
LINES = (0.30, 0.20, 0.10, 0.05)
# How much worse the candidate may be, for evidence that it is worse at all.
WORSE_BETS = (0.05, 0.10, 0.20, 0.40, 0.80)
# The second bet of a line: the candidate is so much of the line worse, and still not beyond it.
HALFWAY = 0.4
# A bet never stakes all: rates of 0 and 1 are bet on as these.
BET_MIN, BET_MAX = 1e-4, 0.999
# The labels that a bet on the current rate remembers.
MEMORY = 1000.0
BISECTIONS = 40
TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class HourNats:
    """The evidence of hours in natural logarithms; leading shape as the counts'.

    Attributes:
        not_worse: For each line, by an equal candidate's bet and by one halfway; shape (..., lines, 2).
        worse: That it is worse, by each of `WORSE_BETS`; shape (..., 5).
    """

    not_worse: Floats
    worse: Floats


def hour_nats(
    n_current: ArrayLike,
    bad_current: ArrayLike,
    n_candidate: ArrayLike,
    bad_candidate: ArrayLike,
    *,
    bet: ArrayLike,
    lines: ArrayLike = LINES,
) -> HourNats:
    """Weigh hours; one without calls of both versions says nothing.

    Args:
        n_current: Calls of the current version, any shape.
        bad_current: Bad ones among them; fractions too.
        n_candidate: Calls of the candidate in the same hour.
        bad_candidate: Bad ones among them.
        bet: The current rate as the hours before tell it (`current_bets`), a fraction.
        lines: The drops to exclude; shape (..., lines).

    Raises:
        DataError: A count is negative or not finite, or more are bad than there are.
    """
    n_a, x_a = _checked(n_current, bad_current)
    n_b, x_b = _checked(n_candidate, bad_candidate)
    both = (n_a > 0) & (n_b > 0)
    counts = [np.where(both, part, 0.0)[..., None] for part in (n_a, x_a, n_b, x_b)]
    bet_a = np.clip(np.asarray(bet, dtype=np.float64), BET_MIN, BET_MAX)[..., None]
    asked = np.asarray(lines, dtype=np.float64)
    drops = np.broadcast_to(asked, (*both.shape, asked.shape[-1]))
    # One row of bets: each line twice, then no line at all with ever worse candidates.
    line = np.concatenate([drops, drops, np.zeros((*both.shape, len(WORSE_BETS)))], axis=-1)
    more = np.minimum(np.asarray(WORSE_BETS), 0.9 * (1 - bet_a))
    bet_b = bet_a + np.concatenate(
        [np.zeros(drops.shape), HALFWAY * drops, np.broadcast_to(more, (*both.shape, 5))], axis=-1
    )
    nats = _nats(counts, np.broadcast_to(bet_a, line.shape), np.minimum(bet_b, BET_MAX), line)
    k = drops.shape[-1]
    return HourNats(np.stack([nats[..., :k], nats[..., k : 2 * k]], axis=-1), nats[..., 2 * k :])


def _nats(counts: list[Floats], bet_a: Floats, bet_b: Floats, line: Floats) -> Floats:
    """The logarithm of the e-value, with the bet's projection found by bisection."""
    n_a, x_a, n_b, x_b = counts
    low = np.maximum(np.minimum(bet_a, bet_b - line), TINY)
    high = np.minimum(np.minimum(np.maximum(bet_a, bet_b - line), 1 - TINY), 1 - TINY - line)
    for _ in range(BISECTIONS):
        p = (low + high) / 2
        q = p + line
        slope = n_a * (p - bet_a) / (p * (1 - p)) + n_b * (q - bet_b) / (q * (1 - q))
        is_above = slope > 0
        high = np.where(is_above, p, high)
        low = np.where(is_above, low, p)
    q = p + line
    nats: Floats = (
        x_a * np.log(bet_a / p)
        + (n_a - x_a) * np.log((1 - bet_a) / (1 - p))
        + x_b * np.log(bet_b / q)
        + (n_b - x_b) * np.log((1 - bet_b) / (1 - q))
    )
    return nats


def current_bets(n: ArrayLike, bad: ArrayLike, *, before: tuple[float, float]) -> Floats:
    """The current rate as it is told before each hour, from about its newest 1,000 labels.

    Args:
        n: Calls of the current version, hours ascending along the last axis.
        bad: Bad ones among them.
        before: Calls and bad ones ahead of the first hour.

    Raises:
        DataError: As of `hour_nats`.
    """
    calls, wrong = _checked(n, bad)
    known, known_bad = (np.full(calls.shape[:-1], part) for part in before)
    bets = np.empty(calls.shape)
    for hour in range(calls.shape[-1]):
        bets[..., hour] = current_bet(known, known_bad)
        known, known_bad = remembered(known, known_bad, calls[..., hour], wrong[..., hour])
    return bets


def current_bet(known: Floats, known_bad: Floats) -> Floats:
    """A rate as so many labels tell it, never 0 or 1 (Jeffreys' half a label each way)."""
    bet: Floats = (known_bad + 0.5) / (known + 1)
    return bet


def remembered(known: Floats, known_bad: Floats, n: Floats, bad: Floats) -> tuple[Floats, Floats]:
    """Update the counts behind a rate by one hour; what is about 1,000 labels old fades."""
    kept = np.maximum(1 - n / MEMORY, 0.0)
    return known * kept + n, known_bad * kept + bad


def _checked(n: ArrayLike, bad: ArrayLike) -> tuple[Floats, Floats]:
    calls, wrong = np.asarray(n, dtype=np.float64), np.asarray(bad, dtype=np.float64)
    if calls.shape != wrong.shape:
        raise DataError(f"calls have shape {calls.shape} and bad ones {wrong.shape}.")
    good = np.isfinite(calls) & np.isfinite(wrong) & (calls >= 0) & (wrong >= 0)
    good &= wrong <= calls + ROUNDING * (1 + calls)
    if not good.all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        raise DataError(f"Hour {at} has {wrong[at]} bad of {calls[at]} calls.")
    return calls, np.minimum(wrong, calls)
