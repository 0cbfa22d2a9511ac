"""What is promised by detectors that take their whole history at each look, and keep no state.

They resume by being asked again: what comes later changes nothing of what was said before. Each
joins by a `Case`; the last test holds that no sequential detector is left out of a suite.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import gonogo.detectors
from gonogo.detectors.golden.paired import GoldenRuns, item_evidence, run_evidence
from gonogo.detectors.log_space import log_gamma
from gonogo.detectors.rate.comparison import compare_as_they_come
from gonogo.detectors.rate.rate_slices import CellCounts, Partition, watch_slices
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.shares.categories import watch_categories
from gonogo.detectors.values.ranks import SparseRows
from gonogo.detectors.values.scores import watch_scores
from gonogo.detectors.values.value_watch import watch_value_sums
from gonogo.errors import DataError
from watched_values import watch_values

Floats = NDArray[np.float64]
NEEDED, BASELINE, BATCHES, BREAK = 1e5, 60, 120, 90
RULE = RateRule(needed=NEEDED)


@dataclass(frozen=True)
class Case:
    """One detector.

    Attributes:
        of: The function.
        draw: Healthy batches, shape (batches, quantities), from a generator.
        spoil: The batches with those from an index on much worse than healthy.
        run: Evidence after each batch since the baseline, nats.
        needed: At which it alarms.
    """

    of: Callable[..., object]
    draw: Callable[[np.random.Generator], Floats]
    spoil: Callable[[Floats, int], Floats]
    run: Callable[[Floats], Floats]
    needed: float = NEEDED


def _draw_cells(rng: np.random.Generator) -> Floats:
    n = rng.integers(10, 40, (BATCHES, 2))
    return np.column_stack((n, rng.binomial(n, 0.06))).astype(np.float64)


def _spoil_cells(batches: Floats, first: int) -> Floats:
    worse = batches.copy()
    worse[first:, 2] = np.minimum(worse[first:, 2] + 6, worse[first:, 0])
    return worse


def _run_slices(batches: Floats) -> Floats:
    cells = [CellCounts(f"k={k}", batches[:, k], batches[:, k + 2]) for k in range(2)]
    return watch_slices([Partition("k", cells)], RULE, baseline=BASELINE).evidence_nats


def _run_pair(batches: Floats) -> Floats:
    found = [
        compare_as_they_come(seen[:, 1], seen[:, 3], seen[:, 0], seen[:, 2], RULE).evidence_nats
        for seen in (batches[: k + 1] for k in range(BASELINE, len(batches)))
    ]
    return np.array(found)


def _draw_categories(rng: np.random.Generator) -> Floats:
    return rng.multinomial(40, (0.6, 0.3, 0.1), BATCHES).astype(np.float64)


def _spoil_categories(batches: Floats, first: int) -> Floats:
    worse = batches.copy()
    worse[first:, 2] += np.floor(worse[first:, 0] / 2)
    worse[first:, 0] -= np.floor(worse[first:, 0] / 2)
    return worse


def _run_categories(batches: Floats) -> Floats:
    names = ("a", "b", "c")
    return watch_categories(batches, names, baseline=BASELINE, needed=NEEDED).evidence_nats


def _draw_values(rng: np.random.Generator) -> Floats:
    return rng.multinomial(30, np.full(12, 1 / 12), BATCHES).astype(np.float64)


def _spoil_values(batches: Floats, first: int) -> Floats:
    worse = batches.copy()
    worse[first:, 6:] += worse[first:, :6]
    worse[first:, :6] = 0
    return worse


def _run_values(batches: Floats) -> Floats:
    rows, bins = np.indices(batches.shape)
    found = SparseRows(len(batches), rows.ravel(), bins.ravel(), batches.ravel())
    day = np.arange(len(batches))
    return watch_values(found, baseline=BASELINE, needed=NEEDED, day=day).evidence_nats


def _draw_runs(rng: np.random.Generator) -> Floats:
    return (rng.random((BATCHES, 50)) < 0.95).astype(np.float64)


def _spoil_runs(batches: Floats, first: int) -> Floats:
    worse = batches.copy()
    worse[first:, :8] = 0
    return worse


def _run_runs(batches: Floats) -> Floats:
    runs = GoldenRuns(np.arange(len(batches) - 1), batches[1:], batches[0])
    return np.log(run_evidence(runs, warm_up=BASELINE - 1).worse[BASELINE - 1 :])


def _run_items(batches: Floats) -> Floats:
    return item_evidence(batches, warm_up=BASELINE)[BASELINE:]


CASES = [
    Case(watch_slices, _draw_cells, _spoil_cells, _run_slices),
    Case(compare_as_they_come, _draw_cells, _spoil_cells, _run_pair, 100),
    Case(watch_categories, _draw_categories, _spoil_categories, _run_categories),
    Case(watch_value_sums, _draw_values, _spoil_values, _run_values),
    Case(run_evidence, _draw_runs, _spoil_runs, _run_runs, 365),
    Case(item_evidence, _draw_runs, _spoil_runs, _run_items, 365),
]
every_detector = pytest.mark.parametrize("case", CASES, ids=[c.of.__name__ for c in CASES])


def _healthy(case: Case, seed: int = 1) -> Floats:
    return case.draw(np.random.default_rng(seed))


@every_detector
def test_input_is_left_as_it_was_and_gives_the_same_bits(case: Case) -> None:
    """Arrays that cannot be written to will do, and no clock or dice are inside."""
    batches = case.spoil(_healthy(case), BREAK)
    batches.flags.writeable = False
    np.testing.assert_array_equal(case.run(batches), case.run(batches))


@every_detector
def test_what_comes_later_changes_nothing_of_what_was_said(case: Case) -> None:
    """A look at a prefix is the prefix of a later look: in health, at the alarm and after it."""
    batches = case.spoil(_healthy(case), BREAK)
    whole = case.run(batches)
    for until in (BASELINE + 1, BREAK, BREAK + 1, BREAK + 9, BATCHES - 1):
        seen = case.run(batches[:until])
        np.testing.assert_allclose(seen, whole[: until - BASELINE], atol=1e-6, rtol=1e-9)


@every_detector
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_numbers_that_are_none_are_refused(case: Case, value: float) -> None:
    """NaN, infinity and negative counts never become evidence; NaN is an item not asked."""
    batches = _healthy(case)
    batches[BASELINE + 7, 0] = value
    if math.isnan(value) and case.of in (run_evidence, item_evidence):
        assert np.isfinite(case.run(batches)).all()
        return
    with pytest.raises(DataError):
        case.run(batches)


@every_detector
def test_worse_batches_are_more_evidence(case: Case) -> None:
    """The later of two equal histories turns worse: the same before, more at the end."""
    batches = _healthy(case)
    well, worse = case.run(batches), case.run(case.spoil(batches, BREAK))
    np.testing.assert_allclose(worse[: BREAK - BASELINE], well[: BREAK - BASELINE], atol=1e-9)
    assert worse[-1] > well[-1]


@every_detector
def test_it_sees_what_is_plain(case: Case) -> None:
    """Health stays below the threshold, plain trouble passes it."""
    batches = _healthy(case)
    assert case.run(batches).max() < math.log(case.needed)
    assert case.run(case.spoil(batches, BREAK)).max() >= math.log(case.needed)


def test_categories_weigh_every_start_by_itself() -> None:
    """Oracle: each start's Dirichlet-multinomial ratio, from its own counts, nothing carried on."""
    batches = _healthy(Case(watch_categories, _draw_categories, _spoil_categories, _run_categories))

    def nats(counts: Floats, law: Floats) -> float:
        inner = (log_gamma(law + counts) - log_gamma(law)).sum()
        return float(inner) - math.lgamma(law.sum() + counts.sum()) + math.lgamma(law.sum())

    for last in (BASELINE, BASELINE + 3, BASELINE + 12, BASELINE + 40):
        total = 0.0
        for start in range(BASELINE, last + 1):
            law = np.append(batches[:start].sum(axis=0), 0.0) + 0.5
            since = np.append(batches[start : last + 1].sum(axis=0), 0.0)
            bets = [nats(since, c * law / law.sum()) for c in (10.0, 40.0, 160.0)]
            ratio = sum(math.exp(bet - nats(since, law)) for bet in bets) / 3
            total += ratio * batches[start].sum()
        found = _run_categories(batches)[last - BASELINE]
        if last <= BASELINE + 12:
            assert found == pytest.approx(math.log(total))
        # Older starts are thinned out, which only lowers the evidence.
        assert found <= math.log(total) + 1e-9


