"""Daily golden runs: how often they cry wolf, how soon they find a five-point drop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.arrays import Floats
from gonogo.detectors.golden.paired import GoldenRuns, run_evidence

ITEMS = 200
NEEDED = 365  # daily runs, one false alarm a year


def population(kind: str, rng: np.random.Generator) -> Floats:
    """Each item's chance to be right: nearly all fixed, a fifth wavering, or all a throw of dice."""
    right = np.ones(ITEMS)
    if kind == "fixed":
        right[rng.random(ITEMS) < 0.05] = 0
        wavering = rng.random(ITEMS) > 0.96
        right[wavering] = rng.random(int(wavering.sum()))
    elif kind == "wavering":
        some = rng.random(ITEMS) > 0.8
        right[some] = rng.beta(3, 1, int(some.sum()))
        right[rng.random(ITEMS) < 0.02] = 0
    else:
        right[:] = 0.94
    return right


def evidence(
    kind: str,
    rng: np.random.Generator,
    *,
    runs: int,
    broken_at: int | None,
    newest: int | None = None,
) -> Floats:
    """A reference run, 7 warm-up runs, then `runs`; 12 items broken and 2 fixed at one of them."""
    chance = np.tile(population(kind, rng), (8 + runs, 1))
    if broken_at is not None:
        good, bad = np.flatnonzero(chance[0] > 0.5), np.flatnonzero(chance[0] < 0.99)
        after = chance[8 + broken_at :]
        after[:, rng.choice(bad, min(2, bad.size), replace=False)] = 1
        after[:, rng.choice(good, 12, replace=False)] = 0
    right = (rng.random(chance.shape) < chance).astype(float)
    daily = GoldenRuns(np.arange(7 + runs), right[1:], right[0])
    return run_evidence(daily, newest=newest).value[7:]


@pytest.mark.parametrize("kind", ["fixed", "wavering", "dice"])
def test_sixty_quiet_days_cry_wolf_in_at_most_a_twentieth(kind: str) -> None:
    """Asked for: <= .05 in 60 daily runs; the reference run's own luck does not matter."""
    rng = np.random.default_rng(11)
    streams = 24
    alarms = sum(
        evidence(kind, rng, runs=60, broken_at=None).max() >= NEEDED for _ in range(streams)
    )
    assert alarms <= 0.05 * streams + 2 * math.sqrt(streams * 0.05 * 0.95)


@pytest.mark.parametrize("kind", ["fixed", "wavering", "dice"])
def test_five_points_are_found_within_four_runs(kind: str) -> None:
    """6 % of 200 items broken and 1 % fixed, 20 quiet runs after the warm-up; asked for: .95."""
    least = 0.95
    rng = np.random.default_rng(12)
    streams = 60
    found = sum(
        evidence(kind, rng, runs=24, broken_at=20, newest=4)[-4:].max() >= NEEDED
        for _ in range(streams)
    )
    assert found / streams >= least - 2 * math.sqrt(least * (1 - least) / streams)
