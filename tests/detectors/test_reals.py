"""Real values: ranks from histograms, evidence that their mean moved, whole metrics followed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors import bins
from gonogo.detectors.arrays import Floats
from gonogo.detectors.values.ranks import ScoreSums, SparseRows, atoms_of, rank_scores
from gonogo.detectors.values.scale import value_scale
from gonogo.detectors.values.score_state import CELL, ScoreRule, ScoreState
from gonogo.detectors.values.scores import watch_scores
from gonogo.detectors.values.value_watch import ValueWatch, value_rule
from gonogo.errors import DataError, NotEnoughData, ParameterError
from watched_values import watch_values

RULE = ScoreRule(needed=1e5, deltas=(0.2, 0.5), weight_up=0.7, dispersion=1.5)


def sums_of(values: Floats) -> ScoreSums:
    """Each row of values is a batch."""
    size = np.full(len(values), float(values.shape[1]))
    return ScoreSums(size, values.sum(axis=1), (values**2).sum(axis=1))


def histogram(values: Floats, layout: bins.Layout = bins.LOG) -> SparseRows:
    """Each row of values is a batch."""
    row = np.repeat(np.arange(len(values)), values.shape[1])
    return SparseRows(len(values), row, bins.bin_of(layout, values.ravel()), np.ones(values.size))


def follow(values: Floats, baseline: int, layout: bins.Layout = bins.LOG) -> ValueWatch:
    """A batch a day."""
    return watch_values(
        histogram(values, layout), baseline=baseline, needed=1e4, day=np.arange(len(values))
    )


def test_evidence_is_that_of_every_start_kept_apart() -> None:
    """Oracle: one candidate for each batch and effect, in plain wealth, nothing merged or pruned."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(25, 3)) + np.linspace(0, 0.5, 25)[:, None]
    sums, phi = sums_of(values), RULE.dispersion
    size, total, squares = 40 / phi, 0.0, 40 / phi
    wealth: list[tuple[float, float, float]] = []  # weight by side, mean bet on, wealth
    expected = []
    for n0, s0, q0 in zip(sums.n, sums.total, sums.squares, strict=True):
        anchor = CELL * round(total / size / CELL)
        for step in RULE.deltas:
            wealth.append((RULE.weight_up / 2, anchor + step, n0))
            wealth.append(((1 - RULE.weight_up) / 2, anchor - step, n0))
        n, s, q = n0 / phi, s0 / phi, q0 / phi
        mean, alpha = total / size, size / 2
        beta = (squares - total**2 / size) / 2
        beta_null = beta + (q - s**2 / n) / 2 + size * n * (s / n - mean) ** 2 / (2 * (size + n))
        grown = []
        for weight, c, held in wealth:
            beta_bet = beta + (q - 2 * c * s + n * c * c) / 2
            ratio = math.sqrt((size + n) / size) * (beta_null / beta_bet) ** (alpha + n / 2)
            grown.append((weight, c, held * ratio))
        wealth = grown
        size, total, squares = size + n, total + s, squares + q
        expected.append(math.log(sum(weight * held for weight, _, held in wealth)))
    watch = watch_scores(sums, RULE, state=ScoreState.of_baseline(40, RULE))
    np.testing.assert_allclose(watch.evidence_nats, expected, rtol=1e-9)


