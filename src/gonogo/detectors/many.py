"""Many looks, one false-alarm budget: which of a list to name, and what the list says together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import check_positive
from gonogo.errors import DataError


def listed(evidence_nats: ArrayLike, *, needed: float) -> list[int]:
    """Select the detectors of a list to flag (e-d-BH): indices, strongest first.

    The largest k for which the k-th strongest has at least K needed / k, of K detectors; they may
    depend on each other in any way.

    Args:
        evidence_nats: Shape (detectors,), log evidence; -inf is none.
        needed: Evidence at which one of them alone would alarm.

    Raises:
        DataError: a value is NaN or +inf.
        ParameterError: `needed` is not positive.

    Source: Dandapanthula & Ramdas (2025), arXiv:2501.04130.
    """
    check_positive(needed=needed)
    nats = _checked(evidence_nats)
    order = np.argsort(-nats, kind="stable")
    bar = math.log(needed * max(nats.size, 1)) - np.log(np.arange(nats.size) + 1)
    over = np.flatnonzero(nats[order] >= bar)
    flagged: list[int] = order[: over[-1] + 1].tolist() if over.size else []
    return flagged


def together_nats(evidence_nats: ArrayLike, weights: ArrayLike) -> float:
    """Log of the weighted mean of evidence: it keeps the promise of each, at any dependence.

    Raises:
        DataError: a value is NaN or +inf, or weights are negative or sum to more than 1.
    """
    nats, share = _checked(evidence_nats), np.asarray(weights, dtype=np.float64)
    if share.shape != nats.shape or not (share >= 0).all() or share.sum() > 1 + 1e-9:
        raise DataError(
            "Weights need the shape of the evidence, be 0 or more and sum to at most 1."
        )
    kept = share > 0
    return float(np.logaddexp.reduce(nats[kept] + np.log(share[kept]), initial=-math.inf))


def _checked(evidence_nats: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    nats = np.array(evidence_nats, dtype=np.float64).reshape(-1)
    if np.isnan(nats).any() or (nats == math.inf).any():
        raise DataError("Evidence is a number of nats or -inf.")
    return nats
