"""Can what was said be trusted: stated chances against what came, whole and by segment.

Chances come in bins (their mean, calls, good calls): from a histogram of stated confidence, or
from scores that were asked for. A segment is judged by its calibration residual, so that one that
is honestly worse, and was said to be, is not called biased.

Source: Murphy (1973) for the Brier score; Hosmer & Lemeshow (1980) for the test of calibration;
Spiegelhalter (1986) for the residual; Benjamini & Hochberg (1995) for the false-discovery rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.golden.control_chart import PAGE_SD, SMOOTHING
from gonogo.errors import DataError

LABELS_MIN = 200
FALSE_DISCOVERY_RATE = 0.05
_ECE_BINS = 10
_GROUPS = 10
# A segment is not called biased for a miss that nobody would act on.
_MISS_MIN = 0.02
# Keeps a chance of exactly 0 or 1 that failed from dividing by nothing.
_VARIANCE_MIN = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class StatedChances:
    """Stated chances of good and what came, in bins; shapes (bins,).

    `chance_sum` is the exact sum of the chances stated in all bins together.
    """

    chance: Floats
    n: Ints
    good: Ints
    chance_sum: float

    @property
    def labels(self) -> int:
        """Calls in all bins."""
        return int(self.n.sum())


@dataclass(frozen=True, slots=True)
class Calibration:
    """The distance of stated chances from outcomes.

    `ece` is over ten bins of equal width. `ece_by_chance` is what it would be on average where
    every chance is right; `p_value` tests that, against any miss.
    """

    labels: int
    ece: float
    brier: float
    ece_by_chance: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Residual:
    """A segment's calls beside what was said of them.

    `sd` is sum(good - chance) in standard deviations; `miss` the mean of good - chance: below 0,
    the calls came out worse than was said. `biased` is None below 200 labels: cannot tell.
    """

    segment: str
    labels: int
    sd: float
    miss: float
    biased: bool | None


def calibration(stated: StatedChances) -> Calibration:
    """Hold stated chances against what came.

    Raises:
        DataError: the bins are not vectors of one length, empty, or hold more good than calls.
    """
    _check(stated)
    n, good, chance = stated.n, stated.good, stated.chance
    labels = stated.labels
    brier = float((good * (1 - chance) ** 2 + (n - good) * chance**2).sum()) / labels
    place = np.minimum((chance * _ECE_BINS).astype(np.int64), _ECE_BINS - 1)
    said = np.bincount(place, n * chance, minlength=_ECE_BINS)
    came = np.bincount(place, good, minlength=_ECE_BINS)
    variance = np.bincount(place, n * _variance(chance), minlength=_ECE_BINS)
    by_chance = float(np.sqrt(2 * variance / math.pi).sum()) / labels
    return Calibration(
        labels, float(np.abs(came - said).sum()) / labels, brier, by_chance, _lemeshow(stated)
    )


def residuals(
    whole: StatedChances, segments: Sequence[tuple[str, StatedChances]]
) -> list[Residual]:
    """Each segment's calibration residual, and which segments are biased.

    Biased: its own residual is not chance, and neither is what sets it apart from the rest, so
    that scores which miss alike everywhere are miscalibrated and not biased. False-discovery rate
    5 % over the segments that can be told.

    Args:
        whole: All calls; a segment's are among them.
        segments: Names and calls; they may overlap, and those without calls are left out.

    Returns:
        Biased ones first, then the others, then those with too few labels; each by size.
    """
    found, p_values = [], []
    for name, stated in segments:
        if not stated.labels:
            continue
        _check(stated)
        gap, variance = _gap(stated)
        found.append((name, stated.labels, gap / math.sqrt(variance), gap / stated.labels))
        if stated.labels >= LABELS_MIN:
            p_values.append(max(two_sided(found[-1][2]), _apart(whole, gap, variance)))
    told = [row for row in found if row[1] >= LABELS_MIN]
    discovered = benjamini_hochberg(p_values, FALSE_DISCOVERY_RATE)
    biased = {
        row[0]: bool(hit) and abs(row[3]) >= _MISS_MIN
        for row, hit in zip(told, discovered, strict=True)
    }
    rows = [Residual(*row, biased.get(row[0])) for row in found]
    return sorted(rows, key=lambda r: (r.biased is not True, r.biased is None, -abs(r.sd)))


def _gap(stated: StatedChances) -> tuple[float, float]:
    """Sum of good - chance, and its variance where every chance is right."""
    gap = float(stated.good.sum()) - stated.chance_sum
    return gap, float((stated.n * _variance(stated.chance)).sum())


def _apart(whole: StatedChances, gap: float, variance: float) -> float:
    """P-value of a segment's miss beside the rest's, in log-odds (one Newton step).

    0 where there is no rest to be set apart from.
    """
    whole_gap, whole_variance = _gap(whole)
    rest = whole_variance - variance
    if rest <= variance / LABELS_MIN:
        return 0.0
    shift = gap / variance - (whole_gap - gap) / rest
    return two_sided(shift / math.sqrt(1 / variance + 1 / rest))


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> NDArray[np.bool_]:
    """Select the p-values that are discoveries at a false-discovery rate; same order."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= rate * (np.arange(p.size) + 1) / max(p.size, 1))
    found = np.zeros(p.size, dtype=bool)
    if passed.size:
        found[order[: passed[-1] + 1]] = True
    return found


