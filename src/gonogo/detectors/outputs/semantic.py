"""Do today's outputs mean what they used to: two samples of vectors, one distance matrix.

Energy distance sees a moved centre and a new topic, MMD a changed spread; the test takes whichever
stands out more from its own permutations. The dice are seeded by the caller with the data's
identity, so that the same samples always get the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats
from gonogo.errors import DataError, NotEnoughData, ParameterError

OUTPUTS_MIN = 16
# Permutations that fix the scale of both statistics; these and those tested are apart.
_SCALE = 199
_BLOCK = 2048
# A test that is plainly quiet stops here: the p-value of Besag & Clifford stays valid.
_EXCEEDING_MAX = 20
# One test's evidence is a step function of its p-value: three levels share the weight.
_STEPS = ((0.01, 0.1), (0.001, 0.1))


@dataclass(frozen=True, slots=True)
class SampleChange:
    """The difference between two samples of vectors.

    `energy`: twice the mean distance across less the mean distances within, over the mean distance
    across; 0 for equal laws, negative by chance alone. `p_value`: of one look, by whichever of energy
    distance and squared maximum mean discrepancy (Gaussian kernel at the median distance) stands out.
    """

    energy: float
    p_value: float
    permutations: int


def sample_change(
    before: ArrayLike, after: ArrayLike, *, seed: int, permutations: int
) -> SampleChange:
    """Test whether two samples have one law.

    While the outputs of both are exchangeable, P(p_value <= p) <= p for every p, whatever the
    dimension. At most `permutations` relabellings are tried, fewer where there is nothing to see.

    Args:
        before: Shape (n, size), n of `OUTPUTS_MIN` or more.
        after: Shape (m, size), m of `OUTPUTS_MIN` or more.
        seed: Of the relabellings: the identity of the data.
        permutations: 199 or more.

    Raises:
        DataError: the samples are no matrices of one width, or hold NaN or infinity.
        NotEnoughData: a sample is too small.
        ParameterError: too few permutations.

    Source: Székely & Rizzo (2013), energy statistics; Gretton et al. (2012), MMD; Besag & Clifford
    (1991) for stopping early.
    """
    first, second = _checked(before, after)
    if permutations < _SCALE:
        raise ParameterError(f"permutations={permutations}; a p-value needs {_SCALE} or more.")
    n, m = len(first), len(second)
    apart = _distances(np.vstack((first, second)))
    size = n + m
    middle = float(np.median(apart[np.triu_indices(size, 1)])) or 1.0
    kernel = np.exp(-((apart / middle) ** 2) / 2)
    np.fill_diagonal(kernel, 0.0)
    tested = _Statistics(apart, kernel, n)
    rng = np.random.default_rng(seed)
    scale = tested.of(_labels(rng, size, n, _SCALE))
    centre, spread = scale.mean(axis=1), scale.std(axis=1)
    spread[spread == 0] = 1.0
    own = np.zeros((size, 1), dtype=np.float32)
    own[:n] = 1.0
    seen = tested.of(own)[:, 0]
    most = float(((seen - centre) / spread).max())
    exceeds: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []
    tried = 0
    while tried < permutations and sum(map(np.count_nonzero, exceeds)) < _EXCEEDING_MAX:
        block = min(_BLOCK if tried else _SCALE, permutations - tried)
        found = (tested.of(_labels(rng, size, n, block)) - centre[:, None]) / spread[:, None]
        exceeds.append(found.max(axis=0) >= most - 1e-9)
        tried += block
    across = float(apart[:n, n:].mean()) or 1.0
    p_value = _sequential_p(np.concatenate(exceeds))
    return SampleChange(float(seen[0]) / across, p_value, tried)


def daily_evidence(p_value: float, *, needed: float) -> float:
    """An e-value of one test a day: its mean is at most 1 while nothing has changed.

    It reaches `needed` where p <= .8 / needed, so that the expected number of alarms in d days is
    at most d / needed, however the days depend on each other and however often one asks.

    Source: calibrators of Vovk & Wang (2021), "E-values", doi:10.1214/20-AOS2020.
    """
    left = 1 - sum(weight for _, weight in _STEPS)
    steps = (*_STEPS, (left / needed, left))
    return float(sum(weight / level for level, weight in steps if p_value <= level))


def permutations_for(needed: float) -> int:
    """The fewest relabellings with which `daily_evidence` can reach `needed`."""
    return max(_SCALE, math.ceil(needed / (1 - sum(weight for _, weight in _STEPS))))


def day_spread(before: ArrayLike, day: ArrayLike) -> float:
    """The largest energy distance from one day of the baseline to its other days.

    Days that differ are no drift: a change counts where it is larger than this. 0 where fewer than
    two days have `OUTPUTS_MIN` outputs.

    Args:
        before: Shape (n, size).
        day: Shape (n,), integers.
    """
    sample, days = np.asarray(before, dtype=np.float64), np.asarray(day)
    if sample.ndim != 2 or days.shape != sample.shape[:1]:  # noqa: PLR2004
        raise DataError(f"Days of shape {days.shape} for outputs of shape {sample.shape}.")
    apart = _distances(sample)
    found = [0.0]
    for one in np.unique(days):
        inside = days == one
        n, m = int(inside.sum()), int((~inside).sum())
        if min(n, m) >= OUTPUTS_MIN:
            across = float(apart[np.ix_(inside, ~inside)].mean())
            within = [
                float(apart[np.ix_(part, part)].sum()) / (k * (k - 1))
                for part, k in ((inside, n), (~inside, m))
            ]
            found.append((2 * across - sum(within)) / (across or 1.0))
    return max(found)


def _sequential_p(exceeds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """The p-value of a permutation test that stops after twenty exceedances, or at its end."""
    at = np.flatnonzero(exceeds)
    if len(at) >= _EXCEEDING_MAX:
        return float(_EXCEEDING_MAX / (at[_EXCEEDING_MAX - 1] + 1))
    return float((len(at) + 1) / (len(exceeds) + 1))


class _Statistics:
    """Energy distance and squared MMD of any labelling, without the bias of their diagonals."""

    def __init__(self, apart: Floats, kernel: Floats, n: int) -> None:
        self._parts = [
            (matrix.astype(np.float32), sign) for matrix, sign in ((apart, -1), (kernel, 1))
        ]
        self._n, self._m = n, len(apart) - n

    def of(self, labels: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Floats:
        """Shape (2, labellings): of columns with 1 for each of the n of the first sample."""
        n, m, found = self._n, self._m, []
        for matrix, sign in self._parts:
            rows = matrix.sum(axis=1, dtype=np.float64)
            inner = np.einsum("ij,ij->j", labels, matrix @ labels).astype(np.float64)
            cross = rows @ labels - inner
            rest = rows.sum() - inner - 2 * cross
            within = inner / (n * (n - 1)) + rest / (m * (m - 1))
            found.append(sign * (within - 2 * cross / (n * m)))
        return np.array(found)


def _labels(
    rng: np.random.Generator, size: int, n: int, columns: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    labels = np.zeros((columns, size), dtype=np.float32)
    labels[:, :n] = 1.0
    return np.ascontiguousarray(rng.permuted(labels, axis=1).T)


def _distances(sample: Floats) -> Floats:
    centred = sample - sample.mean(axis=0)
    square = (centred**2).sum(axis=1)
    apart = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * centred @ centred.T, 0.0))
    np.fill_diagonal(apart, 0.0)
    found: Floats = apart
    return found


def _checked(before: ArrayLike, after: ArrayLike) -> tuple[Floats, Floats]:
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:  # noqa: PLR2004
        raise DataError(f"Samples of shapes {first.shape} and {second.shape} cannot be compared.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("Vectors of outputs need to be finite.")
    if min(len(first), len(second)) < OUTPUTS_MIN:
        raise NotEnoughData(
            f"{min(len(first), len(second))} outputs on one side; {OUTPUTS_MIN} are needed."
        )
    # Large vectors would overflow when squared; a common scale changes no comparison.
    top = max(float(np.abs(first).max(initial=0)), float(np.abs(second).max(initial=0)))
    return (first, second) if top < math.sqrt(1e300) else (first / top, second / top)
