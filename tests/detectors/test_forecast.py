"""The forecast of what calls will cost: regimes, level, draws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats
from gonogo.detectors.cost.days import level_drift
from gonogo.detectors.cost.dependence import (
    cautious_both_ways,
    correlation_time,
    heavy_tail,
    regime_start,
    split_correlation,
)
from gonogo.detectors.cost.forecast import (
    CostModel,
    chance_within,
    fit_costs,
    quantile_by_calls,
    spend_draws,
)
from gonogo.errors import DataError, ParameterError
from gonogo.records import DAY_MS


def _costs(n: int, *, seed: int = 0, sd: float = 0.8) -> Floats:
    return np.random.default_rng(seed).lognormal(1.0, sd, n)


def _model(n: int = 60, **how: float) -> CostModel:
    return fit_costs(_costs(n), seed=1, **how)  # type: ignore[arg-type]  # prior_sd alone


def test_an_interval_covers_as_often_as_it_says() -> None:
    """80 % of totals of independent calls, within three standard errors of 200 forecasts."""
    inside = 0
    for seed in range(200):
        costs = _costs(50, seed=seed)
        low, high = np.quantile(spend_draws(fit_costs(costs[:30], seed=1), calls=20), [0.1, 0.9])
        inside += low <= costs[30:].sum() <= high
    assert 0.8 - 0.085 <= inside / 200 <= 0.8 + 0.1


def test_a_step_is_found_where_it_is_and_an_even_stream_is_left_whole() -> None:
    """The newest of two steps; constants too; few false splits among 200 even streams."""
    logs = np.log(_costs(90))
    logs[30:] += 4
    logs[60:] -= 6
    assert abs(regime_start(logs) - 60) <= 1
    assert regime_start(np.r_[np.zeros(20), np.ones(7)]) == 20
    assert regime_start(np.zeros(50)) == 0
    assert regime_start(np.log(_costs(9))) == 0
    split = sum(regime_start(np.log(_costs(100, seed=seed))) > 0 for seed in range(200))
    assert split <= 6


def test_conversations_of_their_own_level_are_no_regimes() -> None:
    """Fifty of about ten calls each: a regime that began with one of them would be the future's level."""
    split = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        levels = [np.full(rng.geometric(0.1), 0.8 * rng.standard_normal()) for _ in range(80)]
        logs = np.concatenate(levels)[:500]
        split += regime_start(logs + 0.4 * rng.standard_normal(logs.size)) > 0
    assert split <= 10


def test_the_same_calls_give_the_same_draws_in_any_unit() -> None:
    """Seeded; nothing of the input is changed; micro-dollars or dollars."""
    costs = _costs(60)
    kept = costs.copy()
    costs.flags.writeable = False
    first = spend_draws(fit_costs(costs, seed=5), calls=40)
    again = spend_draws(fit_costs(costs, seed=5), calls=40)
    scaled = spend_draws(fit_costs(costs * 1e6, seed=5), calls=40)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(scaled, first * 1e6, rtol=1e-9)
    np.testing.assert_array_equal(costs, kept)
    assert (np.diff(first) >= 0).all()


def test_free_calls_are_counted_as_free() -> None:
    """All free: nothing. Half free: half the cost."""
    assert spend_draws(fit_costs(np.zeros(20), seed=1), calls=10).max() == 0
    half = np.where(np.arange(60) % 2, 2.0, 0.0)
    assert np.median(spend_draws(fit_costs(half, seed=1), calls=50)) == pytest.approx(50, rel=0.1)


def test_a_small_jump_a_few_calls_ago_moves_the_level_and_widens_it() -> None:
    """Too little for a split: the forecast goes part of the way, and is less sure."""
    costs = _costs(100, seed=3, sd=0.6)
    jumped = costs.copy()
    jumped[-8:] *= 2.2
    assert regime_start(np.log(jumped)) == 0
    before, after = (level_drift(each) for each in (costs, jumped))
    assert float(after.weights @ after.shift) > float(before.weights @ before.shift) + 0.1
    spread = [float(d.weights @ d.spread(20) ** 2) for d in (before, after)]
    assert spread[1] > spread[0]


