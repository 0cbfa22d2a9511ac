"""A rate told by a mixture of Beta distributions: its quantiles, and products of independent ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.log_space import log_gamma

POINTS = 256
_GRID = 600
_STEPS: Floats = np.arange(_GRID, dtype=np.float64)
_LOGIT_MAX = 35.0
# Mixtures whose grids are made in one run: about what fits in a cache.
_GRIDS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class BetaMixture:
    """A rate's distribution: Beta(a[i], b[i]) with probability weight[i]; shapes (..., 5).

    `between_hours` is the variance of one hour's rate around it, shape (...): 0 where hours do not differ, NaN
    where calls are too few to tell.
    """

    weight: Floats
    a: Floats
    b: Floats
    between_hours: float | Floats = math.nan

    def mean(self) -> Floats:
        """The chance of the next event, shape (...)."""
        rate: Floats = np.sum(self.weight * self.a / (self.a + self.b), axis=-1)
        return rate

    def variance(self) -> Floats:
        """The variance of the rate, shape (...)."""
        total = self.a + self.b
        mean = self.a / total
        within = mean * (1 - mean) / (total + 1)
        spread: Floats = np.sum(self.weight * (within + mean**2), axis=-1) - self.mean() ** 2
        return spread

    def longest(self) -> Floats:
        """The estimate of the longest memory alone, shape (...)."""
        rate: Floats = self.a[..., -1] / (self.a[..., -1] + self.b[..., -1])
        return rate


def quantiles(mixture: BetaMixture, probabilities: Floats) -> Floats:
    """Quantiles of one mixture of shape (5,), right to 1e-4, at probabilities that ascend.

    Each component is summed on its own logit grid, where its density is smooth and vanishes at
    both ends, then the components are added on all grids together.
    """
    return _quantiles(mixture.weight, *beta_grids(mixture.a, mixture.b), probabilities)


def many_quantiles(mixtures: BetaMixture, probabilities: Floats) -> Floats:
    """Quantiles of many mixtures of shape (m, 5), right to 1e-4; shape (m, probabilities)."""
    found = np.empty((mixtures.weight.shape[0], probabilities.size))
    for start in range(0, len(found), _GRIDS_AT_ONCE):
        some = slice(start, start + _GRIDS_AT_ONCE)
        each = zip(
            mixtures.weight[some], *beta_grids(mixtures.a[some], mixtures.b[some]), strict=True
        )
        for row, one in enumerate(each, start):
            found[row] = _quantiles(*one, probabilities)
    return found


def _quantiles(weight: Floats, logits: Floats, cdfs: Floats, probabilities: Floats) -> Floats:
    kept = np.flatnonzero(weight > 1e-9)  # noqa: PLR2004 - below what 1e-4 can see
    # Five runs that ascend: the stable sort merges them.
    logit = np.sort(logits[kept], axis=None, kind="stable")
    cdf = np.zeros(logit.size)
    for row in kept:
        cdf += weight[row] * np.interp(logit, logits[row], cdfs[row])
    at = np.interp(probabilities, cdf / weight[kept].sum(), logit)
    rates: Floats = 1 / (1 + np.exp(-at))
    return rates


def equal_points(mixture: BetaMixture, count: int = POINTS) -> Floats:
    """`count` values of the rate, ascending, of equal probability."""
    return quantiles(mixture, (np.arange(count) + 0.5) / count)


def many_equal_points(mixtures: BetaMixture) -> Floats:
    """Points of equal probability, ascending, of mixtures of shape (m, 5); shape (m, POINTS)."""
    return many_quantiles(mixtures, (np.arange(POINTS) + 0.5) / POINTS)


def point_interval90(points: Floats) -> tuple[float, float]:
    """The 5 % and 95 % quantiles of a rate that is told by points of equal probability."""
    middle = (np.arange(points.size) + 0.5) / points.size
    low, high = np.interp([0.05, 0.95], middle, points)
    return float(low), float(high)


def product_points(first: Floats, second: Floats) -> Floats:
    """Points of equal probability of the product of two independent rates, as many as `first`."""
    products = np.sort(np.outer(first, second), axis=None)
    points: Floats = products.reshape(first.size, second.size).mean(axis=1)
    return points


def p_greater(first: Floats, second: Floats) -> float:
    """P(a rate with points `first` exceeds an independent one with points `second`)."""
    below = np.searchsorted(second, first, side="left")
    equal = np.searchsorted(second, first, side="right") - below
    return float(np.mean(below + equal / 2)) / second.size


def product_interval90(first: Floats, second: Floats) -> tuple[float, float]:
    """The 90 % interval of `product_points` of two rates, without making its middle.

    Both ascend. Of the i-th and j-th value at least i * j products are no larger, so the smallest K
    are among those with i * j <= K, and the largest by symmetry: an eighth of all products.
    """
    size, others = first.size, second.size
    at = 0.05 * size - 0.5
    low = int(at)
    share = at - low
    wanted = (low + 2) * others
    i, j = _corner(size, others, wanted)
    # Points are means of `others` products each, and each end lies between two of them.
    cuts = (low * others, (low + 1) * others, wanted)
    ends = []
    for sign, products in (
        (1, first[i] * second[j]),
        (-1, -first[size - 1 - i] * second[others - 1 - j]),
    ):
        products.partition([*cuts[:2], wanted - 1])
        outer, inner = (float(products[slice(*cut)].mean()) for cut in pairwise(cuts))
        ends.append(sign * (outer + share * (inner - outer)))
    return ends[0], ends[1]


def _corner(size: int, others: int, wanted: int) -> tuple[Ints, Ints]:
    """Indices of the pairs with (i + 1) * (j + 1) <= wanted."""
    key = size, others, wanted
    if key not in _CORNERS:
        if len(_CORNERS) > 8:  # noqa: PLR2004 - one is used
            _CORNERS.clear()
        product = np.outer(np.arange(1, size + 1), np.arange(1, others + 1))
        i, j = np.nonzero(product <= wanted)
        _CORNERS[key] = i, j
    return _CORNERS[key]


_CORNERS: dict[tuple[int, int, int], tuple[Ints, Ints]] = {}


def beta_grids(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Logit grids of Beta(a, b) and their distribution functions there; shapes (..., 600)."""
    centre, sd = np.log(a / b), np.sqrt(1 / a + 1 / b)
    low = np.clip(centre - 4 * sd - 10 / a, -_LOGIT_MAX, _LOGIT_MAX - 1)
    high = np.maximum(np.minimum(centre + 4 * sd + 10 / b, _LOGIT_MAX), low + 1e-6)
    step = (high - low) / (_GRID - 1)
    logit: Floats = low[..., None] + step[..., None] * _STEPS
    log_b = log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    # x^a (1 - x)^b with log x = logit + log(1 - x).
    density = np.log1p(np.exp(logit))
    density *= -(a + b)[..., None]
    density += a[..., None] * logit - log_b[..., None]
    np.exp(density, out=density)
    cdf: Floats = np.empty(logit.shape)
    cdf[..., 0] = density[..., 0] / a
    np.cumsum(
        (density[..., 1:] + density[..., :-1]) * (step / 2)[..., None], axis=-1, out=cdf[..., 1:]
    )
    cdf[..., 1:] += cdf[..., :1]
    cdf /= (cdf[..., -1] + density[..., -1] / b)[..., None]
    return logit, cdf
