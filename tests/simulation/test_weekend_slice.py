"""A thin slice that goes bad at weekends only, among fourteen cells of one partition."""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.rate.rate_slices import CellCounts, Partition, SliceWatch, watch_slices
from gonogo.detectors.rate.rule import RateRule

BASELINE, DAYS, A_DAY = 28, 84, 500
RULE = RateRule(needed=1e5, weight_up=1.0)
WEEKEND = np.arange(BASELINE + DAYS) % 7 >= 5
SHARES = (0.04, *[0.16] * 6)


def follow(rng: np.random.Generator, *, weekend_rate: float) -> SliceWatch:
    """Seven segments by weekday and weekend; the 4 % one may change at weekends."""
    cells = []
    for index, share in enumerate(SHARES):
        n = rng.poisson(A_DAY * share, BASELINE + DAYS)
        rate = np.full(BASELINE + DAYS, 0.06)
        if index == 0:
            rate[BASELINE:][WEEKEND[BASELINE:]] = weekend_rate
        bad = rng.binomial(n, rate)
        for name, inside in (("weekday", ~WEEKEND), ("weekend", WEEKEND)):
            segment = f"day_type={name},tier={index}"
            kept = [np.where(inside, x, 0).astype(np.float64) for x in (n, bad)]
            cells.append(CellCounts(segment, kept[0], kept[1]))
    return watch_slices([Partition("day_type,tier", cells)], RULE, baseline=BASELINE)


def test_the_weekend_slice_is_found_within_twelve_weekends() -> None:
    """Asked for: .93 or more of streams, after 38 days or fewer on average, and named."""
    rng, streams, delays = np.random.default_rng(31), 30, []
    for _ in range(streams):
        found = follow(rng, weekend_rate=0.2)
        over = np.flatnonzero(found.evidence_nats >= found.needed_nats)
        if over.size:
            delays.append(int(over[0]) + 1)
            assert found.findings[0].segment == "day_type=weekend,tier=0"
    assert len(delays) / streams >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / streams)
    assert np.mean(delays) <= 38


def test_healthy_slices_keep_the_promise() -> None:
    """P(any alarm in 42,000 labels) is at most 42,000 / 1e5, however many slices are watched."""
    rng, streams = np.random.default_rng(32), 30
    bound = A_DAY * DAYS / 1e5
    alarms = sum(
        bool((w.evidence_nats >= w.needed_nats).any())
        for w in (follow(rng, weekend_rate=0.06) for _ in range(streams))
    )
    assert alarms / streams <= bound
