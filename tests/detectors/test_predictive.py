"""The rate detector against plain oracles: every candidate by itself, every stream there is."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.detectors.log_space import log_gamma
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import CELL, ROOM_SHARE, RateRule, deltas_for, needed_for
from gonogo.errors import DataError, ParameterError

NEVER = 1e30
RULE = RateRule(needed=NEVER, weight_up=0.6)

batches = st.lists(
    st.tuples(st.integers(0, 30), st.floats(0, 1)).map(lambda b: (b[0], round(b[0] * b[1]))),
    min_size=1,
    max_size=12,
)


def bet_rate(log_odds: float, delta: float, *, rises: bool) -> float:
    """The rate that a candidate starting at these log-odds bets on."""
    anchor = 1 / (1 + math.exp(-CELL * round(log_odds / CELL)))
    if rises:
        return min(anchor + delta, anchor + ROOM_SHARE * (1 - anchor))
    return max(anchor - delta, (1 - ROOM_SHARE) * anchor)


def every_candidate(counts: list[tuple[int, int]], rule: RateRule, *, rises: bool) -> float:
    """Oracle: each candidate's own likelihood ratio, label by label, bad ones of a batch first."""
    worth = 1 / rule.dispersion
    candidates: list[tuple[float, list[float], list[float]]] = []
    bad, good = 0.5, 0.5
    for n, s in counts:
        rates = [bet_rate(math.log(bad / good), d, rises=rises) for d in rule.deltas]
        if n:
            candidates.append((n, [1.0] * len(rates), rates))
        for failed in [True] * s + [False] * (n - s):
            null = bad / (bad + good) if failed else good / (bad + good)
            for _, wealth, rates in candidates:
                for j, q in enumerate(rates):
                    wealth[j] *= ((q if failed else 1 - q) / null) ** worth
            bad, good = bad + failed, good + (not failed)
    return sum(n * sum(wealth) / len(wealth) for n, wealth, _ in candidates)


