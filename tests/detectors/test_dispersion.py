"""How much days differ, from few of them: measured where they do, and not made up by a fall."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.rate.dispersion import early_dispersion, hourly_dispersion
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule

PER_HOUR, DAYS = 20, 14


def stream(rates: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hourly bad labels of days with these rates, and the labels and bad ones a day."""
    rng = np.random.default_rng(seed)
    bad = rng.binomial(PER_HOUR, np.repeat(rates, 24)).astype(float)
    by_day = bad.reshape(-1, 24).sum(axis=1)
    return bad, np.full(len(rates), 24.0 * PER_HOUR), by_day


@pytest.mark.parametrize(("sd", "low", "high"), [(0.0, 0.9, 1.1), (0.02, 3.4, 5.4)])
def test_it_is_unbiased_where_the_level_stays(sd: float, low: float, high: float) -> None:
    """On average over streams it finds 1, or 1 + labels a day x variance / p(1-p) = 4.4."""
    rng = np.random.default_rng(7)
    found = [
        early_dispersion(*stream(np.clip(0.06 + sd * rng.standard_normal(DAYS), 0, 1), s)[1:])
        for s in range(400)
    ]
    assert low < np.mean([f.observed for f in found]) < high


@pytest.mark.parametrize("hour", [0, 12], ids=["at midnight", "at noon"])
@pytest.mark.parametrize("drop", [0.1, 0.2, 0.45])
def test_a_fall_of_any_size_is_no_dispersion(drop: float, hour: int) -> None:
    """Found in most streams within three days, and from 20 points on in all of them within two."""
    late = []
    for seed in range(20):
        rates = np.full(9 * 24, 0.06)
        rates[6 * 24 + hour :] += drop
        rng = np.random.default_rng(seed)
        bad = rng.binomial(PER_HOUR, rates).astype(float)
        n = np.full(len(bad), float(PER_HOUR))
        spread = hourly_dispersion(np.arange(len(n)), n, bad)
        watch = watch_rate(n, bad, RateRule(needed=2e5, dispersion=spread.used))
        late += [(e.alarmed - (6 * 24 + hour)) / 24 for e in watch.episodes[:1]]
    assert min(late) >= 0
    if drop < 0.2:
        assert len(late) >= 15
    else:
        assert len(late) == 20
        assert max(late) < 2
        assert np.median(late) < 0.5


def test_hours_that_hang_together_count_for_less_and_others_hardly() -> None:
    """A correlation of .9 an hour is worth four; days alone tell two and a half, and too little in half of the streams."""
    told: dict[float, list[float]] = {0.0: [], 0.4: []}
    for sd, found in told.items():
        for seed in range(60):
            rng = np.random.default_rng(seed)
            level, now = np.empty(24 * DAYS), sd * rng.standard_normal()
            for hour in range(len(level)):
                level[hour] = now = 0.9 * now + sd * math.sqrt(0.19) * rng.standard_normal()
            rate = 1 / (1 + np.exp(2.2 - level))
            n = np.full(len(level), 12.0)
            used = hourly_dispersion(np.arange(len(n)), n, rng.binomial(12, rate).astype(float))
            found.append(used.used)
    steady, hanging = (np.median(found) for found in told.values())
    assert 1.0 <= steady < 2.1
    assert 3.5 < hanging < 6.0
    assert np.quantile(told[0.4], 0.2) > 2.2


def test_hours_of_the_day_that_differ_are_no_dispersion() -> None:
    """Nights at five times the rate of days, no calls at noon, and a week with an expectation of its own."""
    hour = np.arange(DAYS * 24)
    n = np.where(hour % 24 == 12, 0.0, 30.0)
    is_night, is_weekend = hour % 24 < 8, hour // 24 % 7 >= 5
    rate = np.where(is_night, 0.2, 0.04) + 0.1 * is_weekend
    unknown, known = [], []
    for seed in range(40):
        bad = np.random.default_rng(seed).binomial(n.astype(int), rate).astype(float)
        unknown.append(hourly_dispersion(hour, n, bad).used)
        known.append(hourly_dispersion(hour, n, bad, n * 0.1 * (is_weekend - 2 / 7)).used)
    assert np.median(unknown) > 4
    assert np.median(known) < 2


def test_too_few_days_tell_nothing() -> None:
    """One step could be the fall itself."""
    for days in (0, 1, 2):
        n, bad = np.full(days, 100.0), np.full(days, 6.0)
        assert early_dispersion(n, bad).used == 1.0
        assert hourly_dispersion(24 * np.arange(days), n, bad).used == 1.0
