"""Estimates of quality without outcomes, from the confidence that calls state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats
from gonogo.errors import DataError, NotEnoughData

LABELS_MIN = 100
# What every block of the calibration is drawn towards the mean of all labels by.
_SHRINK_LABELS = 2.0


@dataclass(frozen=True, slots=True)
class ConfidenceEstimate:
    """The expected share of good calls among `n` without an outcome, learned from `labels`."""

    mean: float
    interval95: tuple[float, float]
    n: int
    labels: int


def isotonic(n: ArrayLike, good: ArrayLike) -> Floats:
    """The rising rates that fit counts best: pool adjacent violators. Shape of `n`.

    Places without a count take the rate of the place before them (the first ones that of the first
    with one).

    Source: Ayer et al. (1955); Robertson, Wright & Dykstra (1988).
    """
    size, hits = np.asarray(n, dtype=np.float64), np.asarray(good, dtype=np.float64)
    blocks: list[list[float]] = []  # labels, good ones, places
    for count, right in zip(size.tolist(), hits.tolist(), strict=True):
        blocks.append([count, right, 1.0])
        # A block is merged while its rate is below the one before it, or it is empty.
        while len(blocks) > 1 and (
            blocks[-1][0] == 0
            or blocks[-2][0] == 0
            or blocks[-1][1] * blocks[-2][0] <= blocks[-2][1] * blocks[-1][0]
        ):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    rates = [right / count if count else 0.0 for count, right, _ in blocks]
    return np.repeat(rates, [int(places) for *_, places in blocks])


def estimate_from_confidence(
    labelled: ArrayLike, good: ArrayLike, unlabelled: ArrayLike
) -> ConfidenceEstimate:
    """Estimate the share of good calls from stated confidences (CBPE).

    Confidence is calibrated on the labels there are by isotonic regression, then averaged over the
    calls without one. The interval holds the calibration's and the sample's own chance. It knows
    nothing of a changed meaning of confidence: where the model becomes wrong and stays sure, the
    estimate stays as it was.

    Args:
        labelled: Labelled calls in each bin of confidence, ascending, shape (bins,).
        good: The good ones among them, shape (bins,).
        unlabelled: Calls without an outcome in each bin, shape (bins,).

    Raises:
        DataError: shapes differ, or counts are negative or contradict each other.
        NotEnoughData: fewer than `LABELS_MIN` labels, or no call without one.

    Source: NannyML's confidence-based performance estimation; Zadrozny & Elkan (2002).
    """
    known, right, open_ = (
        np.asarray(counts, dtype=np.float64) for counts in (labelled, good, unlabelled)
    )
    if not known.shape == right.shape == open_.shape or known.ndim != 1:
        raise DataError("Counts of labelled, good and unlabelled calls need one shape.")
    sound = np.isfinite(known) & np.isfinite(right) & np.isfinite(open_)
    if not (sound & (right >= 0) & (right <= known) & (open_ >= 0)).all():
        raise DataError("Counts need to be finite, 0 or more, and good ones at most the labelled.")
    labels, n = float(known.sum()), float(open_.sum())
    if labels < LABELS_MIN or n == 0:
        raise NotEnoughData(
            f"{labels:.0f} labels with a confidence and {n:.0f} calls without a label; an estimate "
            f"needs {LABELS_MIN} and 1."
        )
    overall = float(right.sum()) / labels
    rate = isotonic(known, right)
    _, block = np.unique(rate, return_inverse=True)
    size = np.bincount(block, known)
    share = np.bincount(block, open_) / n
    rate_of = (np.bincount(block, right) + _SHRINK_LABELS * overall) / (size + _SHRINK_LABELS)
    chance = rate_of * (1 - rate_of)
    mean = float(share @ rate_of)
    error = 1.96 * math.sqrt(
        float(share**2 @ (chance / (size + _SHRINK_LABELS))) + float(share @ chance) / n
    )
    return ConfidenceEstimate(
        mean, (max(0.0, mean - error), min(1.0, mean + error)), round(n), round(labels)
    )
