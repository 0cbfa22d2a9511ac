"""A golden set in its first week: no baseline yet, but a collapse is told by its items in pairs."""

from __future__ import annotations

import numpy as np
import pytest

from gonogo.drift.drift_golden import golden_finding
from gonogo.drift.finding import Finding
from gonogo.records import MICRO, GoldenAnswers
from gonogo.settings import DependencySettings

ITEMS, DAY = 50, 20_000


def found(right: np.ndarray) -> Finding:
    """What is found of daily runs; `right` has shape (runs, items), 1 is a right answer."""
    runs, items = right.shape
    answers = GoldenAnswers(
        items=tuple(map(str, range(items))),
        versions=(None,),
        item=np.tile(np.arange(items), runs),
        version=np.zeros(runs * items, dtype=np.int64),
        day=np.repeat(DAY + np.arange(runs), items),
        n=np.ones(runs * items, dtype=np.int64),
        outcome_sum=(right.ravel() * MICRO).astype(np.int64),
    )
    end_hour = (DAY + runs) * 24
    return golden_finding(answers, DependencySettings("m"), weight=0.2, end_hour=end_hour)


@pytest.mark.parametrize("runs", [2, 4, 8])
@pytest.mark.parametrize(
    ("broken", "status", "level"),
    [
        (50, "degraded", None),
        (20, "degraded", None),
        (12, "degraded", "suggestive"),
        (5, "insufficient_data", None),
        (0, "insufficient_data", None),
    ],
)
def test_a_collapse_is_told_from_the_second_run_on(
    runs: int, broken: int, status: str, level: str | None
) -> None:
    """Right every day, then some items wrong: all, many, a dozen, a handful; never go."""
    right = np.ones((runs, ITEMS))
    right[-1, :broken] = 0
    finding = found(right)
    assert (finding.status, finding.evidence and finding.evidence.level) == (status, level)
    if finding.status == "insufficient_data":
        assert f"{9 - runs} more day" in str(finding.missing)
    else:
        assert finding.golden is not None
        assert (finding.golden.items, finding.golden.worse) == (ITEMS, broken)
        assert finding.evidence is not None
        assert finding.golden.e_value == finding.evidence.e_value


@pytest.mark.parametrize("rate", [0.95, 0.7])
def test_a_first_week_of_dice_is_hardly_ever_a_caution(rate: float) -> None:
    """80 weeks looked at each day: .05 of cautions are promised, .01 of no_go."""
    rng = np.random.default_rng(17)
    told = []
    for _ in range(80):
        right = (rng.random((8, ITEMS)) < rate).astype(float)
        told.append([found(right[:n]).status == "degraded" for n in range(2, 9)])
    assert np.mean(np.any(told, axis=1)) <= 0.05


@pytest.mark.parametrize(("items", "broken"), [(8, 8), (10, 8), (20, 9)])
def test_a_set_that_fell_while_its_baseline_was_learned_is_no_go_ahead(
    items: int, broken: int
) -> None:
    """Most items wrong from the third run on, so that they are what the baseline is: a caution."""
    right = np.ones((12, items))
    right[2:, :broken] = 0
    finding = found(right)
    assert finding.evidence is not None
    assert (finding.status, finding.evidence.level) == ("degraded", "suggestive")
    assert finding.baseline is not None
    assert finding.baseline.mean == 1
    right[-1] = 1
    assert found(right).status in ("stable", "improved")
