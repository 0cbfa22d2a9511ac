"""The chances of many dependencies in one run: `detectors.trust` with a leading axis for each.

Every step is the recursion that `trust_path` unrolls, taken for all dependencies at once: rows are
aligned at their newest, and what is missing in front has no calls and changes nothing. A property
test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.trust.hour_spread import hours_variance
from gonogo.detectors.trust.score import (
    DECAY_PER_HOUR,
    FIXED_SHARE,
    MEMORIES,
    WEIGHED_ROWS_MAX,
    BetaMixture,
    counted_as,
    log_fit,
    nested,
)

if TYPE_CHECKING:
    from gonogo.detectors.trust.prior import Prior
    from gonogo.records import Floats, Ints

__all__ = ["Batches", "posteriors", "product_interval90"]

# Dependencies in one run: those with about as many rows, so that little of it is padding.
_AT_ONCE = 128


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """The calls of one dependency by hour, shapes (rows,): hours ascend, each has a call."""

    hour: Ints
    good: Ints
    n: Ints


def posteriors(
    batches: Sequence[Batches], priors: Sequence[Prior], *, now_hour: int
) -> list[BetaMixture]:
    """What `trust.posterior` gives for each; every dependency has at least one row.

    Args:
        batches: The calls of each.
        priors: What is believed of each before its first call.
        now_hour: Hours since 1970.

    Returns:
        A mixture of shape (5,) for each, in their order.
    """
    found: dict[int, BetaMixture] = {}
    order = sorted(range(len(batches)), key=lambda i: batches[i].hour.size)
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        mixtures = _run([batches[i] for i in some], [priors[i] for i in some], now_hour)
        found |= dict(zip(some, mixtures, strict=True))
    return [found[i] for i in range(len(batches))]


def _run(
    batches: Sequence[Batches], priors: Sequence[Prior], now_hour: int
) -> Iterator[BetaMixture]:
    rows = min(max(one.hour.size for one in batches), WEIGHED_ROWS_MAX)
    hour, good, n = (np.zeros((len(batches), rows), dtype=np.int64) for _ in range(3))
    # Sums of the rows before those that are weighed one by one, at the first of these.
    good_now, n_now = (np.zeros((len(batches), MEMORIES)) for _ in range(2))
    for at, one in enumerate(batches):
        first = max(one.hour.size - rows, 0)
        kept = one.hour.size - first
        hour[at], hour[at, rows - kept :] = one.hour[first], one.hour[first:]
        good[at, rows - kept :], n[at, rows - kept :] = one.good[first:], one.n[first:]
        fade = np.exp((one.hour[first] - one.hour[:first, None]).astype(float) * DECAY_PER_HOUR)
        good_now[at], n_now[at] = one.good[:first] @ fade, one.n[:first] @ fade
    before_good, before_n = (np.empty((len(batches), rows, MEMORIES)) for _ in range(2))
    decay = np.exp(np.diff(hour, axis=1)[..., None] * DECAY_PER_HOUR)
    for row in range(rows):
        if row:
            good_now = (good_now + good[:, row - 1, None]) * decay[:, row - 1]
            n_now = (n_now + n[:, row - 1, None]) * decay[:, row - 1]
        before_good[:, row], before_n[:, row] = good_now, n_now
    mean, strength = (
        np.array([[value] for value in column])
        for column in zip(*((prior.mean, prior.strength) for prior in priors), strict=True)
    )
    fit = log_fit(before_good, before_n, good[..., None], n[..., None], (mean, strength))
    weight, before, short = _weighed(fit, n)
    own_a, own_b = nested(before_good, before_n, (mean, strength))
    scale = counted_as(short)[..., None]
    told = BetaMixture(before, scale * own_a, scale * own_b)
    between = hours_variance(told.mean(), told.variance(), good, n)
    fade = np.exp((np.maximum(now_hour - hour[:, -1], 0))[:, None] * DECAY_PER_HOUR)
    last_good = (good_now + good[:, -1, None]) * fade
    last_n = (n_now + n[:, -1, None]) * fade
    a, b = nested(last_good, last_n, (mean[:, 0], strength[:, 0]))
    for at, count in enumerate(scale[:, -1]):
        yield BetaMixture(weight[at], count * a[at], count * b[at], float(between[at]))


def _weighed(fit: Floats, n: Ints) -> tuple[Floats, Floats, Floats]:
    """Weights after the last row, before each, and what the two shortest weighed on average up to each."""
    weight = np.full((fit.shape[0], MEMORIES), 1 / MEMORIES)
    before = np.empty_like(fit)
    likelihood = np.exp(fit - fit.max(axis=-1, keepdims=True))
    kept = (1 - FIXED_SHARE) ** np.maximum(n - 1, 0)
    is_row = n > 0
    given = np.where(is_row, FIXED_SHARE, 0.0)
    for row in range(fit.shape[1]):
        before[:, row] = weight
        stays = kept[:, row, None]
        weight = (weight * stays + (1 - stays) / MEMORIES) * likelihood[:, row]
        weight /= weight.sum(axis=1, keepdims=True)
        share = given[:, row, None]
        weight = weight * (1 - share) + share / MEMORIES
    short = np.where(is_row, before[..., :2].sum(axis=-1), 0.0).cumsum(axis=1)
    return weight, before, short / np.maximum(is_row.cumsum(axis=1), 1)


def product_interval90(first: Floats, second: Floats) -> tuple[float, float]:
    """The 90 % interval of `trust.product_points` of two rates, without making its middle.

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
