"""A candidate's trial: evidence that it is not worse, how rarely that errs, and what a stage does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.arrays import Floats
from gonogo.detectors.promotion.candidate_trial import (
    MetricEvidence,
    PairedHours,
    expected_days,
    first_stage,
    limit_days,
    stage_move,
    weigh,
)
from gonogo.detectors.promotion.difference import METRICS, PASSING, WORSE_WEIGHTS
from gonogo.detectors.promotion.hour_evidence import (
    LINES,
    current_bet,
    current_bets,
    hour_nats,
    remembered,
)
from gonogo.errors import DataError, ParameterError

counts = st.integers(0, 20)
rate = st.floats(0.0, 0.9)


@given(n_a=counts, n_b=counts, a=rate, bet=st.floats(0.001, 0.95), line=st.sampled_from(LINES))
def test_on_its_boundary_an_hour_is_worth_at_most_one_in_the_mean(
    n_a: int, n_b: int, a: float, bet: float, line: float
) -> None:
    """The e-value's mean over both binomials, exactly, where the candidate is worse by the line."""
    b = min(a + line, 1.0)
    grid_a, grid_b = np.arange(n_a + 1), np.arange(n_b + 1)
    chance = np.outer(_binomial(n_a, b - line), _binomial(n_b, b))
    shape = chance.shape
    nats = hour_nats(
        np.full(shape, n_a),
        np.broadcast_to(grid_a[:, None], shape),
        np.full(shape, n_b),
        np.broadcast_to(grid_b, shape),
        bet=bet,
        lines=(line,),
    )
    means = (chance[..., None] * np.exp(nats.not_worse[..., 0, :])).sum(axis=(0, 1))
    assert (means <= 1 + 1e-6).all()


@given(a=rate, bet=st.floats(0.001, 0.95), line=st.sampled_from(LINES), alike=st.floats(0.0, 1.0))
def test_what_both_answer_alike_is_worth_at_most_one_in_the_mean_too(
    a: float, bet: float, line: float, alike: float
) -> None:
    """A shadow's answer to the same input, from independent of the served one to as alike as can be."""
    b = min(a + line, 1.0)
    a = b - line
    both = a * b + alike * (a - a * b)
    chance = np.array([[1 - a - b + both, b - both], [a - both, both]])
    x_a, x_b = np.array([[0, 0], [1, 1]]), np.array([[0, 1], [0, 1]])
    ones = np.ones((2, 2))
    nats = hour_nats(ones, x_a, ones, x_b, bet=bet, lines=(line,))
    means = (chance[..., None] * np.exp(nats.not_worse[..., 0, :])).sum(axis=(0, 1))
    assert (means <= 1 + 1e-6).all()
    # That it is worse: on the boundary both are bad equally often.
    equal = b * b + alike * (b - b * b)
    chance = np.array([[1 - 2 * b + equal, b - equal], [b - equal, equal]])
    assert ((chance[..., None] * np.exp(nats.worse)).sum(axis=(0, 1)) <= 1 + 1e-6).all()


def _binomial(n: int, p: float) -> Floats:
    k = np.arange(n + 1)
    ways = np.array([math.comb(n, int(i)) for i in k], dtype=np.float64)
    chance: Floats = ways * p**k * (1 - p) ** (n - k)
    return chance


@given(n_a=counts, n_b=st.integers(1, 60), share=rate, bet=st.floats(0.001, 0.95))
def test_evidence_turns_with_harm(n_a: int, n_b: int, share: float, bet: float) -> None:
    """One more bad call of the candidate never speaks for it, and always against it."""
    bad = np.arange(n_b + 1)
    nats = hour_nats(
        np.full(n_b + 1, n_a), np.full(n_b + 1, share * n_a), np.full(n_b + 1, n_b), bad, bet=bet
    )
    assert (np.diff(nats.not_worse, axis=0) <= 1e-9).all()
    assert (np.diff(nats.worse, axis=0) >= -1e-9).all()


