"""The trust detector against the recursion it stands for, and exact Beta distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.detectors.trust import mixture as rates
from gonogo.detectors.trust import score as trust
from gonogo.detectors.trust.prior import Prior, population_prior
from gonogo.errors import DataError

calls = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=60)
PRIOR = Prior(0.8, 5.0)


def call_by_call(
    hours: list[int], goods: list[bool], now: int, prior: Prior
) -> tuple[list[float], list[float], list[float]]:
    """Nested memories and fixed share, one call at a time, in plain numbers."""
    size = len(trust.HALF_LIVES_DAYS)
    weight = [1 / size] * size
    seen: list[tuple[int, bool]] = []

    def memories(at: int) -> tuple[list[float], list[float]]:
        a, b = [0.0] * size, [0.0] * size
        mean, strength = prior.mean, prior.strength
        nest = trust.NEST_STRENGTH * (1 + 15 / (15 + len(seen)))
        for j in reversed(range(size)):
            half = trust.HALF_LIVES_DAYS[j] * 24
            good = sum(0.5 ** ((at - h) / half) for h, g in seen if g)
            bad = sum(0.5 ** ((at - h) / half) for h, g in seen if not g)
            a[j], b[j] = good + strength * mean, bad + strength * (1 - mean)
            mean, strength = a[j] / (a[j] + b[j]), nest
        return a, b

    for hour, good in zip(hours, goods, strict=True):
        a, b = memories(hour)
        said = [x / (x + y) if good else y / (x + y) for x, y in zip(a, b, strict=True)]
        weight = [w * s for w, s in zip(weight, said, strict=True)]
        weight = [0.98 * w / sum(weight) + 0.02 / size for w in weight]
        seen.append((hour, good))
    return weight, *memories(now)


@given(calls, st.integers(0, 500))
def test_single_calls_follow_the_recursion(steps: list[tuple[int, bool]], later: int) -> None:
    """Oracle: with one call an hour the batch form is fixed share itself."""
    hours = np.cumsum([gap for gap, _ in steps])
    goods = [good for _, good in steps]
    now = int(hours[-1]) + later
    weight, a, b = call_by_call(hours.tolist(), goods, now, PRIOR)
    got = trust.posterior(
        hours, np.array(goods, dtype=np.int64), np.ones_like(hours), now_hour=now, prior=PRIOR
    )
    np.testing.assert_allclose(got.weight, weight, atol=1e-9)
    # The spread is scaled, the rates are not.
    np.testing.assert_allclose(got.a / got.b, np.array(a) / np.array(b), rtol=1e-9)
    share = got.a / np.array(a)
    np.testing.assert_allclose(share, share[0], rtol=1e-9)
    assert 0.5 - 1e-9 <= share[0] <= 1.15 + 1e-9


def random_hours(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hours of calls whose rate jumps every 200 rows."""
    rng = np.random.default_rng(seed)
    hour = np.cumsum(rng.integers(1, 4, rows))
    n = rng.integers(1, 30, rows)
    rate = np.where((np.arange(rows) // 200) % 2, 0.95, 0.7)
    return hour, rng.binomial(n, rate), n


def test_a_rate_that_keeps_moving_is_known_less_well_from_as_many_calls() -> None:
    """Nine good of ten, evenly or in outages: then calls count for less in the spread."""
    hour = np.arange(1, 1001)
    n = np.full(1000, 10)
    even = np.full(1000, 9)
    moving = np.where(np.arange(1000) // 20 % 5 == 0, 5, 10)
    counts_for = []
    for good in (even, moving):
        assert good.sum() == 9000
        mixture = trust.posterior(hour, good, n, now_hour=1000, prior=PRIOR)
        counts_for.append(float((mixture.a + mixture.b)[-1]))
    assert counts_for[0] > 1.5 * counts_for[1]


def test_rows_before_the_weighed_ones_enter_by_their_sums() -> None:
    """A cut that leaves 512 rows to weigh gives the same mixture as weighing all 3,000."""
    hour, good, n = random_hours(3000, seed=1)
    whole = trust.trust_path(hour, good, n, prior=PRIOR, rows_max=3000)
    cut = trust.trust_path(hour, good, n, prior=PRIOR)
    np.testing.assert_allclose(cut.good, whole.good[-512:], rtol=1e-9)
    np.testing.assert_allclose(cut.weight[-1], whole.weight[-1], atol=1e-5)


def test_part_of_an_hour_is_scored_as_if_it_were_the_whole() -> None:
    """Half an hour's calls on top of the path equal a posterior over just those calls."""
    hour, good, n = random_hours(300, seed=2)
    path = trust.trust_path(hour, good, n, prior=PRIOR)
    row = np.array([150, 299, 0])
    got = trust.after_batch(path, row, np.array([1, 0, 0]), np.array([1, 1, 0]))
    for at, (index, seen, of) in enumerate([(150, 1, 1), (299, 0, 1), (0, 0, 0)]):
        want = trust.posterior(
            hour[: index + 1],
            np.r_[good[:index], seen],
            np.r_[n[:index], of],
            now_hour=int(hour[index]),
            prior=PRIOR,
        )
        np.testing.assert_allclose(got.mean()[at], want.mean(), atol=1e-9)


def exact_cdf(a: int, b: int, x: float) -> float:
    """Beta(a, b) distribution for whole numbers, as a binomial tail."""
    n = a + b - 1
    return sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 80), st.integers(1, 80)), min_size=5, max_size=5),
    st.lists(st.floats(0.05, 1), min_size=5, max_size=5),
)
def test_quantiles_of_a_mixture_are_right_to_1e_4(
    shapes: list[tuple[int, int]], raw: list[float]
) -> None:
    """Oracle: the exact distribution function takes the quantile back to its probability."""
    weight = np.array(raw) / sum(raw)
    mixture = rates.BetaMixture(
        weight, np.array([float(a) for a, _ in shapes]), np.array([float(b) for _, b in shapes])
    )
    for probability in (0.05, 0.5, 0.95):
        x = float(rates.quantiles(mixture, np.array([probability]))[0])
        either_side = [
            sum(w * exact_cdf(a, b, y) for w, (a, b) in zip(weight, shapes, strict=True))
            for y in (max(x - 1e-4, 0.0), min(x + 1e-4, 1.0))
        ]
        assert either_side[0] <= probability <= either_side[1]


