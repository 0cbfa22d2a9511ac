"""What is read off the detector: onset, size, power, comparison, dispersion, seasons."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gonogo.detectors.comparison import compare_rates
from gonogo.detectors.power import detectable_now
from gonogo.detectors.predictive import RateRule, daily_dispersion
from gonogo.detectors.predictive_hours import watch_rate
from gonogo.detectors.predictive_starts import rate_since
from gonogo.detectors.seasons import weekly_offsets
from gonogo.errors import DataError, NotEnoughData, ParameterError

RULE = RateRule(needed=1e5)


@pytest.mark.parametrize(("before", "after"), [(0.06, 0.11), (0.06, 0.5), (0.3, 0.2)])
def test_the_interval_after_an_alarm_covers_and_is_narrow(before: float, after: float) -> None:
    """Forty streams at their alarms and a day on: it covers, excludes 0, and is no wider than needed."""
    covered, widths = {0: 0, 24: 0}, {0: list[float](), 24: list[float]()}
    for seed in range(40):
        rng = np.random.default_rng((30, seed))
        n = np.full(1000, 12)  # 300 a day or about
        bad = rng.binomial(n, np.repeat([before, after], [500, 500]))
        episode = watch_rate(n, bad, RULE).episodes[0]
        for later in covered:
            end = episode.alarmed + 1 + later
            watch = watch_rate(n[:end], bad[:end], RULE)
            found = rate_since(n[:end], bad[:end], RULE, watch, side=episode.side)
            covered[later] += found.change_low <= after - before <= found.change_high
            assert found.change_low > 0 or found.change_high < 0
            since = max(end - 500, 1)
            variance = before * (1 - before) / (12 * 500) + after * (1 - after) / (12 * since)
            textbook = 2 * 1.96 * math.sqrt(variance)
            widths[later].append((found.change_high - found.change_low) / textbook)
    assert min(covered.values()) >= 34  # three standard errors below .95
    assert float(np.median(widths[0])) <= 2
    assert float(np.median(widths[24])) <= 1.5


def test_a_change_beside_a_season_is_that_of_its_own_level() -> None:
    """With offsets the level is what it would be in an hour that is like the mean of all."""
    rng = np.random.default_rng(9)
    offset = np.where(np.arange(900) % 24 < 8, 0.8, -0.4)
    odds = np.log(np.repeat([0.06, 0.15], [600, 300])) - np.log1p(
        -np.repeat([0.06, 0.15], [600, 300])
    )
    n = np.full(900, 21)
    bad = rng.binomial(n, 1 / (1 + np.exp(-(odds + offset))))
    watch = watch_rate(n, bad, RULE, offset=offset)
    found = rate_since(n, bad, RULE, watch, side="up", offset=offset)
    assert found.rate_low < 0.15 < found.rate_high
    assert found.change_low < 0.09 < found.change_high
    assert found.change_high - found.change_low < 0.05


def test_no_labels_since_a_reset_is_not_a_start() -> None:
    """There is nothing to weigh; it says so instead of guessing."""
    watch = watch_rate([0, 0], [0, 0], RULE)
    with pytest.raises(NotEnoughData):
        rate_since([0, 0], [0, 0], RULE, watch, side="up")


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_a_comparison_of_equal_rates_averages_one(rate: float) -> None:
    """Every outcome of 7 and 5 labels, at any common rate: the mean of each evidence is 1."""
    means = np.zeros(3)
    for x, y in itertools.product(range(8), range(6)):
        chance = math.comb(7, x) * math.comb(5, y) * rate ** (x + y) * (1 - rate) ** (12 - x - y)
        seen = compare_rates(7, x, 5, y, RULE)
        means += chance * np.exp([seen.up_nats, seen.down_nats, seen.evidence_nats])
    np.testing.assert_allclose(means, 1, atol=1e-9)


def test_a_comparison_sees_what_is_there() -> None:
    """Two versions of a real model, 840 and 511 good of 1,000; and two that do not differ."""
    assert compare_rates(1000, 160, 1000, 489, RULE).evidence_nats > math.log(1e20)
    better = compare_rates(1000, 481, 1000, 238, RULE)
    assert better.down_nats > math.log(1e10)
    assert better.down_nats > better.up_nats
    assert compare_rates(1000, 60, 1000, 63, RULE).evidence_nats < 0


def test_detectable_shrinks_with_labels_and_grows_with_caution() -> None:
    """More labels show less; a rarer false alarm, or days that differ, need more."""
    sizes = [detectable_now(before=2000, since=n, rate=0.06, rule=RULE) for n in (200, 1000, 5000)]
    assert sizes == sorted(sizes, key=lambda s: -(s or 1))
    small, large = sizes[-1], sizes[0]
    assert small is not None
    assert large is not None
    rarer = detectable_now(before=2000, since=1000, rate=0.06, rule=RateRule(needed=1e7))
    spread = detectable_now(
        before=2000, since=1000, rate=0.06, rule=RateRule(needed=1e5, dispersion=2)
    )
    assert sizes[1] is not None
    assert rarer is not None
    assert spread is not None
    assert min(rarer, spread) > sizes[1]
    assert detectable_now(before=2000, since=3, rate=0.06, rule=RULE) is None
    with pytest.raises(ParameterError):
        detectable_now(before=-1, since=3, rate=0.06, rule=RULE)


def test_dispersion_is_pearsons_statistic() -> None:
    """By hand for three days; raised by a quarter of a standard error; never below 1."""
    n, bad = [100, 100, 100], [2, 6, 10]
    observed = daily_dispersion(n, bad)
    assert observed.observed == pytest.approx(32 / (100 * 0.06 * 0.94) / 2)
    assert observed.used == pytest.approx(1.25 * observed.observed)
    assert daily_dispersion([100, 0, 100], [6, 0, 6]).used == 1
    assert daily_dispersion([100], [6]).used == 1
    assert daily_dispersion([100, 100], [0, 0]).used == 1


def test_a_weekly_cycle_is_learned_and_chance_is_not() -> None:
    """Four weeks of nights at five times the rate of days; and four weeks of nothing."""
    rng = np.random.default_rng(6)
    hour = np.arange(28 * 24) % 168
    night = hour % 24 < 8
    n, bad = np.full(672, 40), rng.binomial(40, np.where(night, 0.15, 0.03))
    offset = weekly_offsets(n, bad, hour)
    step = offset[:168][night[:168]].mean() - offset[:168][~night[:168]].mean()
    assert step == pytest.approx(math.log(0.15 / 0.85) - math.log(0.03 / 0.97), rel=0.15)
    flat = weekly_offsets(n, rng.binomial(40, 0.06, 672), hour)
    assert np.abs(flat).max() < 0.25
    with pytest.raises(DataError):
        weekly_offsets(n, bad, hour + 1)
