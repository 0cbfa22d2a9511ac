"""A golden set in its first week: no baseline yet, but a collapse is told by its items in pairs."""

from __future__ import annotations

import numpy as np
import pytest

from golden_days import found_of_days

ITEMS = 50


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
    finding = found_of_days(right)
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
        told.append([found_of_days(right[:n]).status == "degraded" for n in range(2, 9)])
    assert np.mean(np.any(told, axis=1)) <= 0.05


@pytest.mark.parametrize(("items", "broken"), [(8, 8), (10, 8), (20, 9)])
def test_a_set_that_fell_while_its_baseline_was_learned_is_no_go_ahead(
    items: int, broken: int
) -> None:
    """Most items wrong from the third run on, so that they are what the baseline is: a caution."""
    right = np.ones((12, items))
    right[2:, :broken] = 0
    finding = found_of_days(right)
    assert finding.evidence is not None
    assert (finding.status, finding.evidence.level) == ("degraded", "suggestive")
    assert finding.baseline is not None
    assert finding.baseline.mean == 1
    right[-1] = 1
    # Well again, as far as so few items show.
    assert found_of_days(right).status in ("insufficient_data", "improved")
