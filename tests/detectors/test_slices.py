"""Slices: evidence summed over a partition, the worst named; mix told apart from within."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.rate.null import RateState
from gonogo.detectors.rate.rate_slices import (
    PSEUDO_LABELS,
    CellCounts,
    Partition,
    SliceWatch,
    watch_slices,
)
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.shares.mix import split_mix
from gonogo.errors import DataError, NotEnoughData, ParameterError

RULE = RateRule(needed=1e5, weight_up=1.0)
DAYS, BASELINE = 70, 28


def cells(rates: dict[str, float], *, seed: int = 1, gone_bad: str = "") -> list[CellCounts]:
    """Forty labels a cell and day; one cell at .3 since the baseline ended."""
    rng = np.random.default_rng(seed)
    made = []
    for name, rate in rates.items():
        each = np.full(DAYS, rate)
        each[BASELINE:] = 0.3 if name == gone_bad else rate
        made.append(CellCounts(name, np.full(DAYS, 40.0), rng.binomial(40, each).astype(float)))
    return made


def watch(*partitions: Partition) -> SliceWatch:
    """With the rule and the baseline of these tests."""
    return watch_slices(partitions, RULE, baseline=BASELINE)


def test_one_cell_is_the_rate_detector_with_pseudo_labels() -> None:
    """Oracle: the rate core, its null handed the baseline and what a single cell borrows."""
    (cell,) = cells({"all": 0.1})
    rate = (cell.bad[:BASELINE].sum() + 0.5) / (cell.n[:BASELINE].sum() + 1)
    bad, n = cell.bad[:BASELINE].sum(), cell.n[:BASELINE].sum()
    state = RateState(bad=bad + PSEUDO_LABELS * rate, good=n - bad + PSEUDO_LABELS * (1 - rate))
    expected = watch_rate(cell.n[BASELINE:], cell.bad[BASELINE:], RULE, state=state)
    got = watch(Partition("all", [cell]))
    np.testing.assert_allclose(got.evidence_nats, expected.evidence_nats)
    assert not got.alarmed


def test_days_that_are_expected_to_differ_are_no_evidence() -> None:
    """Every other day at .3 for .1, by an offset that says so, and only where it does."""
    rng = np.random.default_rng(3)
    is_hard = np.arange(DAYS) % 2 == 0
    odds = np.where(is_hard, math.log(0.3 / 0.7), math.log(0.1 / 0.9))
    n, bad = np.full(DAYS, 400.0), rng.binomial(400, np.where(is_hard, 0.3, 0.1)).astype(float)
    known, unknown = (
        watch(Partition("k", [CellCounts("a", n, bad, offset=offset)]))
        for offset in (odds - odds.mean(), None)
    )
    assert known.evidence_nats.max() < known.needed_nats < unknown.evidence_nats.max()


def test_evidence_is_the_weighted_sum_over_cells() -> None:
    """Two partitions at a quarter and three quarters of the budget."""
    first, second = cells({"a": 0.1, "b": 0.1}), cells({"c": 0.1, "d": 0.2}, seed=2)
    parts = Partition("one", first, 0.25), Partition("two", second, 0.75)
    alone = [watch(Partition(p.name, p.cells)).evidence_nats for p in parts]
    np.testing.assert_allclose(
        np.exp(watch(*parts).evidence_nats), 0.25 * np.exp(alone[0]) + 0.75 * np.exp(alone[1])
    )


def test_the_cell_that_went_bad_is_named_and_no_other() -> None:
    """Worst first, with its rates; a healthy cell is never blamed for the sum."""
    found = watch(Partition("tier", cells({"new": 0.1, "old": 0.1, "vip": 0.05}, gone_bad="old")))
    assert found.alarmed
    worst = found.findings[0]
    assert (worst.segment, worst.drifted) == ("old", True)
    assert worst.bad_rate == pytest.approx(0.3, abs=0.05)
    assert worst.baseline_bad_rate == pytest.approx(0.1, abs=0.03)
    assert (worst.n, worst.baseline_n) == (40 * (DAYS - BASELINE), 40 * BASELINE)
    assert [f.drifted for f in found.findings[1:]] == [False, False]


def test_an_empty_cell_takes_no_part() -> None:
    """A slice that nothing fell into has no evidence and changes nobody else's alarm."""
    empty = CellCounts("none", np.zeros(DAYS), np.zeros(DAYS))
    alone = watch(Partition("tier", cells({"new": 0.1, "old": 0.1})))
    beside = watch(Partition("tier", [*cells({"new": 0.1, "old": 0.1}), empty]))
    np.testing.assert_allclose(beside.evidence_nats, alone.evidence_nats)
    assert beside.findings[-1].evidence_nats == -math.inf


