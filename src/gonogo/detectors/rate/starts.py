"""The distance a rate has gone since a change whose beginning is uncertain.

Averages over the onsets k since the last reset. Onset k weighs labels_k times the marginal likelihood
of the batches from k on at a new rate (see `onset`). The new rate has a prior of its own:
half Jeffreys, half a half-normal above the rate before k, since what raised an alarm was picked for
looking large; only rates beyond the one before count. The densities are mixed. The capped bets of the
detector are not asked: where a rate went much further than they go, they would hold it back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints, check_counts, check_vector
from gonogo.detectors.log_space import from_log_odds
from gonogo.detectors.rate.onset import marginals_since
from gonogo.detectors.rate.rate_watch import RateWatch
from gonogo.detectors.rate.recovery import TYPICAL_CHANGE, Hours, Side
from gonogo.detectors.rate.rule import RateRule
from gonogo.errors import NotEnoughData

# Onsets that together carry less than this share of the weight are left out of an estimate.
WEIGHT_SHARE_MIN = 1e-3
LEVELS = np.linspace(-9.0, 9.0, 3601)
# With offsets each batch has a likelihood of its own: fewer levels, as the null has.
LEVELS_BY_BATCH = np.linspace(-7.0, 7.0, 701)
# The change that an alarm has found is not 0: its lower limit is at least this quantile.
SURE_QUANTILE = 1e-3
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class RateSince:
    """The rate since a change, and the change. Fractions; intervals hold 95 % of the posterior."""

    rate: float
    rate_low: float
    rate_high: float
    change: float
    change_low: float
    change_high: float


def rate_since(
    n: ArrayLike,
    bad: ArrayLike,
    rule: RateRule,
    watch: RateWatch,
    *,
    side: Side,
    offset: ArrayLike | None = None,
) -> RateSince:
    """Estimate the rate since the newest change, and the change.

    Args:
        n: As handed to `watch_rate`, from the beginning of the stream.
        bad: The same.
        rule: The same.
        watch: What `watch_rate` returned for them.
        side: The direction to explain.
        offset: As handed to `watch_rate`; rates are then those of a batch with an offset of 0.

    Raises:
        DataError: The counts are malformed.
        NotEnoughData: No label has come since the last reset.
    """
    labels, failures = check_counts(n, bad)
    shifts = np.zeros(len(labels)) if offset is None else check_vector("offset", offset)
    failed, good = failures / rule.dispersion, (labels - failures) / rule.dispersion
    stamp = np.arange(len(labels), dtype=np.int64)
    hours, sign = Hours(stamp, failed, good, shifts), 1.0
    if side == "down":
        hours, sign = hours.mirrored(), -1.0
    known = np.cumsum(failed + good) - (failed + good)
    hours, known = hours.part(watch.since), known[watch.since :]
    anchor, null_nats = sign * watch.anchor[watch.since :], watch.null_nats[watch.since :]
    starts = np.flatnonzero(np.isfinite(anchor) & (hours.bad + hours.good > 0))
    if not starts.size:
        raise NotEnoughData("No label has come since the last reset; record outcomes first.")
    since = marginals_since(hours)
    before = from_log_odds(anchor[starts])
    nats = (since.nats - np.cumsum(null_nats[::-1])[::-1])[starts]
    nats += np.log(labels[watch.since :][starts])
    beyond = since.rate[starts] > before
    nats = np.where(beyond | ~beyond.any(), nats, -math.inf)
    weight = np.exp(nats - nats.max())
    order = np.argsort(-weight, kind="stable")
    enough = np.cumsum(weight[order]) - weight[order] < (1 - WEIGHT_SHARE_MIN) * weight.sum()
    kept = order[enough]
    told = _told(hours, starts[kept], before[kept], weight[kept] / weight[kept].sum(), known)
    return told if side == "up" else _mirrored(told)


def _told(hours: Hours, starts: Ints, before: Floats, weight: Floats, known: Floats) -> RateSince:
    """Mix the posteriors of the level since each onset, and set them against the rate before."""
    by_batch = bool(hours.offset.any())
    odds = LEVELS_BY_BATCH if by_batch else LEVELS
    rate = from_log_odds(odds)
    density = np.exp(_posteriors(hours, starts, before, odds, by_batch=by_batch))
    density /= density.sum(axis=1, keepdims=True)
    mixed = weight @ density
    share = np.cumsum(mixed)
    mean = float(mixed @ rate)
    low, high = np.interp([0.025, 0.975], share, rate).tolist()
    origin = float(weight @ before)
    error = Z95 * math.sqrt(origin * (1 - origin) / (float(weight @ known[starts]) + 1))
    change = mean - origin
    surely = _quantile_beyond(rate, np.cumsum(density, axis=1), before, weight)
    return RateSince(
        rate=mean,
        rate_low=low,
        rate_high=high,
        change=change,
        change_low=min(max(change - math.hypot(mean - low, error), surely), change),
        change_high=change + math.hypot(high - mean, error),
    )


def _posteriors(
    hours: Hours, starts: Ints, before: Floats, odds: Floats, *, by_batch: bool
) -> Floats:
    """Log posterior of the level since each onset, less its greatest, shape (starts, levels)."""
    if by_batch:
        nats = np.cumsum(hours.nats(odds)[::-1], axis=0)[::-1][starts]
    else:
        bad, good = (np.cumsum(x[::-1])[::-1][starts] for x in (hours.bad, hours.good))
        nats = bad[:, None] * odds - (bad + good)[:, None] * np.logaddexp(0, odds)
    rate = from_log_odds(odds)
    jeffreys = np.sqrt(rate * (1 - rate))
    away = (rate[None, :] - before[:, None]) / TYPICAL_CHANGE
    typical = np.exp(-0.5 * away**2) * (rate * (1 - rate))[None, :]
    beyond = away > 0
    prior = np.zeros_like(nats)
    for part in (np.broadcast_to(jeffreys, nats.shape), typical):
        cut = np.where(beyond, part, 0.0)
        total = cut.sum(axis=1, keepdims=True)
        prior += np.divide(cut, 2 * total, out=np.zeros_like(cut), where=total > 0)
    with np.errstate(divide="ignore"):
        nats += np.log(prior)
    posterior: Floats = nats - nats.max(axis=1, keepdims=True)
    return posterior


def _quantile_beyond(rate: Floats, share: Floats, before: Floats, weight: Floats) -> float:
    """The change that is exceeded but for `SURE_QUANTILE`, by bisection over all onsets at once."""
    low, high = 0.0, 1.0
    rows = np.arange(len(before))
    for _ in range(30):
        middle = (low + high) / 2
        less = np.searchsorted(rate, before + middle)  # levels that have gone less far
        if float(weight @ np.where(less > 0, share[rows, less - 1], 0.0)) < SURE_QUANTILE:
            low = middle
        else:
            high = middle
    return low


def _mirrored(told: RateSince) -> RateSince:
    return RateSince(
        rate=1 - told.rate,
        rate_low=1 - told.rate_high,
        rate_high=1 - told.rate_low,
        change=-told.change,
        change_low=-told.change_high,
        change_high=-told.change_low,
    )
