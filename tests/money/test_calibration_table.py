"""The reliability of confidences that were given."""

from __future__ import annotations

import pytest

from gonogo.money.calibration import calibrate, calibration_note
from gonogo.ports.money import JudgedCheck


def _judged(confidence: float, *, kept: int, lost: int) -> list[JudgedCheck]:
    return [
        *[JudgedCheck(confidence, 100, 100, None)] * kept,
        *[JudgedCheck(confidence, 100, 101, None)] * lost,
    ]


def test_a_check_is_judged_by_what_remained_when_it_was_made() -> None:
    """Ten at 0.75 of which 6 held, twenty at 1.0 of which 19 did: 0.15/3 + 2 x 0.05/3."""
    table = calibrate(_judged(0.75, kept=6, lost=4) + _judged(1.0, kept=19, lost=1))
    assert [(b.low, b.checks) for b in table.bins] == [(0.7, 10), (0.9, 20)]
    assert [b.happened for b in table.bins] == [0.6, 0.95]
    assert table.ece == pytest.approx((10 * 0.15 + 20 * 0.05) / 30)


def test_below_twenty_checks_the_note_says_how_many_are_missing() -> None:
    """No error is claimed from a handful."""
    assert calibration_note([]) is None
    few = calibration_note(_judged(0.9, kept=15, lost=0))
    assert few is not None
    assert few.ece is None
    assert few.note is not None
    assert few.note.startswith("5 more settled reservations")
