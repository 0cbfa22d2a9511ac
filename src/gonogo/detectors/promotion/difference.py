"""The difference of two versions' rates, good at any time: an interval, and how sure the sign is.

Calls are compared within strata of time, weighted W = n_a n_b / (n_a + n_b), so that hours in which both
are bad cancel. The interval is a normal mixture over the weighted sum: it covers the average
difference so far at every time at once, with a chance of at least 95 %.

Where a user keeps one version, his calls hang together: 30 users whose rates differ by 5 points, counted call by call,
made the interval miss in .49 of runs (`benchmarks/promotion.py`). The spread is then that of the users' own sums about
the rate of their side, which each user's calls made in part themselves: a sum is divided by one less its share of the side, as
a jackknife that leaves the user out would have it. Of a user who has nearly all calls nothing can be said.

Source: Robbins (1970), Annals of Mathematical Statistics 41; Waudby-Smith et al., arXiv 2103.06476; Bell and
McCaffrey (2002), Survey Methodology 28, for the leave-one-cluster-out variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, Ints, check_counts
from gonogo.detectors.promotion.hour_evidence import LINES

# Labels on the smaller side that close a stratum; good and bad ones on each side before an answer.
STRATUM_LABELS = 8.0
FIRST_LABELS = 10.0
# The mixture is narrowest at about a thousand labels a side.
TIGHT_AT = 1000.0
MIXTURE = 0.12
ALPHA = 0.05
# With more of a side's calls than this, a key is the side: how others fare with the version is not known.
KEY_SHARE_MAX, TINY = 0.9, 1e-6

# Latency and cost by the calls above what the current version's 95th percentile and median were:
# a mean of costs is ruled by its few largest, and a share of calls above a line is a rate.
METRICS = ("outcome", "error", "latency_p95", "latency_median", "cost_p95", "cost_median")
# Medians only send back: half of the calls above one, a shift shows there first.
PASSING = (True, True, True, False, True, False)
# One budget over all of them; they add up to 1, and what is not measured spends nothing.
WORSE_WEIGHTS = (0.4, 0.2, 0.1, 0.1, 0.1, 0.1)
# Errors end at 2 points: with 5, a candidate that fails in 2 % passes six times in a hundred.
ERROR_LINES = (*LINES[:-1], 0.02)


@dataclass(frozen=True, slots=True)
class RateDifference:
    """The candidate's rate of bad calls less the current one's.

    `interval95` holds at every time at once. `e_worse` and `e_better`: evidence of each sign.
    """

    mean: float
    interval95: tuple[float, float]
    e_worse: float
    e_better: float
    n_current: float
    n_candidate: float


def rate_difference(
    n_current: ArrayLike,
    bad_current: ArrayLike,
    n_candidate: ArrayLike,
    bad_candidate: ArrayLike,
    *,
    keys: Sequence[Floats] = (),
) -> RateDifference | None:
    """Compare hours of both versions, oldest first, shapes (hours,); None before the first answer.

    The first answer comes with 10 good and 10 bad labels on each side. `keys`: of each sticky key the same four
    counts, shape (4, hours), in this order; calls of none count one by one. None as well where one key has nearly
    all calls of a side.

    Raises:
        DataError: The counts are malformed.
    """
    hours = np.stack(
        [*check_counts(n_current, bad_current), *check_counts(n_candidate, bad_candidate)]
    )
    stratum = _stratum(hours[0], hours[2])
    strata = _summed(hours, stratum)
    if not strata.shape[1]:
        return None
    n_a, x_a, n_b, x_b = strata
    so_far = np.cumsum(strata, axis=1)
    least = np.minimum.reduce([so_far[1], so_far[0] - so_far[1], so_far[3], so_far[2] - so_far[3]])
    ready = np.flatnonzero(least >= FIRST_LABELS)
    if not len(ready):
        return None
    first = so_far[:, ready[0]]
    pooled = (first[1] + first[3]) / (first[0] + first[2])
    rho = float(MIXTURE * TIGHT_AT * pooled * (1 - pooled))
    weight = n_a * n_b / (n_a + n_b)
    total = so_far[:, -1]
    p_a, p_b = (total[1] + 0.5) / (total[0] + 1), (total[3] + 0.5) / (total[2] + 1)
    spread = float((weight**2 * (p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b)).sum())
    if keys:
        by_key = _spread_by_key(
            strata, [_summed(each, stratum) for each in keys], weight, (p_a, p_b)
        )
        spread = max(spread, by_key)
        if not math.isfinite(spread):
            return None
    summed, size = float((weight * (x_b / n_b - x_a / n_a)).sum()), float(weight.sum())
    half = math.sqrt((spread + rho) * (2 * math.log(1 / ALPHA) + math.log((spread + rho) / rho)))
    return RateDifference(
        mean=summed / size,
        interval95=((summed - half) / size, (summed + half) / size),
        e_worse=_sign_evidence(summed, spread, rho),
        e_better=_sign_evidence(-summed, spread, rho),
        n_current=float(total[0]),
        n_candidate=float(total[2]),
    )


def _sign_evidence(summed: float, spread: float, rho: float) -> float:
    """The e-value of a difference above zero: a mixture over half of a normal."""
    scale = spread + rho
    tail = 0.5 * math.erfc(-summed / math.sqrt(scale) / math.sqrt(2))
    return 2 * math.sqrt(rho / scale) * math.exp(min(summed**2 / (2 * scale), 600.0)) * tail


def _stratum(n_a: Floats, n_b: Floats) -> Ints:
    """The stratum of each hour: hours joined until both sides have enough labels; -1 in the open one."""
    found, first, of_a, of_b, at = np.full(len(n_a), -1), 0, 0.0, 0.0, 0
    for hour in range(len(n_a)):
        of_a, of_b = of_a + n_a[hour], of_b + n_b[hour]
        if min(of_a, of_b) >= STRATUM_LABELS:
            found[first : hour + 1] = at
            first, of_a, of_b, at = hour + 1, 0.0, 0.0, at + 1
    return found


def _summed(hours: Floats, stratum: Ints) -> Floats:
    """Counts of each stratum, shape (4, strata)."""
    size, closed = int(stratum.max(initial=-1)) + 1, stratum >= 0
    return np.stack([np.bincount(stratum[closed], row[closed], minlength=size) for row in hours])


def _spread_by_key(
    strata: Floats, keys: Sequence[Floats], weight: Floats, rates: tuple[float, float]
) -> float:
    """The variance of the weighted sum where the calls of a key hang together; infinite where one key has all.

    Calls of no key add what they do by themselves, at the rates of the two sides.
    """
    n_a, x_a, n_b, x_b = strata
    largest_share, spread = 0.0, 0.0
    left_a, left_b = n_a.copy(), n_b.copy()
    for of_a, bad_a, of_b, bad_b in keys:
        left_a, left_b = left_a - of_a, left_b - of_b
        of_side = [
            float((weight / n * (bad - of * x / n)).sum()) / max(1 - of.sum() / n.sum(), TINY)
            for of, bad, n, x in ((of_a, bad_a, n_a, x_a), (of_b, bad_b, n_b, x_b))
        ]
        largest_share = max(largest_share, of_a.sum() / n_a.sum(), of_b.sum() / n_b.sum())
        spread += (of_side[1] - of_side[0]) ** 2
    if largest_share > KEY_SHARE_MAX:
        return math.inf
    for n, rate, left in ((n_a, rates[0], left_a), (n_b, rates[1], left_b)):
        spread += float((weight**2 * rate * (1 - rate) / n**2 * np.maximum(left, 0.0)).sum())
    return spread