def test_going_on_from_a_stored_state_is_the_same_as_never_stopping() -> None:
    """An episode that begins and ends, cut at every batch; the input stays as it was."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(90, 20))
    values[20:40] += 1.0
    sums = sums_of(values)
    copy = sums.total.copy()
    rule = ScoreRule(needed=1e4)
    whole = watch_scores(sums, rule, state=ScoreState.of_baseline(500, rule))
    state, pieces = ScoreState.of_baseline(500, rule), []
    for k in range(90):
        one = ScoreSums(sums.n[k : k + 1], sums.total[k : k + 1], sums.squares[k : k + 1])
        part = watch_scores(one, rule, state=state)
        state = part.state
        pieces.append((part.evidence_nats[0], part.latched[0]))
    np.testing.assert_allclose(whole.evidence_nats, [e for e, _ in pieces], atol=1e-6)
    assert whole.latched.tolist() == [bool(at) for _, at in pieces]
    assert whole.latched[25:40].all()
    assert not whole.latched[[19, 89]].any()
    np.testing.assert_array_equal(sums.total, copy)
    assert len(state.bets) < 60


@given(st.lists(st.floats(0.01, 1e4), min_size=2, max_size=60), st.floats(0.1, 10))
def test_ranks_do_not_depend_on_the_unit(values: list[float], unit: float) -> None:
    """Scores of the baseline have mean 0 and variance 1, and grow with the value."""
    places, counts = np.unique(np.array(values) * unit, return_inverse=False, return_counts=True)
    scores = rank_scores(np.arange(places.size), counts)
    if places.size > 1:
        assert scores.score @ counts == pytest.approx(0, abs=1e-6 * len(values))
        assert scores.score**2 @ counts == pytest.approx(len(values))
        assert (np.diff(scores.score) > 0).all()


def test_values_that_the_baseline_never_had_score_between_their_neighbours() -> None:
    """Unseen bins: below all, between, above all."""
    scores = rank_scores([10, 20, 30], [5, 5, 5])
    seen = scores.sums(SparseRows(3, np.arange(3), np.array([10, 20, 30]), np.ones(3))).total
    strange = scores.sums(SparseRows(3, np.arange(3), np.array([5, 15, 35]), np.ones(3))).total
    assert strange[0] < seen[0] < strange[1] < seen[1] < seen[2] < strange[2]


def test_a_value_that_most_answers_share_is_followed_as_a_rate() -> None:
    """Confidence of exactly 1 in 60 %: when it turns to 40 % the rate part sees it."""
    rng = np.random.default_rng(3)
    values = rng.beta(8, 2, size=(40, 100))
    share = np.r_[np.full(25, 0.6), np.full(15, 0.4)]
    values[rng.random(values.shape) < share[:, None]] = 1.0
    watch = follow(values, 20, bins.LOGIT)
    assert [part.atom for part in watch.parts] == [None, bins.LOGIT_ONE]
    assert watch.drifted
    ranks, ones = (part.evidence_nats[-1] for part in watch.parts)
    assert ones > watch.needed_nats > ranks
    assert not follow(values[:25], 20, bins.LOGIT).drifted


def test_a_metric_that_never_varied_is_followed_too() -> None:
    """All of the baseline in one bin: leaving it is what can be seen."""
    values = np.full((30, 50), 7.0)
    assert not follow(values, 20).drifted
    values[25:] = 9.0
    watch = follow(values, 20)
    assert watch.drifted
    assert atoms_of([3, 4, 5], [10, 70, 20]) == [4]


def test_what_the_hour_usually_brings_is_no_evidence() -> None:
    """A night cycle learned from the baseline; unlearned, it widens the dispersion instead."""
    rng = np.random.default_rng(4)
    hour = np.arange(24 * 40)
    cycle = 0.6 * np.cos(2 * np.pi * hour / 24)
    values = np.exp(rng.normal(size=(hour.size, 15)) + cycle[:, None])
    values[24 * 34 :] *= math.exp(0.5)
    found = watch_values(
        histogram(values), baseline=24 * 28, needed=1e4, day=hour // 24, hour_of_week=hour % 168
    )
    assert found.drifted
    assert found.evidence_nats[: 24 * 6].max() < found.needed_nats


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"baseline": 0}, ParameterError),
        ({"baseline": 99}, ParameterError),
        ({"needed": 0.5}, ParameterError),
        ({"day": np.arange(3)}, DataError),
        ({"hour_of_week": np.full(30, 168)}, DataError),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, object], error: type[Exception]) -> None:
    """Out of range, of another length, or no hour of a week."""
    arguments = {"baseline": 20, "needed": 1e4, "day": np.arange(30)} | change
    values = histogram(np.full((30, 5), 2.0))
    scale = value_scale(values.cut(0, 20))
    with pytest.raises(error):
        value_rule(scale, scale.sums(values), **arguments)  # type: ignore[arg-type]


def test_bad_sums_and_histograms_are_refused() -> None:
    """NaN, negative counts, rows that are not there, impossible squares, nothing at all."""
    rule = ScoreRule(needed=100)
    for n, total, squares in (([1], [math.nan], [1]), ([-1], [0], [1]), ([2], [4], [1])):
        sums = ScoreSums(*(np.array(x, dtype=float) for x in (n, total, squares)))
        with pytest.raises(DataError):
            watch_scores(sums, rule, state=ScoreState.of_baseline(10, rule))
    with pytest.raises(DataError, match="row"):
        SparseRows(1, np.array([1]), np.array([5]), np.ones(1)).checked()
    with pytest.raises(NotEnoughData, match="no value"):
        rank_scores([], [])
    with pytest.raises(ParameterError):
        ScoreRule(needed=0.1)