def test_a_comparison_weighs_label_by_label() -> None:
    """Oracle: what the streams' laws predict of each label, the second's by plain numerical integration."""
    rng = np.random.default_rng(2)
    one, two = (rng.random(12) < 0.2).astype(float), (rng.random(12) < 0.5).astype(float)
    one[0] = 0
    ones = np.ones(12)
    found = compare_as_they_come(ones, one, ones, two, RULE)
    # In steps of an angle the density of Beta(1/2, 1/2) is even.
    rate = np.sin((np.arange(200_000) + 0.5) * math.pi / 400_000) ** 2
    deltas, gains = (0.0, RULE.deltas[2], 2.4 * RULE.effect), np.ones(3)
    for k in range(12):
        bad, n = one[: k + 1].sum(), k + 1
        cut = max((bad + 0.5) / (n + 1), bad / n)
        alone, both = (one[:k].sum() + 0.5) / n, (one[:k].sum() + two[:k].sum() + 0.5) / (n + k)
        if k:
            gains *= alone / both if one[k] else (1 - alone) / (1 - both)
        null = (bad + two[:k].sum() + 0.5) / (n + k + 1)
        for j, delta in enumerate(deltas):
            centre = cut + min(delta, 0.75 * (1 - cut))
            size = min(cut * (1 - cut) / delta**2, n) if delta else 0.0
            more, less = size * centre + two[:k].sum(), size * (1 - centre) + k - two[:k].sum()
            law = np.where(rate > cut, rate**more * (1 - rate) ** less, 0.0)
            share = float(law @ rate / law.sum())
            gains[j] *= share / null if two[k] else (1 - share) / (1 - null)
    assert found.up_nats == pytest.approx(math.log(gains @ [0.2, 0.4, 0.4]), abs=1e-3)


def test_no_sequential_detector_is_left_out() -> None:
    """Whatever watches, or gives evidence run by run, is in this suite or in that of kept states."""
    sequential = set()
    for module in pkgutil.walk_packages(gonogo.detectors.__path__, "gonogo.detectors."):
        loaded = importlib.import_module(module.name)
        for name, found in vars(loaded).items():
            own = callable(found) and getattr(found, "__module__", "") == loaded.__name__
            if own and (name.startswith("watch_") or name in ("run_evidence", "item_evidence")):
                sequential.add(name)
    tested = {case.of.__name__ for case in CASES} | {watch_rate.__name__, watch_scores.__name__}
    tested |= {
        "watch_judged"
    }  # four sums over two kinds of grades: tests/detectors/test_judged_grades
    assert {watch_rate.__name__, run_evidence.__name__} <= sequential <= tested
