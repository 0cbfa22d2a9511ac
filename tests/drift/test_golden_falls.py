"""A golden set over weeks: how long a fall lasts, how it ends, and what so few items can say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from golden_days import found_of_days
from gonogo.detectors.golden.golden_falls import GoldenWatch
from gonogo.detectors.golden.paired import items_needed
from gonogo.detectors.pieces import PieceCache
from gonogo.drift.drift_words import verdict_of
from gonogo.records import Verdict

FELL = 14


def told(right: np.ndarray, *, first: int) -> list[Verdict]:
    """The verdict after each of sixteen runs, from one of them on."""
    return [
        verdict_of(found_of_days(right[: n + 1])) for n in range(first, min(len(right), first + 16))
    ]


@pytest.mark.parametrize(("items", "broken"), [(50, 50), (50, 12), (200, 20)])
def test_a_fall_that_was_mended_ends_and_stays_over(items: int, broken: int) -> None:
    """Three bad days: no_go in them, a caution for a week at most, then go for the weeks to come."""
    right = np.ones((60, items))
    right[FELL : FELL + 3, :broken] = 0
    answers = told(right, first=FELL)
    assert answers[:3] == ["no_go"] * 3
    assert "no_go" not in answers[4:]
    assert answers[10:] == ["go"] * len(answers[10:])
    assert found_of_days(right).status == "stable"


@pytest.mark.parametrize(("items", "broken"), [(5, 1), (20, 1), (50, 3), (50, 50)])
def test_a_fall_that_lasts_stays_no_go(items: int, broken: int) -> None:
    """What broke and stays broken is learned by the detector, and must not be taken for mended."""
    right = np.ones((60, items))
    right[FELL:, :broken] = 0
    answers = told(right, first=FELL)
    assert answers.index("no_go") <= 4
    assert set(answers[answers.index("no_go") :]) == {"no_go"}
    finding = found_of_days(right)
    assert finding.current is not None
    assert finding.current.mean == pytest.approx(1 - broken / items)
    assert finding.change is not None
    assert finding.change.interval95 is not None
    assert finding.change.interval95[1] < 0


def test_evidence_of_a_fall_grows_with_harm_and_with_days() -> None:
    """More broken items, or one more day of them, never take evidence away."""
    table = np.zeros((6, 12))
    for row, broken in enumerate((2, 5, 10, 20, 35, 50)):
        right = np.ones((FELL + 12, 50))
        right[FELL:, :broken] = 0
        for day in range(12):
            evidence = found_of_days(right[: FELL + day + 1]).evidence
            assert evidence is not None
            table[row, day] = evidence.log10_e
    assert (np.diff(table, axis=1) >= 0).all()
    assert (np.diff(table, axis=0) >= -0.5).all()  # half a decade at most, of the grid of shares


@pytest.mark.parametrize("items", [5, 10, 20, 34, 35, 50])
@pytest.mark.parametrize(("was", "enough"), [(1, "stable"), (0, "improved")])
def test_few_items_are_never_go(items: int, was: int, enough: str) -> None:
    """Items that are always right, or have become so, exclude a loss of .1 only if there are enough of them."""
    right = np.ones((40, items))
    right[:FELL] = was
    finding = found_of_days(right)
    if items >= items_needed(0.1):
        assert finding.status == enough
        return
    assert finding.status == "insufficient_data"
    assert str(finding.why).endswith(
        "so few items cannot exclude a loss of 0.1 in what they do not ask"
    )
    assert finding.missing == "Ask about 35 golden items or more."


def test_runs_that_are_kept_change_no_answer() -> None:
    """Asked after every run, and again after none, with what was followed before or without it."""
    rng = np.random.default_rng(9)
    right = (rng.random((24, 40)) < 0.9).astype(float)
    right[FELL:17] = 0
    kept: PieceCache[GoldenWatch] = PieceCache()
    for day in range(8, len(right)):
        alone = found_of_days(right[:day])
        assert found_of_days(right[:day], kept=kept) == alone
        assert found_of_days(right[:day], kept=kept) == alone
        right[day - 1, 0] = 1 - right[day - 1, 0]
        assert found_of_days(right[:day], kept=kept) == found_of_days(right[:day])


def test_a_set_of_dice_that_falls_is_never_go() -> None:
    """Ten items that are right seven times in ten, then three: unknown, then a caution or no_go."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        chance = np.where(np.arange(35) < FELL, 0.7, 0.3)
        answers = told((rng.random((35, 10)) < chance[:, None]).astype(float), first=FELL)
        assert "go" not in answers
        assert answers[-1] in ("caution", "no_go")


def test_a_lasting_fall_is_hardly_ever_called_over() -> None:
    """Fifty dice from .94 to .80 for a month: after a week `go` or `unknown` in at most 1 set in 20."""
    rng = np.random.default_rng(5)
    over, sets = 0, 20
    for _ in range(sets):
        chance = np.where(np.arange(FELL + 30) < FELL, 0.94, 0.80)
        right = (rng.random((FELL + 30, 50)) < chance[:, None]).astype(float)
        days = [verdict_of(found_of_days(right[: FELL + n])) for n in (8, 15, 22, 30)]
        over += bool({"go", "unknown"} & set(days))
    assert over <= 0.05 * sets + 2 * math.sqrt(sets * 0.05 * 0.95)