def test_a_level_that_wanders_is_less_certain_a_thousand_calls_ahead() -> None:
    """Calls of one level, shuffled, tell more about their mean than the same calls in order."""
    rng = np.random.default_rng(7)
    wandering = _costs(1000, seed=7) * np.exp(np.cumsum(rng.normal(0, 0.01, 1000)))
    shuffled = rng.permutation(wandering)
    width = []
    for costs in (wandering, shuffled):
        draws = spend_draws(fit_costs(costs, seed=1), calls=1000)
        width.append(float(np.log(np.quantile(draws, 0.9) / np.quantile(draws, 0.1))))
    assert width[0] > 1.2 * width[1]


def test_a_declared_total_pulls_the_more_the_fewer_calls_were_seen() -> None:
    """Towards the declared total, never past it, and narrower for it."""
    pulls = []
    for n in (6, 600):
        model = _model(n)
        free, told = (spend_draws(model, calls=20, declared=d) for d in (None, 300.0))
        pulls.append(
            float(np.log(np.median(told) / np.median(free)) / np.log(300 / np.median(free)))
        )
        assert np.log(told).std() <= np.log(free).std()
    assert 0.05 < pulls[0] < 1
    assert 0 <= pulls[1] < pulls[0] / 10


@pytest.mark.parametrize("n", [6, 60, 600])
def test_the_quick_quantiles_agree_with_the_draws(n: int) -> None:
    """Rising with calls, and within a tenth of the draws' own from ten calls on."""
    model = _model(n)
    calls = np.array([10, 40, 200, 1000], dtype=float)
    quick = quantile_by_calls(model, calls, probability=0.7)
    slow = [np.quantile(spend_draws(model, calls=int(each)), 0.7) for each in calls]
    assert (np.diff(quick) > 0).all()
    np.testing.assert_allclose(quick, slow, rtol=0.15 if n < 20 else 0.1)


def test_a_chance_is_never_quite_nought_or_one() -> None:
    """Draws are finite; a million calls are still forecast in finite numbers."""
    draws = spend_draws(_model(), calls=1_000_000)
    assert np.isfinite(draws).all()
    assert 0 < chance_within(draws, 0) < 0.001
    assert 0.999 < chance_within(draws, 1e30) < 1


@pytest.mark.parametrize("bad", [[], [1.0, -1.0], [1.0, np.nan], [[1.0]]])
def test_malformed_costs_are_refused(bad: list[float]) -> None:
    """Empty, negative, not finite, not a vector."""
    with pytest.raises(DataError):
        fit_costs(np.array(bad), seed=1)


def test_a_plan_without_calls_is_refused() -> None:
    """At least one call."""
    with pytest.raises(ParameterError, match="at least 1, not 0"):
        spend_draws(_model(), calls=0)


@given(
    seed=st.integers(0, 10_000),
    n=st.sampled_from([5, 9, 20, 60, 300]),
    sd=st.sampled_from([0.05, 0.5, 1.2]),
    paid=st.sampled_from([1.0, 0.6]),
    plan=st.lists(st.integers(1, 3000), min_size=2, max_size=4, unique=True),
)
@settings(max_examples=12)
def test_more_calls_are_never_cheaper_at_any_chance(
    seed: int, n: int, sd: float, paid: float, plan: list[int]
) -> None:
    """Whatever was seen: each quantile of a longer plan is at least that of a shorter one.

    But for one draw in two hundred, by a hundredth, where bursts average out as fast as calls add.
    """
    rng = np.random.default_rng(seed)
    model = fit_costs(rng.lognormal(0, sd, n) * (rng.random(n) < paid), seed=seed)
    ladder = [spend_draws(model, calls=calls) for calls in sorted(plan)]
    for fewer, more in itertools.pairwise(ladder):
        assert (more >= 0.99 * fewer).all()
        assert (more < fewer).mean() <= 0.005
        assert more.sum() >= fewer.sum()


def _days(
    n_days: int, effect: float, *, seed: int, a_day: int = 50
) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    level = np.repeat(effect * rng.standard_normal(n_days), a_day)
    costs = np.exp(level) * rng.lognormal(0, 0.5, n_days * a_day)
    index = np.arange(n_days * a_day)
    return costs, index // a_day * DAY_MS + index % a_day * (DAY_MS // a_day)


