"""When is it over: evidence that the old rate is back, after an alarm.

The detector's own evidence stays above its threshold for weeks after the trouble has passed, so
"evidence below the threshold" says nothing. This is a Shiryaev-Roberts sum of its own: the old
rate against a rate halfway back from the new one.
"""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.checks import Floats
from gonogo.detectors.predictive_state import Side

# Evidence needed relative to an alarm: P(declared over within n labels while the rate is still
# halfway or worse) is at most 10 n / needed.
SHARE_OF_NEEDED = 0.1
# Halfway back, but never nearer to the old rate than this share of the typical change bet on.
NEAREST_SHARE = 1 / 3
# A span of logs that plain sums of exponentials hold without loss.
LINEAR_NATS_MAX = 690.0


def recovery_rates(
    rate_before: Floats, *, side: Side, change: float, typical: float
) -> tuple[Floats, Floats]:
    """The old rate and the rate nearest to it that still counts as bad, batch by batch.

    Args:
        rate_before: Rate before the change, shape (batches,) or (1,), fractions.
        side: Where the rate went.
        change: How far it went, rate points.
        typical: Middle of the changes that the rule bets on, rate points.
    """
    bad = [nearest_bad(p, side=side, change=change, typical=typical) for p in rate_before.tolist()]
    return rate_before, np.array(bad)


def nearest_bad(rate_before: float, *, side: Side, change: float, typical: float) -> float:
    """The rate nearest to the old one that still counts as bad; arguments as above."""
    gap = max(abs(change) / 2, typical * NEAREST_SHARE)
    room = 1 - rate_before if side == "up" else rate_before
    step = min(gap, room / 2)
    return rate_before + step if side == "up" else rate_before - step


def recovery_nats(
    log_starts: Floats, bad: Floats, good: Floats, rates: tuple[Floats, Floats], start_nats: float
) -> Floats:
    """Evidence after each batch that the old rate is back, nats, shape (batches,).

    R <- (R + labels) (p0 / p1)^bad ((1 - p0) / (1 - p1))^good, in logs.

    Args:
        log_starts: Log of the labels of each batch, shape (batches,).
        bad: Bad outcomes of each batch in independent labels' worth, shape (batches,).
        good: The same for good outcomes.
        rates: Of `recovery_rates`.
        start_nats: Evidence so far.
    """
    old, still_bad = rates
    gain = bad * np.log(old / still_bad) + good * np.log((1 - old) / (1 - still_bad))
    return accumulate_starts(np.cumsum(gain), log_starts, start_nats)


def accumulate_starts(walk: Floats, log_starts: Floats, start_nats: float | Floats) -> Floats:
    """Unroll M <- (M + start) exp(step) for a whole run, in logs, along the last axis.

    Args:
        walk: Cumulative steps, shape (..., n), nats.
        log_starts: Log of the mass that joins ahead of each step, shape (n,).
        start_nats: Log of the mass at the beginning, shape (...).

    Returns:
        Log mass after each step, shape (..., n).
    """
    joining: Floats = np.empty_like(walk)
    joining[..., 0] = np.logaddexp(log_starts[0], start_nats)
    joining[..., 1:] = log_starts[1:] - walk[..., :-1]
    top = joining.max(axis=-1, keepdims=True)
    bottom = joining.min(axis=-1, keepdims=True, where=np.isfinite(joining), initial=math.inf)
    if (top - bottom < LINEAR_NATS_MAX).all():
        top = np.where(np.isfinite(top), top, 0.0)
        joining -= top
        np.exp(joining, out=joining)
        np.cumsum(joining, axis=-1, out=joining)
        with np.errstate(divide="ignore"):
            np.log(joining, out=joining)
        joining += top
    else:
        joining = np.logaddexp.accumulate(joining, axis=-1)
    joining += walk
    return joining
