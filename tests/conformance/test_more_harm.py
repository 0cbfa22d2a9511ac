"""More harm is never less evidence: from no harm to total collapse, whatever is watched and however it comes.

Each case makes the same observations worse step by step, all else alike, and asks for the evidence of
worse. `benchmarks/more_harm.py` measures the same on random cases and prints how often it falls.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gonogo.detectors.golden.paired import GoldenRuns, run_evidence
from gonogo.detectors.golden.pairs import ItemMeans, compare
from gonogo.detectors.rate.comparison import compare_as_they_come
from gonogo.detectors.rate.rate_slices import CellCounts, Partition, watch_slices
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.rate.strata import risen_given_mix
from gonogo.detectors.shares.categories import watch_categories
from gonogo.detectors.values.ranks import ScoreSums, SparseRows
from gonogo.detectors.values.score_state import ScoreRule, ScoreState
from gonogo.detectors.values.scores import watch_scores
from watched_values import watch_values

Floats = NDArray[np.float64]
# Harm from none to all; sizes of the batch in which it comes, small and huge.
HARMS = np.linspace(0, 1, 11)
SIZES = (20, 300, 5000)
NEVER = RateRule(needed=1e300)
sizes = pytest.mark.parametrize("size", SIZES)


def decades_lost(nats: list[float]) -> float:
    """By how much evidence ever lies below what less harm had, decades; once it says anything."""
    seen = np.maximum(np.array(nats) / math.log(10), 1.0)
    return float((np.maximum.accumulate(seen) - seen).max())


def grown(nats: list[float], *, to: float) -> bool:
    """Whether a total collapse is evidence of so many decades."""
    return nats[-1] / math.log(10) >= to


def in_one_batch(evidence: Callable[[float], float]) -> list[float]:
    """Evidence at each harm."""
    return [evidence(harm) for harm in HARMS.tolist()]


@sizes
@pytest.mark.parametrize("rate", [0.01, 0.2])
@pytest.mark.parametrize("offset", [None, 0.0], ids=["no offset", "offsets"])
def test_rates(size: int, rate: float, offset: float | None) -> None:
    """A rate within one hour: what two decades at most are lost of is the grid of own rates."""
    offsets = None if offset is None else np.full(2, offset)

    def evidence(harm: float) -> float:
        bad = [300 * rate, size * (rate + harm * (1 - rate))]
        return float(watch_rate([300, size], bad, NEVER, offset=offsets).up_nats[-1])

    told = in_one_batch(evidence)
    assert decades_lost(told) <= 2
    assert grown(told, to=3)


@pytest.mark.parametrize("hours", [1, 48])
def test_rates_hour_by_hour(hours: int) -> None:
    """Harm that lasts for hours: what is told of it while it lasts grows with it."""
    n = np.full(300 + hours, 10.0)
    rate = np.r_[np.full(300, 0.05), np.zeros(hours)]

    def evidence(harm: float) -> float:
        now = np.where(np.arange(len(n)) < 300, rate, 0.05 + 0.95 * harm)
        return float(watch_rate(n, np.rint(n * now), NEVER).up_nats.max())

    assert decades_lost(in_one_batch(evidence)) <= 0.1


def test_rates_one_by_one() -> None:
    """More and more of the newest labels bad, one by one: by what is told at an alarm, never less."""
    bad = (np.arange(400) % 20 == 0).astype(np.float64)
    told = []
    for at in range(399, 339, -6):
        bad[at - 5 : at + 1] = 1.0
        told.append(float(watch_rate(np.ones(400), bad, NEVER).up_nats.max()))
    assert decades_lost(told) <= 0.5
    assert grown(told, to=9)


@pytest.mark.parametrize(("healthy", "harmed"), [(0.05, 0.3), (0.05, 0.5), (0.05, 1.0), (0.2, 0.5)])
def test_rates_while_harm_goes_on(healthy: float, harmed: float) -> None:
    """Ten times as many harmed labels as healthy ones: told for sure, and hardly less as they go on."""
    rate = np.where(np.arange(165) < 15, healthy, harmed)
    nats = watch_rate(np.full(165, 20.0), np.rint(20 * rate), NEVER).up_nats
    assert decades_lost(nats.tolist()) <= nats.max() / math.log(10) / 20
    assert grown(nats.tolist(), to=15)


@sizes
@pytest.mark.parametrize("known", [200, 3000])
def test_scores(size: int, known: int) -> None:
    """Real values that shift by up to 3.5 standard deviations within one hour."""
    rule = ScoreRule(needed=1e300)
    spread = np.random.default_rng(2).normal(size=size)

    def evidence(harm: float) -> float:
        seen = np.clip(spread + 3.5 * harm, -3.5, 3.5)
        sums = ScoreSums(*(np.array([x]) for x in (float(size), seen.sum(), (seen**2).sum())))
        watch = watch_scores(sums, rule, state=ScoreState.of_baseline(known, rule))
        return float(watch.evidence_nats[-1])

    told = in_one_batch(evidence)
    assert decades_lost(told) <= 1
    assert grown(told, to=8)


@pytest.mark.parametrize("law", ["continuous", "stars", "two values", "99 % one value"])
@pytest.mark.parametrize("size", [300, 3000])
def test_values_of_any_law(law: str, size: int) -> None:
    """A growing share of one hour's values is as bad as can be."""
    rng, hours = np.random.default_rng(5), 60
    laws: dict[str, Callable[[int], NDArray[np.generic]]] = {
        "continuous": lambda n: np.rint(rng.normal(50, 8, n)),
        "stars": lambda n: rng.choice([60, 61, 62, 63], n, p=[0.5, 0.3, 0.15, 0.05]),
        "two values": lambda n: rng.integers(60, 62, n),
        "99 % one value": lambda n: np.where(rng.random(n) < 0.99, 60, 70),
    }
    values = laws[law](hours * 20 + size).astype(np.int64)
    batch = np.r_[np.repeat(np.arange(hours), 20), np.full(size, hours)]

    def evidence(harm: float) -> float:
        now = values.copy()
        now[hours * 20 : hours * 20 + round(harm * size)] = 90
        rows = SparseRows(hours + 1, batch, now, np.ones(len(now)))
        day = np.arange(hours + 1) // 24
        watch = watch_values(rows, baseline=hours, needed=1e300, day=day)
        return float(watch.evidence_nats[-1])

    told = in_one_batch(evidence)
    assert decades_lost(told) <= 2
    assert grown(told, to=20)


