"""The onset's interval holds the true onset as often as it promises, just after an alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.onset import fit_onset

BASELINE, HEALTHY, BATCH = 2000, 2000, 21
DELTAS = np.array([0.02, 0.03, 0.045, 0.07, 0.12])


def rates(case: str) -> Floats:
    """Error rate of each label after the baseline."""
    change = np.zeros(HEALTHY + (14_500 if case == "ramp" else 8000))
    change[HEALTHY:] = 0.07 if case == "ramp" else float(case)
    if case == "ramp":
        change[HEALTHY : HEALTHY + 10_500] = np.linspace(0, 0.07, 10_500)
    return 0.06 + change


def alarm(bad: Floats) -> int:
    """Label at which a mixture detector that knows the old rate reaches 1e5."""
    up, down = np.log1p(DELTAS / 0.06), np.log1p(-DELTAS / 0.94)
    walk = np.cumsum(np.where(bad[:, None] > 0, up, down), axis=0)
    joined = np.logaddexp.accumulate(-np.vstack([np.zeros(DELTAS.size), walk[:-1]]), axis=0)
    found = np.flatnonzero(np.logaddexp.reduce(walk + joined, axis=1) >= math.log(5e5))
    return int(found[0])


@pytest.mark.parametrize(
    ("case", "promised", "off_max"),
    [("0.05", 0.90, 220), ("0.07", 0.90, 160), ("ramp", 0.85, 1950)],
)
def test_onset_is_covered_at_the_alarm(case: str, promised: float, off_max: float) -> None:
    """Hourly batches of 21 labels, cut at the alarm: the hardest moment, and the usual one.

    A slow ramp moves the rate by .013 in its first 1,950 labels: nearer is not to be had.
    """
    rng = np.random.default_rng(21)
    streams, covered, off = 0, 0, []
    while streams < 60:
        expected = rates(case)
        bad = (rng.random(len(expected)) < expected).astype(np.float64)
        at = alarm(bad)
        if at < HEALTHY:
            continue
        seen = np.r_[rng.random(BASELINE) < 0.06, bad[: at + 1]]
        hours = len(seen) // BATCH
        counts = seen[: hours * BATCH].reshape(hours, BATCH).sum(axis=1)
        fit = fit_onset(np.full(hours, BATCH), counts, first=BASELINE // BATCH + 1)
        covered += fit.earliest <= (BASELINE + HEALTHY) // BATCH <= fit.latest
        off.append(abs(fit.onset - (BASELINE + HEALTHY) // BATCH) * BATCH)
        streams += 1
    assert covered / streams >= promised - 2 * math.sqrt(promised * (1 - promised) / streams)
    assert np.mean(off) <= off_max + 2 * np.std(off) / math.sqrt(streams)