def page_limit_sd(baseline_runs: int) -> float:
    """Standard deviations of the smoothed pass rate at which the golden set pages.

    2.75 of them, the error of the baseline's own mean included: the smoothed rate varies by
    sd^2 * w / (2 - w), the mean of b runs by sd^2 / b.
    """
    return PAGE_SD * math.sqrt(1 + (2 - SMOOTHING) / (SMOOTHING * baseline_runs))


def two_sided(sd: float) -> float:
    """P(|Z| >= sd) for a standard normal Z."""
    return math.erfc(abs(sd) / math.sqrt(2))


def _variance(chance: Floats) -> Floats:
    """Variance of one call that is good with this chance."""
    variance: Floats = np.maximum(chance * (1 - chance), _VARIANCE_MIN)
    return variance


def _lemeshow(stated: StatedChances) -> float:
    """Hosmer and Lemeshow's p-value over ten groups of about equal numbers of calls.

    The chances were not fitted on these calls, so each group is a degree of freedom.
    """
    order = np.argsort(stated.chance, kind="stable")
    n, good, chance = stated.n[order], stated.good[order], stated.chance[order]
    middle = np.cumsum(n) - n / 2
    group = np.minimum((middle * _GROUPS / stated.labels).astype(np.int64), _GROUPS - 1)
    gap = np.bincount(group, good - n * chance, minlength=_GROUPS)
    variance = np.bincount(group, n * _variance(chance), minlength=_GROUPS)
    filled = variance > 0
    return chi_squared_tail(float((gap[filled] ** 2 / variance[filled]).sum()), int(filled.sum()))


def chi_squared_tail(value: float, freedom: int) -> float:
    """P(X >= value) by Wilson and Hilferty's (1931) cube root, good to .002 from 1 degree on."""
    scale = 2 / (9 * freedom)
    z = ((value / freedom) ** (1 / 3) - (1 - scale)) / math.sqrt(scale)
    return 0.5 * math.erfc(z / math.sqrt(2))


def _check(stated: StatedChances) -> None:
    chance, n, good = stated.chance, stated.n, stated.good
    if not (chance.shape == n.shape == good.shape and chance.ndim == 1 and n.sum() > 0):
        raise DataError("chances, calls and good calls must be vectors of one length, not empty")
    if not ((chance >= 0) & (chance <= 1) & (good >= 0) & (good <= n)).all():
        raise DataError("each bin needs a chance in [0, 1] and 0 <= good <= n")
