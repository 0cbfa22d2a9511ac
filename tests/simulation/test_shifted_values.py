"""Real values of several shapes: how soon a fifth of a standard deviation is seen."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gonogo.detectors import bins
from gonogo.detectors.arrays import Floats
from gonogo.detectors.values.ranks import SparseRows, rank_scores
from gonogo.detectors.values.score_state import ScoreRule, ScoreState
from gonogo.detectors.values.scores import watch_scores
from watched_values import watch_values

BASELINE, HEALTHY, BATCH, NEEDED = 2000, 2000, 21, 1e5
Draw = Callable[[Floats], Floats]
SHAPES: dict[str, tuple[bins.Layout, Draw]] = {
    "latency": (bins.LOG, lambda z: np.exp(6 + 0.8 * z)),
    "confidence": (bins.LOGIT, lambda z: 1 / (1 + np.exp(-2 - 1.2 * z))),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_fifth_of_an_sd_is_seen_within_about_four_hundred_values(shape: str) -> None:
    """Hourly batches of 21 add half a batch and their rounding: 430 on average, few too early."""
    layout, draw = SHAPES[shape]
    rng, rule, delays, early, streams = (
        np.random.default_rng(41),
        ScoreRule(needed=NEEDED),
        [],
        0,
        60,
    )
    for _ in range(streams):
        first = bins.bin_of(layout, draw(rng.normal(size=BASELINE)))
        z = rng.normal(size=HEALTHY + 4000)
        z[HEALTHY:] += 0.2
        rows = len(z) // BATCH
        places = bins.bin_of(layout, draw(z[: rows * BATCH]))
        sums = rank_scores(first, np.ones(BASELINE)).sums(
            SparseRows(rows, np.arange(places.size) // BATCH, places, np.ones(places.size))
        )
        watch = watch_scores(sums, rule, state=ScoreState.of_baseline(BASELINE, rule))
        at = (int(np.argmax(watch.evidence_nats >= math.log(NEEDED))) + 1) * BATCH
        if at <= HEALTHY:
            early += 1
        else:
            delays.append(at - HEALTHY)
    spread = float(np.std(delays)) / math.sqrt(len(delays))
    assert np.mean(delays) <= 430 + 2 * spread
    assert early / streams <= 2 * HEALTHY / NEEDED + 2 * math.sqrt(0.04 * 0.96 / streams)


@pytest.mark.parametrize(
    ("case", "bound"), [("plain", 0.2), ("ties", 0.2), ("night", 0.2), ("wander", 0.35)]
)
def test_forty_quiet_days_cry_wolf_seldom(case: str, bound: float) -> None:
    """500 values a day after 28 baseline days; a level that wanders over weeks has no cure."""
    rng, streams, hours = np.random.default_rng(42), 20, np.arange(24 * 68)
    alarms = 0
    for _ in range(streams):
        z = rng.normal(size=(hours.size, 21))
        if case == "night":
            z += 0.5 * np.cos(2 * np.pi * hours / 24)[:, None]
        if case == "wander":
            level = np.zeros(68)
            for day in range(1, 68):
                level[day] = 0.9 * level[day - 1] + 0.04 * math.sqrt(0.19) * rng.normal()
            z += np.repeat(level, 24)[:, None]
        x = 1 / (1 + np.exp(-2 - z))
        if case == "ties":
            x[rng.random(x.shape) < 0.6] = 1.0
        key, counts = np.unique(
            np.repeat(hours, 21) * 1000 + bins.bin_of(bins.LOGIT, x.ravel()) + 500,
            return_counts=True,
        )
        histogram = SparseRows(hours.size, key // 1000, key % 1000 - 500, counts.astype(np.float64))
        watch = watch_values(
            histogram,
            baseline=24 * 28,
            needed=NEEDED,
            day=hours // 24,
            hour_of_week=hours % 168,
        )
        alarms += bool((watch.evidence_nats >= watch.needed_nats).any())
    assert alarms / streams <= bound