def test_a_candidate_on_the_line_hardly_ever_passes_however_often_one_looks() -> None:
    """At the boundary, with days that both share: 20 is reached in at most 5 % of 400 lives."""
    rng = np.random.default_rng(5)
    runs, hours, line = 400, 72, 0.10
    day = np.repeat(rng.normal(0, 0.03, (runs, hours // 24)), 24, axis=1)
    a = np.clip(0.06 + day, 0.0, 0.3)
    n_a, n_b = rng.poisson(15, (runs, hours)), rng.poisson(5, (runs, hours))
    x_a, x_b = rng.binomial(n_a, a), rng.binomial(n_b, a + line)
    bets = current_bets(n_a, x_a, before=(1000.0, 60.0))
    nats = hour_nats(n_a, x_a, n_b, x_b, bet=bets, lines=(line,)).not_worse[:, :, 0, 0]
    ever = np.cumsum(nats, axis=1).max(axis=1) >= math.log(20)
    assert ever.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_equal_passes_and_worse_is_sent_back() -> None:
    """Twenty days at half of 500 calls a day: the evidence of each side goes the right way."""
    rng = np.random.default_rng(6)
    hours = 480
    n = np.full(hours, 10.0)
    stage, bad = np.full(hours, 3), rng.binomial(10, 0.06, hours).astype(np.float64)
    for more, passes in ((0.0, True), (0.1, False)):
        worse = rng.binomial(10, 0.06 + more, hours).astype(np.float64)
        found = weigh(PairedHours(stage, n, bad, n, worse), stage=3, before=(1000.0, 60.0))
        assert found.passes is passes
        assert (found.worse >= 20) is not passes


def test_hours_of_another_stage_are_not_its_own() -> None:
    """What was called before the stage began counts for the whole trial alone."""
    n = np.full(100, 10.0)
    good = np.zeros(100)
    stage = np.repeat([1, 2], 50)
    found = weigh(PairedHours(stage, n, good, n, good), stage=2, before=(1000.0, 10.0))
    late = weigh(
        PairedHours(stage[50:], n[50:], good[50:], n[50:], good[50:]),
        stage=2,
        before=(1000.0, 10.0),
    )
    assert 1 < found.own < found.whole
    assert late.own == late.whole


def test_an_hour_of_one_version_alone_says_nothing() -> None:
    """Without a call of the other side there is nothing to compare."""
    nats = hour_nats([10.0, 0.0], [1.0, 0.0], [0.0, 9.0], [0.0, 9.0], bet=0.05)
    assert not nats.not_worse.any()
    assert not nats.worse.any()


def test_the_bet_is_made_of_the_past() -> None:
    """An hour's own calls do not move the bet that they are weighed by."""
    n, bad = np.array([50.0, 50.0]), np.array([50.0, 0.0])
    bets = current_bets(n, bad, before=(1000.0, 0.0))
    assert bets[0] == pytest.approx(0.5 / 1001)
    assert bets[1] == current_bet(*remembered(np.array(1000.0), np.array(0.0), n[0], bad[0]))


@pytest.mark.parametrize(
    ("n", "bad"), [([-1.0], [0.0]), ([1.0], [2.0]), ([math.nan], [0.0]), ([1.0, 2.0], [1.0])]
)
def test_malformed_counts_are_refused(n: list[float], bad: list[float]) -> None:
    """More bad than calls, negative, not a number, or shapes that differ."""
    with pytest.raises(DataError):
        hour_nats(n, bad, [1.0], [0.0], bet=0.05)


def test_a_stage_or_line_that_is_none_is_refused() -> None:
    """The stages are four, and a line is a fraction."""
    hours = PairedHours(np.zeros(0, dtype=np.int64), *(np.zeros(0) for _ in range(4)))
    with pytest.raises(ParameterError, match="stage = 4"):
        weigh(hours, stage=4, before=(0.0, 0.0))
    with pytest.raises(ParameterError, match=r"lines\[1\]"):
        weigh(hours, stage=0, before=(0.0, 0.0), lines=(0.3, 0.0, 0.1, 0.05))


def test_what_a_stage_does() -> None:
    """Worse goes back before anything else, no stage is left early, undecided is over at its limit."""
    well, slow = MetricEvidence(2, 25.0, 3.5, 0.1), MetricEvidence(2, 25.0, 1.5, 0.1)

    def move(*metrics: MetricEvidence, worse: float = 0.1, hours: float = 20.0) -> str:
        return stage_move(metrics, worse=worse, stage=2, hours_here=hours, limit_hours=168.0)

    assert move(well, well) == "next"
    assert move(well, slow) == "stay"
    assert move(well, worse=20.0) == "back: worse"
    assert move(well, hours=11.9) == "stay"
    assert move(slow, hours=168.0) == "back: not shown"
    assert move() == "stay"  # nothing is measured: nothing passes


def test_the_first_share_and_the_patience_follow_from_the_labels() -> None:
    """5 labelled calls a day; an equal candidate takes longer where there are fewer."""
    assert first_stage(500) == (0, 0.01)
    assert first_stage(240) == (0, 0.02)
    assert first_stage(20) == (1, 0.05)
    many, few = (expected_days(0.06, n, n, line=0.05, needed=20) for n in (250.0, 50.0))
    assert few == pytest.approx(5 * many)
    assert limit_days(many) == 7
    assert limit_days(few) == pytest.approx(5 * few)
    assert limit_days(math.inf) == 60


def test_the_weights_are_one_budget() -> None:
    """What may send back adds up to one, a weight and a rule for each metric."""
    assert sum(WORSE_WEIGHTS) == pytest.approx(1)
    assert len(METRICS) == len(PASSING) == len(WORSE_WEIGHTS)
