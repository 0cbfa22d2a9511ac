"""Where a change most likely began and how far it went, as seen at the alarm.

For each batch k the evidence for "a new unknown rate since k" is the marginal likelihood of the
batches from k on under Jeffreys' prior over what the null predicted for them one by one. It is the
integrated likelihood: the maximised one runs to the beginning of the stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.log_space import log_gamma
from gonogo.detectors.rate.null import GRID_STEP, GridNull, PastBatch
from gonogo.detectors.rate.recovery import Change, Hours, Side


@dataclass(frozen=True, slots=True, eq=False)
class Marginals:
    """From each batch to the last: log marginal likelihood, mean rate, its error; shape (n,)."""

    nats: Floats
    rate: Floats
    se: Floats


def change_at_alarm(trail: Sequence[PastBatch], *, side: Side) -> Change:
    """The likeliest change among the batches since the last reset, of which the last alarmed.

    Rates are counted so that up is away from the old rate, on both sides.
    """
    stamp = np.array([passed.stamp for passed in trail], dtype=np.int64)
    bad, good, offset, null_nats, anchor = np.array([passed[1:] for passed in trail]).T
    hours = Hours(stamp, bad, good, offset)
    if side == "down":
        hours, anchor = hours.mirrored(), -anchor
    since = _by_offsets(hours) if offset.any() else _alike(hours)
    gain = since.nats - np.cumsum(null_nats[::-1])[::-1]
    moved = (since.rate > 1 / (1 + np.exp(-anchor))) & (bad + good > 0)
    moved[-1] |= not moved.any()
    first = int(np.argmax(np.where(moved, gain, -math.inf)))
    return Change(
        hours=hours.part(first),
        old=float(anchor[first]),
        rate=float(since.rate[first]),
        se=float(since.se[first]),
    )


def marginals_since(hours: Hours) -> Marginals:
    """The likelihood and the mean of a rate of their own, for the batches from each one on."""
    return _by_offsets(hours) if hours.offset.any() else _alike(hours)


def _alike(hours: Hours) -> Marginals:
    """Log marginal in closed form: ln B(bad + 1/2, good + 1/2) - ln B(1/2, 1/2)."""
    bad, good = (np.cumsum(x[::-1])[::-1] + 0.5 for x in (hours.bad, hours.good))
    both = bad + good
    rate = bad / both
    log_beta = log_gamma(bad) + log_gamma(good) - log_gamma(both)
    return Marginals(log_beta - math.log(math.pi), rate, np.sqrt(rate * (1 - rate) / (both + 1)))


def _by_offsets(hours: Hours) -> Marginals:
    """The log marginal over the null's grid of log-odds, where batches are expected to differ."""
    prior = GridNull.fresh()
    points = GRID_STEP * np.arange(prior.first, prior.first + len(prior.nats), dtype=np.float64)
    nats = np.cumsum(hours.nats(points)[::-1], axis=0)[::-1] + np.array(prior.nats)
    top = nats.max(axis=1, keepdims=True)
    weight = np.exp(nats - top)
    total = weight.sum(axis=1)
    rates = 1 / (1 + np.exp(-points))
    rate = weight @ rates / total
    variance = np.maximum(weight @ rates**2 / total - rate**2, 0.0)
    return Marginals(np.log(total) + top[:, 0], rate, np.sqrt(variance))
