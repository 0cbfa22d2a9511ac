"""How far hours differ from what was said before them: nothing where nothing differs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.trust.hour_spread import widened
from gonogo.detectors.trust.prior import Prior
from gonogo.detectors.trust.score import Batches, posterior, posteriors

HOURS = 60 * 24
NIGHTS = np.where(np.arange(HOURS) % 24 < 12, 0.97, 0.85)


def counted(rate: np.ndarray, *, calls_an_hour: float, seed: int) -> Batches:
    """Hourly counts of calls with these chances, hours without a call left out."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(calls_an_hour, HOURS)
    hour = np.flatnonzero(n)
    return Batches(hour, rng.binomial(n, rate)[hour], n[hour])


def found(calls: Batches) -> float:
    """The standard deviation that is found between the hours."""
    end = posterior(calls.hour, calls.good, calls.n, now_hour=HOURS, prior=Prior())
    return math.sqrt(end.between_hours)


def test_few_calls_an_hour_cannot_tell() -> None:
    """Neither a call every other hour nor one busy day says how hours differ."""
    assert math.isnan(found(counted(NIGHTS, calls_an_hour=0.5, seed=1)))
    busy = counted(NIGHTS, calls_an_hour=100, seed=1)
    assert math.isnan(found(Batches(busy.hour[:20], busy.good[:20], busy.n[:20])))


@pytest.mark.parametrize("calls_an_hour", [12.0, 100.0])
def test_steady_hours_do_not_differ(calls_an_hour: float) -> None:
    """Calls of one chance, few or many: in most streams nothing is found, and never much."""
    steady = np.full(HOURS, 0.93)
    sds = [found(counted(steady, calls_an_hour=calls_an_hour, seed=seed)) for seed in range(15)]
    assert np.median(sds) == 0
    assert max(sds) < 0.04


def test_two_levels_are_found() -> None:
    """Hours at .97 and at .85 by turns of half a day: about their spread, .06."""
    assert found(counted(NIGHTS, calls_an_hour=100, seed=1)) == pytest.approx(0.05, abs=0.02)


def test_an_outage_does_not_widen_what_follows() -> None:
    """Six hours at .1 among steady ones are no way in which hours usually differ."""
    rate = np.full(HOURS, 0.95)
    rate[1200:1206] = 0.1
    assert found(counted(rate, calls_an_hour=40, seed=2)) < 0.02


def test_many_find_what_each_finds() -> None:
    """Rows that are aligned with others of other lengths change nothing."""
    steady = np.full(HOURS, 0.93)
    every = [
        counted(NIGHTS, calls_an_hour=rate, seed=at) for at, rate in enumerate((100.0, 12.0, 0.5))
    ]
    every.append(counted(steady, calls_an_hour=40, seed=9))
    mixtures = posteriors(every, [Prior()] * len(every), now_hour=HOURS)
    between = np.broadcast_to(mixtures.between_hours, len(every))
    assert between[0] > 0
    for got, own in zip(between, every, strict=True):
        assert math.sqrt(got) == pytest.approx(found(own), abs=1e-9, nan_ok=True)


def test_an_interval_widens_on_both_sides_and_stays_within_0_and_1() -> None:
    """Half-widths of .02 and of 1.645 times .05 make one of .0847."""
    low, high = widened(0.90, (0.88, 0.92), 0.05**2)
    assert low == pytest.approx(0.90 - math.hypot(0.02, 1.645 * 0.05))
    assert high == pytest.approx(0.90 + math.hypot(0.02, 1.645 * 0.05))
    assert widened(0.99, (0.98, 1.0), 0.05**2)[1] == 1
    for unknown in (0.0, math.nan):
        assert widened(0.90, (0.88, 0.92), unknown) == pytest.approx((0.88, 0.92))
