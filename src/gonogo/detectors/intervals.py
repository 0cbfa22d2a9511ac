"""Intervals of a rate and of the difference of two."""

from __future__ import annotations

import math


def rate_interval95(rate: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate from n labels' worth of evidence.

    Source: Wilson (1927), JASA 22.
    """
    if n <= 0:
        return 0.0, 1.0
    z2 = 1.96**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.96 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # At a rate of 0 or 1 a bound is the rate itself, which rounding would miss by a last bit.
    return min(rate, max(0.0, centre - half)), max(rate, min(1.0, centre + half))


def difference_interval95(
    before: float, n_before: float, after: float, n_after: float
) -> tuple[float, float]:
    """95 % interval of after - before, from the two Wilson intervals.

    Source: Newcombe (1998), Statistics in Medicine 17, method 10.
    """
    low0, high0 = rate_interval95(before, n_before)
    low1, high1 = rate_interval95(after, n_after)
    difference = after - before
    return (
        difference - math.hypot(after - low1, high0 - before),
        difference + math.hypot(high1 - after, before - low0),
    )
