"""Golden sets: paired comparison, effective answers, daily runs."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.golden.control_chart import pass_chart, warn_every_runs
from gonogo.detectors.golden.paired import (
    GoldenRuns,
    _predictive_sum,
    item_means,
    run_evidence,
    runs_of,
)
from gonogo.detectors.golden.pairs import ItemMeans, compare
from gonogo.errors import DataError, NotEnoughData, ParameterError
from gonogo.records import GoldenAnswers


def means(values: list[float], asked: int = 1) -> ItemMeans:
    """Items 0, 1, … with these means."""
    return ItemMeans(np.arange(len(values)), np.full(len(values), asked), np.array(values))


def answers(rows: list[tuple[int, int, int, float]]) -> GoldenAnswers:
    """Rows of (item, day, n, mean)."""
    item, day, n, mean = (np.array(column) for column in zip(*rows, strict=True))
    total = np.rint(n * mean * 1e6).astype(np.int64)
    names = tuple(str(k) for k in range(int(item.max()) + 1))
    return GoldenAnswers(names, ("v1",), item, np.zeros_like(item), day, n, total)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 5))
def test_one_answer_each_is_the_likelihood_ratio_of_mcnemar(
    worse: int, better: int, same: int
) -> None:
    """Oracle: the mixture over the share of worse among discordant pairs, in plain products."""
    test = compare(
        means([1.0] * worse + [0.0] * better + [1.0] * same),
        means([0.0] * worse + [1.0] * better + [1.0] * same),
    )
    shares = [(1 + (k + 0.5) / 64) / 2 for k in range(64)]
    expected = sum((2 * s) ** worse * (2 - 2 * s) ** better for s in shares) / 64
    assert test.e_worse == pytest.approx(expected)
    assert (test.worse, test.better, test.same) == (worse, better, same)
    pairs = worse + better
    tail = sum(math.comb(pairs, k) for k in range(worse, pairs + 1)) / 2**pairs
    assert test.p_worse == pytest.approx(tail)
    assert test.exact


@pytest.mark.parametrize(
    "rates", [(0.5, 0.5, 0.5, 0.5), (0.1, 0.9, 0.3, 0.5), (0.0, 1.0, 0.2, 0.8)]
)
def test_a_comparison_is_an_honest_e_value(rates: tuple[float, ...]) -> None:
    """Enumeration: unchanged items, each right at a rate of its own, asked once and then twice."""
    expected = {"worse": 0.0, "better": 0.0, "both": 0.0}
    for before in itertools.product((0, 1), repeat=4):
        for after in itertools.product((0, 1, 2), repeat=4):
            chance = 1.0
            for p, x, y in zip(rates, before, after, strict=True):
                chance *= (p if x else 1 - p) * math.comb(2, y) * p**y * (1 - p) ** (2 - y)
            if chance:
                test = compare(means([float(x) for x in before]), means([y / 2 for y in after]))
                expected["worse"] += chance * test.e_worse
                expected["better"] += chance * test.e_better
                expected["both"] += chance * test.e_value
    assert max(expected.values()) <= 1 + 1e-12
    # Nothing is given away where items are independent throws of one coin.
    assert min(expected.values()) == pytest.approx(1)


def test_items_asked_unequally_often_do_not_look_worse() -> None:
    """The mean of five answers is below one right answer more often than above one wrong one."""
    rng = np.random.default_rng(5)
    items, found = 200, 0
    for _ in range(200):
        before = (rng.random(items) < 0.9).astype(float)
        after = rng.binomial(5, 0.9, items) / 5
        test = compare(means(before.tolist()), means(after.tolist(), 5))
        assert test.worse > 1.5 * test.better
        assert not test.exact
        found += test.p_worse < 0.05
    assert found <= 0.05 * 200 + 3 * math.sqrt(200 * 0.05 * 0.95)


def test_deterministic_items_asked_again_add_nothing() -> None:
    """Ten times the same answer is one answer."""
    fixed = [1.0] * 94 + [0.0] * 6
    one, ten = (
        compare(means(fixed), means(fixed[::-1])),
        compare(means(fixed, 10), means(fixed[::-1], 10)),
    )
    assert one == ten


def test_gpt_4_degraded_and_gpt_35_improved(shared_data: Path) -> None:
    """Real data: Chen, Zaharia & Zou (2023), 1,000 questions asked of two versions each."""
    right: dict[tuple[str, str], dict[int, int]] = {}
    with gzip.open(shared_data / "llmdrift" / "prime.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            right.setdefault((row["model"], row["version"]), {})[int(row["item_id"])] = row[
                "correct"
            ]
    four, turbo = (
        compare(*(means([float(right[model, v][k]) for k in range(1000)]) for v in versions))
        for model, versions in (("gpt-4", ("0314", "0613")), ("gpt-3.5-turbo", ("0301", "0613")))
    )
    assert (four.items, round(four.mean_before, 3), round(four.mean_after, 3)) == (
        1000,
        0.84,
        0.511,
    )
    assert four.e_worse > 1e20
    assert four.e_better < 0.01
    assert four.interval95[0] < -0.329 < four.interval95[1] < -0.28
    assert (round(turbo.mean_before, 3), round(turbo.mean_after, 3)) == (0.519, 0.762)
    assert turbo.e_better > 1e10
    assert turbo.e_worse < 0.01


def test_runs_are_laid_out_by_day_against_the_first() -> None:
    """Items of the reference only; an item that was not asked is neither worse nor same."""
    runs = runs_of(
        answers(
            [(0, 5, 1, 1), (1, 5, 2, 0.5), (0, 6, 1, 0), (1, 6, 1, 1), (1, 8, 4, 0.5), (2, 8, 1, 0)]
        )
    )
    assert runs.day.tolist() == [6, 8]
    assert runs.reference.tolist() == [1, 0.5]
    assert runs.items.tolist() == [2, 1]
    assert (runs.worse.tolist(), runs.better.tolist()) == ([1, 0], [1, 0])
    assert runs.rate.tolist() == [0.5, 0.5]
    with pytest.raises(NotEnoughData, match="reference run"):
        runs_of(answers([(0, 5, 1, 1)]), rows=np.array([False]))


def test_evidence_of_runs_is_a_martingale_sum() -> None:
    """Enumeration over all streams of five runs of three: the mean of R after r runs is r."""
    size, warm_up, runs = 3, 2, 5

    def beta(a: float, b: float) -> float:
        return math.gamma(a) * math.gamma(b) / math.gamma(a + b)

    expected, total = np.zeros(runs), 0.0
    for hits in itertools.product(range(size + 1), repeat=runs):
        s, n = sum(hits), size * runs
        chance = beta(s + 0.5, n - s + 0.5) / beta(0.5, 0.5)
        chance *= math.prod(math.comb(size, k) for k in hits)
        total += chance
        evidence = _predictive_sum(
            np.array(hits), np.full(runs, size), np.array([0.1, 0.3]), warm_up
        )
        expected += chance * evidence
    assert total == pytest.approx(1)
    assert expected == pytest.approx([0, 0, 1, 2, 3])


def test_evidence_looks_at_the_past_only() -> None:
    """The same runs give the same evidence, whatever comes after; the input is not changed."""
    rng = np.random.default_rng(2)
    outcome = (rng.random((40, 60)) < 0.9).astype(float)
    outcome[25:, :15] = 0
    copy = outcome.copy()
    whole = run_evidence(GoldenRuns(np.arange(40), outcome, outcome[0]))
    part = run_evidence(GoldenRuns(np.arange(30), outcome[:30], outcome[0]))
    np.testing.assert_allclose(whole.value[:30], part.value)
    np.testing.assert_array_equal(outcome, copy)
    assert whole.worse[-1] > 1e6
    assert whole.better[-1] < 10
    with pytest.raises(ParameterError, match="warm_up"):
        run_evidence(GoldenRuns(np.arange(40), outcome, outcome[0]), warm_up=1)


def test_chart_pages_a_lasting_fall_and_states_its_rates() -> None:
    """EWMA(.25) beyond 2.75 of its sd pages; a single run beyond two only warns."""
    rng = np.random.default_rng(4)
    rates = [0.94] * 30 + [0.80]
    outcome = np.array([(rng.random(200) < rate).astype(float) for rate in rates])
    once = pass_chart(GoldenRuns(np.arange(31), outcome, outcome[0]))
    assert once.warned
    assert once.deviation_sd < -2
    lasting = np.vstack([outcome, *(rng.random((1, 200)) < 0.86 for _ in range(4))])
    chart = pass_chart(GoldenRuns(np.arange(35), lasting, lasting[0]))
    assert chart.page
    assert chart.baseline_runs == 8
    healthy = pass_chart(GoldenRuns(np.arange(30), outcome[:30], outcome[0]))
    assert not healthy.page
    with pytest.raises(NotEnoughData, match="golden runs"):
        pass_chart(GoldenRuns(np.arange(7), outcome[:7], outcome[0]))


@pytest.mark.parametrize("baseline_runs", [8, 30])
def test_the_stated_false_alarm_rate_is_true(baseline_runs: int) -> None:
    """Simulation of normal runs: the warning comes as often as it says."""
    rng = np.random.default_rng(1)
    streams = 20_000
    base = rng.normal(size=(streams, baseline_runs))
    mean, sd = base.mean(axis=1), base.std(axis=1, ddof=1)
    warned = np.abs(rng.normal(size=streams) - mean) > 2 * sd
    assert 1 / warned.mean() == pytest.approx(warn_every_runs(baseline_runs), rel=0.06)


def test_nothing_shared_and_nonsense_are_refused() -> None:
    """Different items cannot be paired, and a mean is a number in [0, 1]."""
    other = ItemMeans(np.array([7]), np.array([1]), np.array([1.0]))
    with pytest.raises(NotEnoughData, match="same items"):
        compare(means([1.0]), other)
    with pytest.raises(DataError, match="mean outcome"):
        compare(means([1.0]), means([math.nan]))
    got = item_means(answers([(0, 5, 1, 1), (0, 6, 3, 0)]))
    assert (got.n.tolist(), got.mean.tolist()) == ([4], [0.25])