def test_cells_that_were_alike_borrow_more_from_each_other() -> None:
    """Where cells have always differed, a thin one's own rate is not pulled to the others'."""
    alike = dict.fromkeys("abcdefgh", 0.1)
    apart = {name: 0.02 + 0.04 * k for k, name in enumerate("abcdefgh")}
    rng = np.random.default_rng(9)
    n = np.r_[np.full(BASELINE, 0.5), np.full(DAYS - BASELINE, 4.0)]
    thin = CellCounts("thin", n, np.minimum(n, rng.binomial(4, 0.3, DAYS)))
    among = [watch(Partition("x", [*cells(rates), thin])).findings for rates in (alike, apart)]
    strong, weak = (next(f for f in fs if f.segment == "thin").evidence_nats for fs in among)
    assert strong > weak + 1


def test_bad_partitions_are_refused() -> None:
    """Weights beyond the budget, cells of unequal length, a baseline longer than the stream."""
    made = cells({"a": 0.1})
    with pytest.raises(ParameterError, match="weights"):
        watch(Partition("x", made, 0.7), Partition("y", made, 0.7))
    with pytest.raises(ParameterError, match="baseline"):
        watch_slices([Partition("x", made)], RULE, baseline=DAYS + 1)
    with pytest.raises(DataError, match="batches"):
        watch(Partition("x", [*made, CellCounts("b", np.ones(3), np.zeros(3))]))
    with pytest.raises(DataError):
        watch(Partition("x", [CellCounts("b", np.full(DAYS, math.nan), np.zeros(DAYS))]))


COUNTS = st.lists(st.tuples(*[st.integers(1, 50)] * 2, *[st.floats(0, 1)] * 2), min_size=1)


@given(COUNTS)
def test_mix_and_within_add_up(rows: list[tuple[int, int, float, float]]) -> None:
    """Oracle: Kitagawa's formula cell by cell, on counts beside which what cells borrow is nothing."""
    n0, n1, a0, a1 = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    n0, n1 = 1e9 * n0, 1e9 * n1
    split = split_mix(n0, n0 * a0, n1, n1 * a1)
    w0, w1 = n0 / n0.sum(), n1 / n1.sum()
    assert split.total == pytest.approx(float(w1 @ a1 - w0 @ a0), abs=1e-6)
    assert split.mix == pytest.approx(float(((w1 - w0) * (a0 + a1) / 2).sum()), abs=1e-6)
    assert split.mix + split.within == pytest.approx(split.total, abs=1e-12)


def test_a_changed_mix_alone_has_nothing_within() -> None:
    """More of the hard questions, answered as before."""
    split = split_mix([900, 100], [855, 60], [500, 500], [475, 300])
    assert split.within == pytest.approx(0)
    assert split.mix == pytest.approx(split.total) == pytest.approx(0.775 - 0.915)
    assert split.explains == pytest.approx(1)


def test_a_cell_that_came_later_is_mix_as_it_came_and_fell_within() -> None:
    """Half of the calls are of a new kind, which was answered like the others and then fell."""
    split = split_mix(
        [1e6, 0], [9e5, 0], [5e5, 5e5], [4.5e5, 1e5], n_between=[0, 1e6], sum_between=[0, 9e5]
    )
    assert split.mix == pytest.approx(0, abs=1e-3)
    assert split.within == pytest.approx(split.total, abs=1e-3) == pytest.approx(-0.35, abs=1e-3)
    came_so = split_mix([1e6, 0], [9e5, 0], [5e5, 5e5], [4.5e5, 1e5])
    assert came_so.mix == pytest.approx(came_so.total)


def test_a_mix_needs_two_periods() -> None:
    """Nothing before, or counts that are none."""
    with pytest.raises(NotEnoughData, match="both periods"):
        split_mix([0, 0], [0, 0], [0, 1], [0, 1])
    with pytest.raises(DataError):
        split_mix([1, -1], [1, 0], [1, 1], [0, 1])


@given(
    sides=st.lists(
        st.tuples(st.sampled_from([0.0, 0.03, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])),
        min_size=2,
        max_size=4,
    ),
    sizes=st.lists(st.sampled_from([0.0, 1.0, 3.0, 200.0]), min_size=4, max_size=4),
    dispersion=st.sampled_from([1.0, 1.7]),
)
def test_cells_that_always_fail_beside_cells_that_never_do_are_weighed(
    sides: list[tuple[float, float]], sizes: list[float], dispersion: float
) -> None:
    """However cells differ, up to one that is all bad beside one that is all good, evidence is a number."""
    made = []
    for place, (before, after) in enumerate(sides):
        n = np.full(40, sizes[place])
        bad = np.floor(n * np.r_[np.full(20, before), np.full(20, after)])
        made.append(CellCounts(str(place), n, bad))
    rule = RateRule(needed=1e5, weight_up=1.0, dispersion=dispersion)
    found = watch_slices([Partition("ended", made)], rule, baseline=20)
    assert not np.isnan(found.evidence_nats).any()
    assert not any(math.isnan(cell.evidence_nats) for cell in found.findings)
