"""Arithmetic in logarithms: Gamma, Beta and its tails, odds, and mass that joins a walk."""

from __future__ import annotations

import math

import numpy as np

from gonogo.detectors.arrays import Floats, Ints

# From here on Stirling's series is exact to rounding.
STIRLING_FROM = 10
# A span of logs that plain sums of exponentials hold without loss.
LINEAR_NATS_MAX = 690.0


def log_gamma(x: Floats) -> Floats:
    """The logarithm of Gamma for x > 0: Stirling's series, after ten steps up where x is small."""
    small = x < STIRLING_FROM
    z = np.where(small, x + STIRLING_FROM, x)
    inverse = 1 / (z * z)
    series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / z
    stirling: Floats = (z - 0.5) * np.log(z) - z + (0.5 * math.log(2 * math.pi) + series)
    if small.any():
        steps = x[small, None] + np.arange(STIRLING_FROM)
        stirling[small] -= np.log(steps.prod(axis=1))
    return stirling


def log_odds(rate: Floats) -> Floats:
    """The logit of rates in (0, 1)."""
    odds: Floats = np.log(rate) - np.log1p(-rate)
    return odds


def from_log_odds(value: Floats) -> Floats:
    """The rate whose logit this is."""
    rate: Floats = 1 / (1 + np.exp(-value))
    return rate


def accumulate_starts(walk: Floats, log_starts: Floats, start_nats: float | Floats) -> Floats:
    """Unroll M <- (M + start) exp(step) for a whole run, in logs, along the last axis.

    Args:
        walk: Cumulative steps, shape (..., n), nats.
        log_starts: Log of the mass that joins ahead of each step, shape (n,).
        start_nats: Log of the mass at the beginning, shape (...).

    Returns:
        Log mass after each step, shape (..., n).
    """
    joining: Floats = np.empty_like(walk)
    joining[..., 0] = np.logaddexp(log_starts[0], start_nats)
    joining[..., 1:] = log_starts[1:] - walk[..., :-1]
    top = joining.max(axis=-1, keepdims=True)
    bottom = joining.min(axis=-1, keepdims=True, where=np.isfinite(joining), initial=math.inf)
    if (top - bottom < LINEAR_NATS_MAX).all():
        top = np.where(np.isfinite(top), top, 0.0)
        joining -= top
        np.exp(joining, out=joining)
        np.cumsum(joining, axis=-1, out=joining)
        with np.errstate(divide="ignore"):
            np.log(joining, out=joining)
        joining += top
    else:
        joining = np.logaddexp.accumulate(joining, axis=-1)
    joining += walk
    return joining


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


# Up to so many factors are multiplied, a twentieth of the time of two log-gammas; x up to 1e15
# stays far from the largest float.
_FACTORS_MAX = 16


def log_rising(x: Floats, count: Ints) -> Floats:
    """log(x (x + 1) ... (x + count - 1)) for x > 0 and whole counts; shapes broadcast."""
    most = int(count.max(initial=0))
    product = np.ones(np.broadcast_shapes(x.shape, count.shape))
    for step in range(min(most, _FACTORS_MAX)):
        product *= np.where(count > step, x + step, 1.0)
    logs: Floats = np.log(product)
    if most > _FACTORS_MAX:
        many = np.broadcast_to(count > _FACTORS_MAX, logs.shape)
        start = np.broadcast_to(x, logs.shape)[many]
        logs[many] = log_gamma(start + np.broadcast_to(count, logs.shape)[many]) - log_gamma(start)
    return logs