@settings(max_examples=60)
@given(batches)
def test_merged_candidates_weigh_what_all_of_them_weigh_apart(
    counts: list[tuple[int, int]],
) -> None:
    """Oracle: the sum over every start, without cohorts, logs or vectors."""
    watch = watch_rate([n for n, _ in counts], [s for _, s in counts], RULE)
    up = every_candidate(counts, RULE, rises=True)
    down = every_candidate(counts, RULE, rises=False)
    assert math.exp(watch.up_nats[-1]) == pytest.approx(up, rel=1e-6, abs=1e-6)
    assert math.exp(watch.down_nats[-1]) == pytest.approx(down, rel=1e-6, abs=1e-6)
    both = 0.6 * up + 0.4 * down
    assert math.exp(watch.evidence_nats[-1]) == pytest.approx(both, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("cuts", [(9,), (1,) * 9, (2, 4, 3), (1, 7, 1)])
def test_mean_evidence_is_the_number_of_labels(cuts: tuple[int, ...]) -> None:
    """Every stream of nine labels, weighed by the null's own law: the mean of R is 9 exactly."""
    mean_up = mean_down = total = 0.0
    edges = np.cumsum((0, *cuts))
    for labels in itertools.product((0, 1), repeat=9):
        bad = [sum(labels[a:b]) for a, b in itertools.pairwise(edges)]
        watch = watch_rate(cuts, bad, RULE)
        s = sum(labels)
        chance = math.exp(math.lgamma(s + 0.5) + math.lgamma(9.5 - s) - math.lgamma(10)) / math.pi
        total += chance
        mean_up += chance * math.exp(watch.up_nats[-1])
        mean_down += chance * math.exp(watch.down_nats[-1])
    assert total == pytest.approx(1, abs=1e-12)
    assert mean_up == pytest.approx(9, abs=1e-7)
    assert mean_down == pytest.approx(9, abs=1e-7)


@pytest.mark.parametrize("rate", [0.2, 0.08])
def test_a_declared_rate_is_not_beaten_by_a_better_one(rate: float) -> None:
    """Every stream of eight labels at or below the declared rate: the mean of R is at most 8."""
    rule = RateRule(needed=NEVER, declared=0.2)
    mean = 0.0
    for labels in itertools.product((0, 1), repeat=8):
        s = sum(labels)
        watch = watch_rate([3, 5], [sum(labels[:3]), sum(labels[3:])], rule)
        mean += rate**s * (1 - rate) ** (8 - s) * math.exp(watch.up_nats[-1])
        assert watch.down_nats[-1] == -math.inf
    assert mean <= 8 + 1e-9
    assert rate != 0.2 or mean == pytest.approx(8, abs=1e-9)


def test_dispersion_counts_a_label_as_less() -> None:
    """Two labels of half the worth say what one label says, and start twice the candidates."""
    once = watch_rate([50, 40], [5, 20], RULE)
    twice = watch_rate([100, 80], [10, 40], RateRule(needed=NEVER, weight_up=0.6, dispersion=2.0))
    np.testing.assert_allclose(twice.up_nats, once.up_nats + math.log(2), atol=1e-9)


def test_an_offset_that_never_varies_changes_nothing() -> None:
    """The grid of log-odds stands in for the closed form: same evidence to a tenth of a nat."""
    rng = np.random.default_rng(3)
    n, bad = np.full(400, 21), rng.binomial(21, 0.06, 400)
    bad[300:] = rng.binomial(21, 0.13, 100)
    closed = watch_rate(n, bad, RULE)
    grid = watch_rate(n, bad, RULE, offset=np.zeros(400))
    np.testing.assert_allclose(grid.up_nats[50:], closed.up_nats[50:], atol=0.15)


def test_an_expected_cycle_is_no_evidence() -> None:
    """With its own cycle as offset, a stream stays quiet that alarms many times without."""
    rng = np.random.default_rng(5)
    offset = 0.9 * np.sin(np.arange(60 * 24) / 24 * 2 * np.pi)
    rate = 1 / (1 + np.exp(-(math.log(0.08 / 0.92) + offset)))
    n, bad = np.full(60 * 24, 21), rng.binomial(21, rate)
    rule = RateRule(needed=1e5)
    assert watch_rate(n, bad, rule).episodes
    assert watch_rate(n, bad, rule, offset=offset).status == "quiet"


def test_an_open_hour_is_a_batch_like_any_other() -> None:
    """Adding the open hour to a finished state equals having it all at once, and leaves the state."""
    rng = np.random.default_rng(8)
    n, bad = rng.integers(0, 40, 200), np.zeros(200)
    bad[:] = rng.binomial(n, 0.1)
    state = watch_rate(n[:-1], bad[:-1], RULE).state
    kept = copy.deepcopy(state)
    now = watch_rate(n[-1:], bad[-1:], RULE, state=state)
    assert now.evidence_nats[-1] == pytest.approx(watch_rate(n, bad, RULE).evidence_nats[-1])
    assert state == kept


def test_the_same_counts_in_smaller_pieces_start_the_same_mass() -> None:
    """Graded outcomes and empty hours pass; empty hours change nothing."""
    dense = watch_rate([10, 12], [1.5, 3.25], RULE)
    sparse = watch_rate([10, 0, 0, 12, 0], [1.5, 0, 0, 3.25, 0], RULE)
    assert sparse.evidence_nats[-1] == pytest.approx(dense.evidence_nats[-1], abs=1e-12)
    assert sparse.evidence_nats[2] == pytest.approx(dense.evidence_nats[0], abs=1e-12)


def test_log_gamma_is_the_library_function() -> None:
    """Oracle: math.lgamma, from a half to ten million."""
    x = np.concatenate((np.arange(0.5, 60, 0.25), np.geomspace(60, 1e7, 200)))
    expected = np.array([math.lgamma(v) for v in x])
    np.testing.assert_allclose(log_gamma(x), expected, rtol=1e-13, atol=1e-12)


def test_the_users_words_become_the_rule() -> None:
    """One false alarm a year at 500 labels a day; effects around the one that matters."""
    assert needed_for(labels_per_day=500, false_alarms_per_year=1) == pytest.approx(182_625)
    assert needed_for(labels_per_day=500, false_alarms_per_year=12) == pytest.approx(15_218.75)
    assert min(deltas_for(0.05)) < 0.025
    assert max(deltas_for(0.05)) > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RateRule(needed=0.5),
        lambda: RateRule(needed=math.inf),
        lambda: replace(RULE, deltas=()),
        lambda: replace(RULE, deltas=(0.0,)),
        lambda: replace(RULE, weight_up=1.5),
        lambda: replace(RULE, dispersion=0.9),
        lambda: replace(RULE, dispersion=math.nan),
        lambda: replace(RULE, declared=1.0),
    ],
)
def test_a_rule_out_of_range_is_refused(wrong: Callable[[], RateRule]) -> None:
    """Each field has its range."""
    with pytest.raises(ParameterError):
        wrong()


@pytest.mark.parametrize(
    ("n", "bad"),
    [([10], [11]), ([10], [-1]), ([-1], [0]), ([10], [math.nan]), ([10, 10], [1]), ([[10]], [[1]])],
)
def test_malformed_counts_are_refused(n: list[float], bad: list[float]) -> None:
    """Nothing is computed from counts that cannot be."""
    with pytest.raises(DataError):
        watch_rate(n, bad, RULE)
