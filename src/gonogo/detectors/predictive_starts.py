"""When did it begin, and how far has it gone: what the candidates' weights say of a change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.checks import Floats, Ints, check_counts, check_fractions, check_vector
from gonogo.detectors.predictive import RateRule, from_log_odds
from gonogo.detectors.predictive_bets import CELL, Bets, rows_of
from gonogo.detectors.predictive_hours import RateWatch
from gonogo.detectors.predictive_state import Side
from gonogo.errors import NotEnoughData

# Starts that together carry less than this share of the weight are left out of an estimate.
WEIGHT_SHARE_MIN = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class StartWeights:
    """Where a change most likely began, if one did.

    Attributes:
        batch: Index of each candidate's first batch, ascending, shape (starts,).
        weight: Share of the evidence that each candidate carries, shape (starts,); sums to 1.
        rate_before: Rate as it was estimated ahead of each candidate, shape (starts,).
    """

    batch: Ints
    weight: Floats
    rate_before: Floats

    def quantile(self, share: float) -> int:
        """Index of the batch by which this share of the weight has begun."""
        check_fractions(share=share)
        at = int(np.searchsorted(np.cumsum(self.weight), share))
        return int(self.batch[min(at, len(self.batch) - 1)])


def start_weights(
    n: ArrayLike,
    bad: ArrayLike,
    rule: RateRule,
    watch: RateWatch,
    *,
    side: Side,
    offset: ArrayLike | None = None,
) -> StartWeights:
    """Weigh every candidate since the last reset by how well it explains all batches after it.

    The weights are those of the candidates at the last batch, so they sharpen as an episode goes
    on. Time and memory grow with the number of batches.

    Args:
        n: As handed to `watch_rate`, from the beginning of the stream.
        bad: The same.
        rule: The same.
        watch: What `watch_rate` returned for them.
        side: The direction to explain.
        offset: As handed to `watch_rate`.

    Raises:
        DataError: The counts are malformed or of another length than `watch`.
        NotEnoughData: No candidate has begun since the last reset.
    """
    labels, failures = check_counts(n, bad)
    offsets = np.zeros(len(labels)) if offset is None else check_vector("offset", offset)
    starting = np.isfinite(watch.anchor) & (labels > 0)
    starting[: watch.since] = False
    if not starting.any():
        raise NotEnoughData("No label has come since the last reset; record outcomes first.")
    failures, successes = failures / rule.dispersion, (labels - failures) / rule.dispersion
    batch = np.flatnonzero(starting)
    cell = np.rint(watch.anchor[batch] / CELL).astype(np.int64)
    nats = np.empty(len(batch))
    rows = [r for r in rows_of(rule) if (r < len(rule.deltas)) == (side == "up")]
    for present in np.unique(cell):
        bets = Bets(np.full(len(rows), present), np.array(rows), np.zeros(len(rows)))
        rate = bets.rates(rule, offsets if offset is not None else np.zeros(1))
        steps = failures * np.log(rate) + successes * np.log1p(-rate) - watch.null_nats
        tail = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]
        mine = cell == present
        nats[mine] = np.logaddexp.reduce(tail[:, batch[mine]], axis=0)
    nats += np.log(labels[batch])
    weight = np.exp(nats - nats.max())
    return StartWeights(batch, weight / weight.sum(), from_log_odds(watch.anchor[batch]))


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
    n: ArrayLike, bad: ArrayLike, rule: RateRule, starts: StartWeights, *, until: int | None = None
) -> RateSince:
    """Estimate the rate since a change whose beginning is uncertain.

    Averages over the candidates, and shrinks the change towards none by a normal prior of the
    rule's largest effect, because what raised an alarm was picked for looking large.

    Args:
        n: As handed to `start_weights`.
        bad: The same.
        rule: The same.
        starts: What `start_weights` returned.
        until: Index after the last batch to use; None for all.
    """
    labels, failures = check_counts(n, bad)
    labels, failures = labels[:until] / rule.dispersion, failures[:until] / rule.dispersion
    order = np.argsort(-starts.weight, kind="stable")
    kept = order[np.cumsum(starts.weight[order]) - starts.weight[order] < 1 - WEIGHT_SHARE_MIN]
    batch, weight = starts.batch[kept], starts.weight[kept]
    total = np.cumsum(labels[::-1])[::-1][batch]
    gone_bad = np.cumsum(failures[::-1])[::-1][batch]
    before = starts.rate_before[kept]
    grid = np.linspace(-9, 9, 3601)
    rate = from_log_odds(grid)
    density = np.zeros(len(grid))
    for k in range(len(batch)):
        nats = (gone_bad[k] + 0.5) * np.log(rate) + (total[k] - gone_bad[k] + 0.5) * np.log1p(-rate)
        nats -= 0.5 * ((rate - before[k]) / max(rule.deltas)) ** 2
        likely = np.exp(nats - nats.max())
        density += weight[k] * likely / likely.sum()
    share = np.cumsum(density) / density.sum()
    mean = float(density @ rate / density.sum())
    low, high = (float(rate[np.searchsorted(share, q)]) for q in (0.025, 0.975))
    origin = float(weight @ before / weight.sum())
    earlier = float(labels[: int(batch.min())].sum()) + 1
    error = 1.96 * math.sqrt(origin * (1 - origin) / earlier)
    change = mean - origin
    return RateSince(
        rate=mean,
        rate_low=low,
        rate_high=high,
        change=change,
        change_low=change - math.hypot(mean - low, error),
        change_high=change + math.hypot(high - mean, error),
    )