@sizes
@pytest.mark.parametrize("known", [300, 3000])
@pytest.mark.parametrize("to", [0, 2, 3], ids=["a common one", "a rare one", "a new one"])
def test_categories(size: int, known: int, to: int) -> None:
    """Shares that move straight towards one category."""
    usual = np.array([0.6, 0.3, 0.1, 0.0])

    def evidence(harm: float) -> float:
        now = (1 - harm) * usual + harm * np.eye(4)[to]
        table = np.array([known * usual, size * now])
        return float(
            watch_categories(table, list("abcd"), baseline=1, needed=1e300).evidence_nats[-1]
        )

    told = in_one_batch(evidence)
    assert decades_lost(told) <= 0.5
    assert told[-1] > told[0]


@sizes
def test_slices_and_what_is_given_their_mix(size: int) -> None:
    """One slice that collapses, and all of them, each held against itself."""
    n, bad = np.full((80, 2), 20.0), np.full((80, 2), 1.0)
    bad[:, 1] = 4.0
    n[-1] = size

    def of_slice(harm: float) -> float:
        bad[-1] = size * np.array((0.05 + 0.95 * harm, 0.2))
        cells = [CellCounts(f"k={k}", n[:, k], bad[:, k]) for k in range(2)]
        return float(watch_slices([Partition("k", cells)], NEVER, baseline=40).evidence_nats[-1])

    def given_mix(harm: float) -> float:
        bad[-1] = size * (np.array((0.05, 0.2)) + harm * np.array((0.95, 0.8)))
        return float(risen_given_mix(n, bad, NEVER)[-1])

    told = in_one_batch(of_slice)
    assert decades_lost(told) <= 2
    assert decades_lost(in_one_batch(given_mix)) <= 0.5
    assert grown(told, to=5)


@pytest.mark.parametrize(("items", "runs"), [(20, 20), (200, 8)])
@pytest.mark.parametrize("right", [1.0, 0.8])
def test_golden_runs(items: int, runs: int, right: float) -> None:
    """Of the newest run ever more answers are wrong."""
    rng = np.random.default_rng(3)
    before, outcome = (
        (rng.random(shape) < right).astype(np.float64) for shape in (items, (runs, items))
    )
    good_first = np.argsort(-outcome[-1], kind="stable")

    def evidence(harm: float) -> float:
        outcome[-1, good_first[: round(harm * items)]] = 0
        worse = run_evidence(GoldenRuns(np.arange(runs), outcome, before), newest=1).worse[-1]
        return math.log(max(float(worse), 1e-300))

    assert decades_lost(in_one_batch(evidence)) <= 0.5


def test_two_sides_looked_at_once() -> None:
    """Labels and golden pairs: each single answer more that is wrong is more evidence."""
    rule, items = RateRule(needed=100), np.arange(60)
    before = (items % 12 > 0).astype(np.float64)
    for n, m in ((30, 60), (1000, 60), (60, 3000)):
        bads = np.unique(np.rint(np.linspace(0, m, 31)))
        nats = [compare_as_they_come([n], [n // 20], [m], [bad], rule).up_nats for bad in bads]
        assert (np.diff(nats) > 0).all()
    nats = []
    for wrong in range(61):
        after = np.where(np.argsort(np.argsort(-before, kind="stable")) < wrong, 0.0, before)
        test = compare(
            ItemMeans(items, items * 0 + 1, before), ItemMeans(items, items * 0 + 1, after)
        )
        nats.append(math.log(test.e_worse))
    assert (np.diff(nats)[: int(before.sum())] > 0).all()


def test_two_sides_as_they_come() -> None:
    """Hour by hour, both sides at once: from no harm to all bad."""
    rng, n = np.random.default_rng(6), np.full(24, 12.0)
    first = rng.binomial(12, 0.06, 24)
    order = rng.random((24, 12))

    def evidence(harm: float) -> float:
        second = (order < 0.06 + 0.94 * harm).sum(axis=1)
        return compare_as_they_come(n, first, n, second, RateRule(needed=100)).up_nats

    told = in_one_batch(evidence)
    assert decades_lost(told) == 0
    assert grown(told, to=60)


def test_an_early_bad_outcome_takes_no_level_away() -> None:
    """One more in the first hour, when the first side has shown little: evidence at the end grows.

    Bets on the second side alone lost a level (20, 100, 1e5) in 51 of 400 such cases.
    """
    rng, rule = np.random.default_rng(11), RateRule(needed=100)
    for _ in range(100):
        n = rng.poisson(6, (2, 30)) + np.eye(1, 30, dtype=np.int64)
        bad = rng.binomial(n, [[0.04], [0.2]])
        bad[1, 0] = min(bad[1, 0], n[1, 0] - 1)
        nats = []
        for more in (0, 1):
            bad[1, 0] += more
            nats.append(compare_as_they_come(n[0], bad[0], n[1], bad[1], rule).up_nats)
        assert nats[1] > nats[0]