@pytest.mark.parametrize(("a", "b"), [(0.02, 40.0), (60.0, 0.05), (2e5, 3e3)])
def test_extreme_shapes_keep_their_mean(a: float, b: float) -> None:
    """Points of equal probability average to the mean, at the edges of [0, 1] too."""
    five = np.ones(5)
    mixture = rates.BetaMixture(five / 5, a * five, b * five)
    points = rates.equal_points(mixture, 4000)
    assert points.mean() == pytest.approx(a / (a + b), abs=3e-4)


def test_prior_is_found_again_by_moments() -> None:
    """400 dependencies drawn from Beta(18, 2) give back mean .9 and strength 20, roughly."""
    rng = np.random.default_rng(3)
    n = rng.integers(20, 300, 400)
    prior = population_prior(rng.binomial(n, rng.beta(18, 2, 400)), n)
    assert prior.mean == pytest.approx(0.9, abs=0.01)
    assert 15 < prior.strength < 27


def test_prior_of_few_or_flawless_dependencies_stays_inside() -> None:
    """Two dependencies are no population; one without a failure does not make 1.0 certain."""
    two = population_prior(np.array([9, 8]), np.array([10, 10]))
    assert two == Prior()
    flawless = population_prior(np.full(9, 100), np.full(9, 100))
    assert flawless.mean < 1
    assert flawless.strength == 50


def test_product_and_comparison_of_rates_agree_with_draws() -> None:
    """The product's quantiles and P(first > second) match a million draws."""
    rng = np.random.default_rng(4)
    one = rates.BetaMixture(np.full(5, 0.2), np.arange(1.0, 6) * 9, np.arange(1.0, 6))
    two = rates.BetaMixture(np.full(5, 0.2), np.arange(1.0, 6) * 5, np.arange(1.0, 6))
    draws = [
        rng.beta(m.a[pick], m.b[pick])
        for m in (one, two)
        for pick in [rng.integers(0, 5, 1_000_000)]
    ]
    first, second = rates.equal_points(one), rates.equal_points(two)
    assert rates.p_greater(first, second) == pytest.approx(np.mean(draws[0] > draws[1]), abs=2e-3)
    product = rates.product_points(first, second)
    low, high = rates.point_interval90(product)
    got = (low, np.median(product), high)
    want = np.quantile(draws[0] * draws[1], [0.05, 0.5, 0.95])
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_malformed_rows_are_refused() -> None:
    """More good calls than calls, or hours out of order, are an error and not a score."""
    one = np.array([1, 2])
    with pytest.raises(DataError, match="good"):
        trust.trust_path(one, np.array([2, 0]), np.array([1, 1]), prior=PRIOR)
    with pytest.raises(DataError, match="ascend"):
        trust.trust_path(one[::-1], np.array([1, 0]), np.array([1, 1]), prior=PRIOR)
