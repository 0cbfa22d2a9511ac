"""Streams that are at the edge of what a law can be: constant, two values, integers, all ties.

A price that never changes, a metric of stars or of 0 and 1: none of them changes, and none may alarm.
The promise holds for each law: over 20 days, evidence reaches what is needed in few streams of many.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gonogo.detectors.golden.paired import GoldenRuns, run_evidence
from gonogo.detectors.rate.comparison import compare_as_they_come
from gonogo.detectors.rate.rate_slices import CellCounts, Partition, watch_slices
from gonogo.detectors.rate.rate_watch import watch_rate
from gonogo.detectors.rate.rule import RateRule
from gonogo.detectors.shares.categories import watch_categories
from gonogo.detectors.values.ranks import SparseRows
from watched_values import watch_values

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Law = Callable[[np.random.Generator, int], Ints]
DAYS, NEEDED = 20, 1e6

LAWS: dict[str, Law] = {
    "constant": lambda _, n: np.full(n, 7),
    "two values": lambda rng, n: rng.integers(0, 2, n),
    "two values, one rare": lambda rng, n: (rng.random(n) < 0.05).astype(np.int64),
    "99 % one value": lambda rng, n: np.where(rng.random(n) < 0.99, 5, rng.integers(0, 40, n)),
    "small integers": lambda rng, n: rng.poisson(0.5, n),
    "integers": lambda rng, n: rng.poisson(4, n),
    "stars": lambda rng, n: rng.choice([1, 2, 3, 4, 5], n, p=[0.05, 0.05, 0.1, 0.3, 0.5]),
    "geometric": lambda rng, n: rng.geometric(0.3, n),
    "a heavy value and a rest": lambda rng, n: np.where(
        rng.random(n) < 0.6, 500, np.rint(rng.normal(0, 50, n)).astype(np.int64)
    ),
}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
hourly = pytest.mark.parametrize("an_hour", [40, 4], ids=["40 an hour", "4 an hour"])


def histogram(values: Ints, batch: Ints, batches: int) -> SparseRows:
    """Values by batch and bin."""
    keys, counts = np.unique(np.stack((batch, values)), axis=1, return_counts=True)
    return SparseRows(batches, keys[0], keys[1], counts.astype(np.float64))


@every_law
@hourly
@pytest.mark.parametrize("learned", ["weekly", "without a week"])
def test_values_that_do_not_change_are_quiet(law: Law, an_hour: int, learned: str) -> None:
    """By the hour, with a learned week (weekends among it) and without: no stream of six alarms."""
    weekly = learned == "weekly"
    hours = 24 * (DAYS if weekly else 9)
    hour = np.arange(hours)
    for seed in range(6):
        values = law(np.random.default_rng(seed), hours * an_hour)
        watch = watch_values(
            histogram(values, np.repeat(hour, an_hour), hours),
            baseline=24 * (14 if weekly else 3),
            needed=NEEDED,
            day=hour // 24,
            hour_of_week=hour % 168 if weekly else None,
        )
        assert watch.evidence_nats.max() < watch.needed_nats
        assert not watch.drifted


@every_law
def test_values_that_do_not_change_are_quiet_one_by_one(law: Law) -> None:
    """A batch a value, 1,200 of them after a baseline of 300."""
    values = law(np.random.default_rng(3), 1500)
    at = np.arange(1500)
    found = histogram(values, at, 1500)
    watch = watch_values(found, baseline=300, needed=NEEDED, day=at // 100)
    assert watch.evidence_nats.max() < watch.needed_nats


@pytest.mark.parametrize("share", [0.0, 1.0, 0.5, 0.999])
@pytest.mark.parametrize("an_hour", [40, 4, 1])
@pytest.mark.parametrize("offset", [None, 0.0, 0.7], ids=["no offset", "offsets of 0", "offsets"])
def test_a_share_at_the_edge_is_quiet(share: float, an_hour: int, offset: float | None) -> None:
    """All good, all bad, or nearly: evidence grows no faster than the labels that it counts."""
    hours = 24 * DAYS
    n = np.full(hours, an_hour)
    bad = np.random.default_rng(4).binomial(n, share)
    offsets = None if offset is None else offset * np.sin(np.arange(hours))
    if share not in (0, 1):
        offsets = None if offset is None else np.zeros(hours)
    watch = watch_rate(n, bad, RateRule(needed=NEEDED), offset=offsets)
    assert watch.evidence_nats.max() < math.log(max(NEEDED / 5, 10 * n.sum()))
    assert not watch.latched.any()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_slices_golden_sets_categories_and_comparisons_are_quiet_at_the_edge(share: float) -> None:
    """All alike on both sides of whatever is compared: nothing is evidence."""
    n = np.full(60, 30.0)
    cells = [CellCounts(f"k={k}", n, n * share) for k in range(2)]
    found = watch_slices([Partition("k", cells)], RateRule(needed=NEEDED), baseline=30)
    assert not found.alarmed
    runs = GoldenRuns(np.arange(40), np.full((40, 50), share), np.full(50, share))
    assert run_evidence(runs).value.max() < 40
    seen = compare_as_they_come(n, n * share, n, n * share, RateRule(needed=100))
    assert max(seen.up_nats, seen.down_nats) < math.log(3)
    one = np.column_stack((n, 0 * n)) if share else np.column_stack((0 * n, n))
    watch = watch_categories(one, ["a", "b"], baseline=30, needed=NEEDED)
    assert watch.evidence_nats.max() < math.log(NEEDED)


def test_the_example_of_a_collapse_within_an_hour_is_found() -> None:
    """900 labels at .05, then 2,000 bad in one hour: 690 decades for it, where there were 850 against."""
    watch = watch_rate([900, 2000], [45, 2000], RateRule(needed=1e5))
    assert watch.evidence_nats[-1] > 600 * math.log(10)
    assert watch.latched[-1]
    assert watch.status == "up"
