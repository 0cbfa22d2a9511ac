"""The difference of two versions' rates, good at any time: an interval, and how sure the sign is.

Calls are compared within strata of time, weighted W = n_a n_b / (n_a + n_b), so that hours in which both
are bad cancel. The interval is a normal mixture over the weighted sum: it covers the average
difference so far at every time at once, with a chance of at least 95 %.

Source: Robbins (1970), Annals of Mathematical Statistics 41; Waudby-Smith et al., arXiv 2103.06476.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gonogo.detectors.arrays import Floats, check_counts
from gonogo.detectors.promotion.hour_evidence import LINES

# Labels on the smaller side that close a stratum; good and bad ones on each side before an answer.
STRATUM_LABELS = 8.0
FIRST_LABELS = 10.0
# The mixture is narrowest at about a thousand labels a side.
TIGHT_AT = 1000.0
MIXTURE = 0.12
ALPHA = 0.05

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
    n_current: ArrayLike, bad_current: ArrayLike, n_candidate: ArrayLike, bad_candidate: ArrayLike
) -> RateDifference | None:
    """Compare hours of both versions, oldest first, shapes (hours,); None before the first answer.

    The first answer comes with 10 good and 10 bad labels on each side.

    Raises:
        DataError: The counts are malformed.
    """
    strata = _strata(
        *check_counts(n_current, bad_current), *check_counts(n_candidate, bad_candidate)
    )
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


def _strata(n_a: Floats, x_a: Floats, n_b: Floats, x_b: Floats) -> Floats:
    """Hours joined until both sides have enough labels; shape (4, strata). The open one is left out."""
    strata, open_ = [], np.zeros(4)
    for hour in np.stack([n_a, x_a, n_b, x_b], axis=1):
        open_ = open_ + hour
        if min(open_[0], open_[2]) >= STRATUM_LABELS:
            strata.append(open_)
            open_ = np.zeros(4)
    return np.array(strata, dtype=np.float64).reshape(-1, 4).T
