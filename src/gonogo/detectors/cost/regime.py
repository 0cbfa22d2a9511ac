"""Where the present regime of a stream of costs began."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.cost.dependence import correlation_time

if TYPE_CHECKING:
    from gonogo.records import Floats

# Both sides of a split keep at least this many calls.
SEGMENT_CALLS_MIN = 5


def regime_start(values: Floats, *, calls_min: int = SEGMENT_CALLS_MIN) -> int:
    """Find where the newest regime of a sequence begins.

    The best split in two means is accepted when `n ln(RSS0 / RSS1) / tau >= 3.5 ln n + 6`, and the
    part after it is searched again, until no split is accepted. The penalty makes a split of an
    unchanged sequence rare at every length, though the best of all places is taken. `tau` is the
    correlation time of what the split leaves: calls that follow each other in level are fewer than
    they are; before the split a real jump would pass for such.

    Args:
        values: Shape (n,), oldest first, finite; logarithms of costs.
        calls_min: Both parts keep at least so many.

    Returns:
        Index of the first value of the newest regime; 0 where nothing changed.

    Source: binary segmentation with a Schwarz-type penalty (Yao, 1988), constants calibrated on
    traces of LLM calls.
    """
    start = 0
    while (found := _best_split(values[start:], calls_min)) is not None:
        at, gain = found
        size = values.size - start
        rest = values[start:]
        # The part that has no other jump in it tells.
        tau = min(correlation_time(part) for part in (rest[:at], rest[at:]))
        if gain / tau < 3.5 * math.log(size) + 6:
            break
        start += at
    return start


def split_correlation(values: Floats) -> float:
    """The correlation time of what the best split in two means leaves, whether it is real or not."""
    found = _best_split(values, SEGMENT_CALLS_MIN)
    return correlation_time(values if found is None else _after_split(values, found[0]))


def _after_split(values: Floats, at: int) -> Floats:
    left, right = values[:at], values[at:]
    return np.asarray(np.r_[left - left.mean(), right - right.mean()])


def _best_split(values: Floats, calls_min: int) -> tuple[int, float] | None:
    """Where two means fit best, and by how much better than one."""
    n = values.size
    if n < 2 * calls_min:
        return None
    centred = values - values.mean()
    rss0 = float(centred @ centred)
    at = np.arange(calls_min, n - calls_min + 1)
    # For centred values the two parts' sums are opposite, so one of them gives the gain.
    sums = np.cumsum(centred)[at - 1]
    gains = sums * sums * (1 / at + 1 / (n - at))
    best = int(np.argmax(gains))
    # A constant sequence, and one that is constant but for a step, meet the limit of what a
    # float can tell apart; neither may divide by zero.
    noise = rss0 * 1e-12 + 1e-18 * n
    rss1 = max(rss0 - float(gains[best]), noise)
    if rss0 <= noise:
        return None
    return int(at[best]), n * math.log(rss0 / rss1)
