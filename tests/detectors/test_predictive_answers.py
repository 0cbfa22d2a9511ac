"""What is read off the detector: onset, size, power, comparison, dispersion, seasons."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.log_space import log_beta, log_beta_above
from gonogo.detectors.rate.comparison import compare_rates, fisher_worse
from gonogo.detectors.rate.dispersion import daily_dispersion, weekend_offsets, weekly_offsets
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule, deltas_for, detectable_now
from gonogo.detectors.rate.starts import rate_since
from gonogo.errors import DataError, NotEnoughData, ParameterError

RULE = RateRule(needed=1e5)


@pytest.mark.parametrize(("before", "after"), [(0.06, 0.11), (0.06, 0.5), (0.3, 0.2)])
def test_the_interval_after_an_alarm_covers_and_is_narrow(before: float, after: float) -> None:
    """Twenty-four streams at their alarms and a day on: it covers, excludes 0, and is no wider than needed."""
    covered, widths = {0: 0, 24: 0}, {0: list[float](), 24: list[float]()}
    for seed in range(24):
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
    assert min(covered.values()) >= 19  # three standard errors below .95
    assert float(np.median(widths[0])) <= 2
    assert float(np.median(widths[24])) <= 1.5


@pytest.mark.parametrize(("before", "after", "hours"), [(0.4, 0.25, 6), (0.4, 0.37, 400)])
def test_a_change_that_is_nearly_over_is_told_as_one(
    before: float, after: float, hours: int
) -> None:
    """Where most labels since are as good as before, an alarm that lasts still excludes no change."""
    lasting = 0
    for seed in range(12):
        rng = np.random.default_rng((31, seed))
        n = rng.poisson(80, 480)
        rate = np.full(480, before)
        rate[144 : 144 + hours] = after
        bad = rng.binomial(n, rate)
        watch = watch_rate(n, bad, RateRule(needed=1e3))
        if watch.status in ("up", "down"):
            lasting += 1
            found = rate_since(n, bad, RULE, watch, side=watch.episodes[-1].side)
            assert found.change_low > 0 or found.change_high < 0
    assert lasting > 0


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


def test_a_comparison_of_equal_rates_averages_one() -> None:
    """Every outcome of 7 and 5 labels, weighed by Beta(1/2, 1/2): the mean of each evidence is 1."""
    means = np.zeros(3)
    for x, y in itertools.product(range(8), range(6)):
        seen = compare_rates(7, x, 5, y, RULE)
        chance = math.comb(7, x) * math.comb(5, y) * _jeffreys(x + y, 12)
        means += chance * np.exp([seen.up_nats, seen.down_nats, seen.evidence_nats])
    np.testing.assert_allclose(means, 1, atol=1e-9)


def _jeffreys(bad: int, n: int) -> float:
    """Chance of one order of outcomes under Beta(1/2, 1/2)."""
    terms = (math.lgamma(bad + 0.5), math.lgamma(n - bad + 0.5), -math.lgamma(n + 1.0))
    return math.exp(sum(terms)) / math.pi


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(("n_before", "n_after"), [(20, 20), (40, 15)])
def test_a_comparison_keeps_its_promise_at_every_rate(
    rate: float, n_before: int, n_after: int
) -> None:
    """All tables, weighed by their chance: 100 in at most 1 % and 20 in at most 5 %, each side."""
    reached = np.zeros((2, 2))
    before, after = (
        [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)]
        for n in (n_before, n_after)
    )
    for x, y in itertools.product(range(n_before + 1), range(n_after + 1)):
        if (chance := before[x] * after[y]) > 1e-9:
            seen = compare_rates(n_before, x, n_after, y, RULE)
            nats = np.array([[seen.up_nats], [seen.down_nats]])
            reached += chance * (nats >= np.log([100, 20]))
    assert (reached <= [0.01, 0.05]).all()


def test_more_harm_is_always_more_evidence() -> None:
    """Random tables: one more bad outcome on the second side never takes evidence away.

    From no bad outcome to all bad, whatever the first side's rate, the sizes and the deltas.
    """
    rng = np.random.default_rng(11)
    for _ in range(120):
        n_before, n_after = (int(x) for x in 10 ** rng.uniform(0.5, 3.3, 2))
        bad = int(rng.binomial(n_before, rng.beta(0.5, 2)))
        rule = RateRule(needed=100, deltas=deltas_for(float(rng.choice([0.01, 0.05, 0.2]))))
        some = rng.integers(0, n_after, 3)
        bads = np.unique(np.concatenate((some, some + 1, [0, n_after])))
        seen = [compare_rates(n_before, bad, n_after, float(k), rule) for k in bads]
        up, down = (np.diff([getattr(s, side) for s in seen]) for side in ("up_nats", "down_nats"))
        # Where all or none of the first side is bad, nothing can be worse (better) than it.
        assert (up > 0).all() if bad < n_before else (up == 0).all()
        assert (down < 0).all() if bad > 0 else (down == 0).all()


@pytest.mark.parametrize(
    ("n", "drop", "level", "share"),
    [
        (50, 0.3, 100, 0.6),
        (100, 0.3, 100, 0.95),
        (100, 0.5, 100, 0.999),
        (200, 0.1, 100, 0.3),
        (500, 0.05, 100, 0.25),
        (50, 0.2, 20, 0.45),
    ],
)
def test_a_comparison_finds_so_many_drops(n: int, drop: float, level: float, share: float) -> None:
    """Exact power, 6 % bad at first: the smallest count that tells, for each first side."""
    found = 0.0
    before, after = (
        np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
        for p in (0.06, 0.06 + drop)
    )
    for x in np.flatnonzero(before > 1e-5).tolist():
        low, high = 0, n + 1
        while low < high:
            y = (low + high) // 2
            enough = compare_rates(n, x, n, y, RULE).up_nats >= math.log(level)
            low, high = (low, y) if enough else (y + 1, high)
        found += float(before[x] * after[low:].sum())
    assert found >= share


def test_a_collapse_of_any_size_keeps_its_evidence() -> None:
    """A million labels that all fail: no number overflows, and none is lost."""
    seen = compare_rates(1e6, 6e4, 1e6, 1e6, RULE)
    assert seen.up_nats > 1e6
    assert seen.down_nats < -1e6
    assert 1e-300 < fisher_worse(400, 0, 400, 350) < 1e-100
    assert fisher_worse(10, 5, 10, 5) > 0.5


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 99))
def test_the_upper_part_of_a_beta_integral_is_a_binomial_sum(a: int, b: int, percent: int) -> None:
    """Oracle: P(Beta(a, b) > x) is the chance of fewer than a successes of a + b - 1 at x."""
    n, x = a + b - 1, percent / 100
    tail = math.fsum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a))
    sides = np.array([float(a)]), np.array([float(b)])
    nats = log_beta_above(np.array([x]), *sides) - log_beta(*sides)
    assert nats[0] == pytest.approx(math.log(tail), abs=1e-9)


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


def test_weekends_are_learned_from_two_weeks_that_agree() -> None:
    """One level, about as large as it is; none where one week had it, from days that differ, or from nothing."""
    rng = np.random.default_rng(7)
    at = np.arange(14 * 24)
    hour, day, n = at % 168, at // 24, np.full(14 * 24, 12)
    ends = hour // 24 >= 5
    found = weekend_offsets(n, rng.binomial(n, np.where(ends, 0.18, 0.06)), hour, day)
    assert len(set(found.tolist())) == 2
    step = math.log(0.18 / 0.82) - math.log(0.06 / 0.94)
    assert found[-1] - found[0] == pytest.approx(step, rel=0.25)
    for bad in (
        rng.binomial(n, np.where(ends & (day > 6), 0.3, 0.06)),
        rng.binomial(n, 0.06),
        rng.binomial(n, rng.uniform(0.0, 0.3, 14)[day]),
    ):
        assert not weekend_offsets(n, bad, hour, day).any()
    with pytest.raises(DataError):
        weekend_offsets(n, n, hour, day[1:])