def test_a_day_to_come_is_another_day() -> None:
    """Where days differed, tomorrow's spread is wider than today's; where not, hardly."""

    def spread(effect: float, tomorrow: int) -> float:
        costs, ts_ms = _days(10, effect, seed=4)
        model = fit_costs(costs, seed=1, ts_ms=ts_ms, now_ms=int(ts_ms[-1]) + tomorrow * DAY_MS)
        draws = spend_draws(model, calls=40)
        return float(np.log(np.quantile(draws, 0.9) / np.quantile(draws, 0.1)))

    assert spread(0.6, 1) > 1.5 * spread(0.0, 1)
    assert spread(0.0, 1) < 0.6


def test_a_tenfold_day_is_a_regime_and_no_day_effect() -> None:
    """From six days on a jump between days is split off, and the level is that of the days since."""
    costs, ts_ms = _days(10, 0.1, seed=7)
    costs[300:] *= 10
    model = fit_costs(costs, seed=1, ts_ms=ts_ms, now_ms=int(ts_ms[-1]))
    assert model.start == 300
    assert np.median(spend_draws(model, calls=10)) == pytest.approx(113, rel=0.3)


def test_neighbours_that_are_alike_count_for_fewer() -> None:
    """Correlation time: 1 of independent calls, the sum of a moving average's weights of such."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal(4000)
    assert correlation_time(noise) < 1.1
    ten = np.convolve(noise, np.ones(10) / 10, "valid")
    assert correlation_time(ten) == pytest.approx(10, rel=0.25)
    assert correlation_time(np.ones(100)) == correlation_time(noise[:10]) == 1


def test_only_costs_with_a_heavy_tail_may_exceed_all_seen() -> None:
    """Lognormal costs have none; Pareto ones do, and more calls add no less."""
    rng = np.random.default_rng(6)
    assert heavy_tail(rng.lognormal(0, 0.5, 400)) is None
    tail = heavy_tail(1 + rng.pareto(1.3, 400))
    assert tail is not None
    few, many = (tail.beyond(n, np.random.default_rng(1), 500) for n in (50, 500))
    assert (many >= few).all()
    assert (many > 0).mean() > (few > 0).mean() > 0


def test_one_loop_among_ordinary_calls_is_a_heavy_tail() -> None:
    """The single dearest call may be where the tail begins: no average over many hides it."""
    costs = np.random.default_rng(7).lognormal(0, 0.5, 400)
    before = heavy_tail(costs)
    costs[200] = 100 * costs.max()
    after = heavy_tail(costs)
    assert before is None
    assert after is not None
    assert after.share > 0.2


def test_low_totals_have_no_call_dearer_than_seen_and_high_ones_have_all() -> None:
    """In between by rank; of more calls no total is less."""
    low = cautious_both_ways(np.array([3.0, 1.0, 2.0]), np.array([0.0, 6.0, 0.0]))
    # Without: 1, 2, 3; with: 2, 3, 7; a sixth, a half and five sixths of the way.
    assert low == pytest.approx([1 + 1 / 6, 2.5, 3 + 4 * 5 / 6])
    rng = np.random.default_rng(8)
    model = fit_costs(1 + rng.pareto(1.3, 400), seed=1)
    assert model.tail is not None
    totals = [spend_draws(model, calls=n) for n in (1, 10, 100, 1000)]
    assert all((np.diff(each) >= 0).all() for each in totals)
    assert all((more >= fewer).all() for fewer, more in itertools.pairwise(totals))


def test_what_neighbours_share_in_costs_widens_the_forecast_of_their_sum() -> None:
    """Conversations of growing contexts: twelve calls are alike in costs, and less so in logarithms.

    The variance of a mean of 500 calls is 18 times that of independent ones (1,500 histories).
    """
    rng = np.random.default_rng(9)
    in_costs, in_logs = [], []
    for _ in range(40):
        lengths = rng.geometric(1 / 12, 100)
        costs = np.concatenate(
            [
                rng.lognormal(0, 0.4) * (1 + 0.15 * np.arange(n)) * rng.lognormal(0, 0.4, n)
                for n in lengths
            ]
        )[:500]
        in_logs.append(split_correlation(np.log(costs)))
        in_costs.append(correlation_time(costs))
        drift = level_drift(costs, correlation=in_logs[-1])
        widened = 1 + drift.burst_variance / (costs.var() / costs.mean() ** 2)
        assert widened >= in_costs[-1] - 1e-9
    assert np.mean(in_logs) < np.mean(in_costs) < 18
