"""The one place where arrays and numbers that reach a detector are checked."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.errors import DataError, ParameterError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Fixed-point sums are exact to 1e-6 an outcome, so a sum may exceed its count by rounding alone.
ROUNDING = 1e-6


def check_fractions(**values: float) -> None:
    """Refuse any named value outside the open interval (0, 1); raises ParameterError."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise ParameterError(f"{name} = {value!r} is not a fraction strictly between 0 and 1.")


def check_positive(**values: float) -> None:
    """Refuse any named value that is not finite and above zero; raises ParameterError."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ParameterError(f"{name} = {value!r} is not a finite number above 0.")


def check_vector(name: str, values: ArrayLike) -> Floats:
    """A copy as float64, shape (n,); raises DataError unless all of it is finite."""
    vector = np.array(values, dtype=np.float64)
    if vector.ndim != 1:
        raise DataError(f"{name} has {vector.ndim} dimensions; it needs one.")
    if not np.isfinite(vector).all():
        first = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise DataError(f"{name}[{first}] is {vector[first]}; every value must be finite.")
    return vector


def check_counts(n: ArrayLike, bad: ArrayLike) -> tuple[Floats, Floats]:
    """Labels and bad outcomes of each batch as float64 copies, both shape (batches,).

    Raises:
        DataError: Lengths differ, a value is not finite or negative, or `bad` exceeds `n`.
    """
    labels, failures = check_vector("n", n), check_vector("bad", bad)
    if labels.shape != failures.shape:
        raise DataError(f"n has {len(labels)} batches and bad has {len(failures)}.")
    wrong = (labels < 0) | (failures < 0) | (failures > labels + ROUNDING * (1 + labels))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise DataError(f"Batch {at} has {failures[at]} bad of {labels[at]} labels.")
    return labels, np.minimum(failures, labels)
