"""The record of budget checks that came true: the reliability of the confidences that were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.answers import Calibration
from gonogo.ports.money import JudgedCheck, Ledger

CHECKS_MIN = 20
BINS = 10
CHECKS_MAX = 1000


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Checks whose confidence lay in `low <= confidence < high`, and what came of them."""

    low: float
    high: float
    checks: int
    said: float  # mean confidence
    happened: float  # share that stayed within what remained then


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """The reliability diagram of settled checks; empty bins are left out."""

    bins: tuple[CalibrationBin, ...]
    checks: int
    ece: float | None  # mean |said - happened|, weighted by checks; None below CHECKS_MIN checks


def calibrate(judged: Sequence[JudgedCheck]) -> CalibrationTable:
    """Bin settled checks by the confidence that they were given.

    A check came true when the work cost no more than what remained when it was made.
    """
    checks, said, kept = [0] * BINS, [0.0] * BINS, [0] * BINS
    for confidence, remaining, actual, _ in judged:
        i = min(int(confidence * BINS), BINS - 1)
        checks[i] += 1
        said[i] += confidence
        kept[i] += actual <= remaining
    bins, error = [], 0.0
    for i, n in enumerate(checks):
        if n:
            bins.append(CalibrationBin(i / BINS, (i + 1) / BINS, n, said[i] / n, kept[i] / n))
            error += abs(kept[i] - said[i])
    enough = len(judged) >= CHECKS_MIN
    return CalibrationTable(tuple(bins), len(judged), error / len(judged) if enough else None)


def calibration_note(judged: Sequence[JudgedCheck]) -> Calibration | None:
    """A sentence on the record of earlier answers; nothing where none was settled."""
    if not judged:
        return None
    table = calibrate(judged)
    if table.ece is None:
        note = f"{CHECKS_MIN - table.checks} more settled reservations tell how far to trust this"
        return Calibration(checks=table.checks, note=note)
    return Calibration(checks=table.checks, ece=table.ece)


async def calibration_table(ledger: Ledger) -> CalibrationTable:
    """The reliability diagram of the newest settled checks of all budgets."""
    return calibrate(await ledger.judged(limit=CHECKS_MAX))
