"""The upper part of a Beta integral, as a logarithm that stays exact however far out it lies."""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.detectors.rate.rule import log_gamma

__all__ = ["log_beta", "log_beta_above"]

# Lentz's method: a stand-in for a denominator of zero, and when a fraction has settled. It settles
# in about the square root of the larger parameter; the bound is for parameters of 1e9.
_TINY = 1e-300
_SETTLED = 1e-13
_TERMS_MAX = 100_000


def log_beta(a: Floats, b: Floats) -> Floats:
    """The logarithm of the Beta function, a and b above 0."""
    nats: Floats = log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    return nats


def log_beta_above(cut: Floats, a: Floats, b: Floats) -> Floats:
    """The logarithm of the integral of p^(a-1) (1-p)^(b-1) from `cut` to 1.

    Args:
        cut: Where it begins, in [0, 1), shape (n,).
        a: Above 0, shape (n,).
        b: Above 0, shape (n,).

    Source: Lentz's continued fraction of the incomplete Beta function (DLMF 8.17.22), taken from the
    side on which it converges fast: so a tail of 1e-500 keeps its digits.
    """
    whole = log_beta(a, b)
    nats = whole.copy()
    far = (1 - cut) * (a + b + 2) < b + 1  # most of the mass lies below the cut
    nats[far] = _log_below(1 - cut[far], b[far], a[far])
    near = ~far & (cut > 0)
    below = _log_below(cut[near], a[near], b[near]) - whole[near]
    nats[near] += np.log1p(-np.exp(np.minimum(below, -_TINY)))
    return nats


def _log_below(x: Floats, a: Floats, b: Floats) -> Floats:
    """The logarithm of the integral of p^(a-1) (1-p)^(b-1) from 0 to x; x below its mean."""
    if not len(x):
        return np.zeros(0)
    c, total = np.ones_like(x), 1 / _nonzero(1 - (a + b) * x / (a + 1))
    d = total.copy()
    for m in range(1, _TERMS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = np.ones_like(x)
        for term in (even, odd):
            d = 1 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            step *= c * d
        total *= step
        if m % 8 == 0 and np.abs(step - 1).max() < _SETTLED:
            break
    nats: Floats = a * np.log(x) + b * np.log1p(-x) - np.log(a) + np.log(total)
    return nats


def _nonzero(values: Floats) -> Floats:
    return np.where(np.abs(values) < _TINY, math.copysign(_TINY, 1), values)
