"""The signals beside quality: how often health is mistaken for a change, and how soon one is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gonogo.detectors.arrays import Floats
from gonogo.detectors.outputs.semantic import daily_evidence, permutations_for, sample_change
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.shares.categories import category_dispersion, watch_categories
from gonogo.detectors.shares.consistency import daily_disagreement
from gonogo.detectors.values.shapes import group_edges, grouped, shape_change

DAYS, BASELINE, A_DAY = 54, 14, 200
# One false alarm in 200 days of 200 values: the promise for 40 days is 40 / 200.
NEEDED = 200.0 * A_DAY
PROMISE = 40 / 200
NAMES = ["a", "b", "c", "d"]
SHARES = np.array([0.5, 0.3, 0.18, 0.02])


def _margin(rate: float, streams: int) -> float:
    """Two standard errors."""
    return 2 * math.sqrt(rate * (1 - rate) / streams)


def _mixes(rng: np.random.Generator, spread: float) -> Floats:
    """Healthy days; `spread` is the standard deviation of each day's shares, in log-odds."""
    shares = SHARES * np.exp(rng.normal(0, spread, (DAYS, len(SHARES)))) if spread else SHARES
    shares = shares / shares.sum(axis=-1, keepdims=True)
    return rng.multinomial(A_DAY, shares, DAYS if shares.ndim == 1 else None).astype(np.float64)


@pytest.mark.parametrize("spread", [0.0, 0.15, 0.3])
@pytest.mark.parametrize("closed", [3, BASELINE])
def test_a_healthy_mix_seldom_alarms(spread: float, closed: int) -> None:
    """Asked daily for 40 days, days alike or not, a baseline of three days or of two weeks."""
    rng, streams, alarms = np.random.default_rng(51), 60, 0
    for _ in range(streams):
        days = _mixes(rng, spread)[BASELINE - closed :]
        dispersion = category_dispersion(days[:BASELINE], trimmed=closed < BASELINE)
        watch = watch_categories(days, NAMES, baseline=closed, needed=NEEDED, dispersion=dispersion)
        alarms += bool(watch.latched.any())
    assert alarms / streams <= PROMISE + _margin(PROMISE, streams)


def test_coats_offered_in_one_city_are_seen_within_a_few_days() -> None:
    """In a slice of 40 a day a share goes from 2 % to 20 %: in ten days in all of 40 streams."""
    rng, delays = np.random.default_rng(52), []
    for _ in range(40):
        usual = rng.multinomial(40, SHARES, 28)
        after = rng.multinomial(40, [0.4, 0.25, 0.15, 0.2], 12)
        days = np.vstack((usual, after)).astype(np.float64)
        watch = watch_categories(days, NAMES, baseline=BASELINE, needed=1e6)
        assert not watch.latched[:14].any()
        delays.append(int(np.argmax(watch.latched)) - 13 if watch.latched.any() else 99)
    assert max(delays) <= 10
    assert np.mean(delays) <= 5


def test_a_wider_distribution_is_seen_by_its_groups() -> None:
    """The mean stays: 300 values a day, half as wide again, within five days in 30 of 30."""
    rng, bins = np.random.default_rng(53), np.arange(-60, 61)
    for _ in range(30):
        spread = np.where(np.arange(30) < 20, 10, 15)[:, None]
        values = np.clip(np.rint(rng.normal(size=(30, 300)) * spread), -60, 60).astype(np.int64)
        before = np.bincount(values[:BASELINE].ravel() + 60, minlength=121)
        rows = np.arange(30).repeat(300)
        table = grouped(group_edges(bins, before), rows, values.ravel(), np.ones(9000), 30)
        names = [str(k) for k in range(table.shape[1])]
        watch = watch_categories(table, names, baseline=BASELINE, needed=1e6)
        assert not watch.latched[:6].any()
        assert watch.latched[10]


def test_the_p_value_of_psi_is_one_where_five_are_expected() -> None:
    """Of one look at healthy windows of 60 to 2,000 values about 5 % are below .05, none far more."""
    rng, bins = np.random.default_rng(54), np.arange(40)
    before = np.bincount(rng.binomial(39, 0.4, 20_000), minlength=40)
    for size in (60, 500, 2000):
        found = [
            shape_change(
                bins,
                bins.astype(float),
                before,
                np.bincount(rng.binomial(39, 0.4, size), minlength=40),
            ).p_value
            for _ in range(300)
        ]
        known = [p for p in found if p is not None]
        assert len(known) in (0, 300)
        if known:
            assert np.mean(np.array(known) < 0.05) <= 0.05 + 1.5 * _margin(0.05, 300)


def test_outputs_of_one_kind_seldom_alarm_and_a_new_topic_does() -> None:
    """60 against 40 vectors of 16: p-values are uniform; a new topic in three of ten is found."""
    rng, needed, samples = np.random.default_rng(55), 300.0, 400
    tried = permutations_for(needed)

    def p_value(seed: int, topic: int) -> float:
        after = rng.normal(size=(40, 16))
        after[:topic] += 2.0
        before = rng.normal(size=(60, 16))
        return sample_change(before, after, seed=seed, permutations=tried).p_value

    healthy = np.array([p_value(seed, 0) for seed in range(samples)])
    for level in (0.05, 0.2, 0.5):
        assert (healthy <= level).mean() <= level + 1.5 * _margin(level, samples)
    found = [daily_evidence(p_value(seed, 12), needed=needed) >= needed for seed in range(20)]
    assert sum(found) >= 17


def test_repeated_inputs_that_agree_less_are_seen() -> None:
    """Thirty inputs a day, 3 % answered differently: quiet for 40 days; 25 % is found within 8."""
    rng, alarms, late = np.random.default_rng(56), 0, 0
    for _ in range(20):
        found = []
        for after in (0.03, 0.25):
            day = np.repeat(np.arange(DAYS), 30)
            odd = rng.random(day.size) < np.where(day < DAYS - 8, 0.03, after)
            answer = np.where(odd, rng.integers(1, 1 << 40, day.size), 0)
            seen = daily_disagreement(
                np.zeros_like(day), day, np.tile(np.arange(30), DAYS), answer, np.ones_like(day)
            )
            watch = watch_rate(seen.compared, seen.differing, RateRule(needed=200.0 * 30))
            found.append(watch.status == "up")
        alarms += found[0]
        late += not found[1]
    assert alarms / 20 <= PROMISE + _margin(PROMISE, 20)
    assert late == 0
