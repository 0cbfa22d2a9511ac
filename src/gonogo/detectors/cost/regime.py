"""Where the present regime of a stream of costs began."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.records import Floats

# Both sides of a split keep at least this many calls.
SEGMENT_CALLS_MIN = 5


def regime_start(values: Floats) -> int:
    """Find where the newest regime of a sequence begins.

    The best split in two means is accepted when `n ln(RSS0 / RSS1) >= 3.5 ln n + 6`, and the part
    after it is searched again, until no split is accepted. The penalty makes a split of an unchanged
    sequence rare at every length, though the best of all places is taken.

    Args:
        values: Shape (n,), oldest first, finite; logarithms of costs.

    Returns:
        Index of the first value of the newest regime; 0 where nothing changed.

    Source: binary segmentation with a Schwarz-type penalty (Yao, 1988), constants calibrated on
    traces of LLM calls.
    """
    start = 0
    while (found := _best_split(values[start:])) is not None:
        start += found
    return start


def _best_split(values: Floats) -> int | None:
    n = values.size
    if n < 2 * SEGMENT_CALLS_MIN:
        return None
    centred = values - values.mean()
    rss0 = float(centred @ centred)
    at = np.arange(SEGMENT_CALLS_MIN, n - SEGMENT_CALLS_MIN + 1)
    # For centred values the two parts' sums are opposite, so one of them gives the gain.
    sums = np.cumsum(centred)[at - 1]
    gains = sums * sums * (1 / at + 1 / (n - at))
    best = int(np.argmax(gains))
    # A constant sequence, and one that is constant but for a step, meet the limit of what a
    # float can tell apart; neither may divide by zero.
    noise = rss0 * 1e-12 + 1e-18 * n
    rss1 = max(rss0 - float(gains[best]), noise)
    if rss0 <= noise or n * math.log(rss0 / rss1) < 3.5 * math.log(n) + 6:
        return None
    return int(at[best])
