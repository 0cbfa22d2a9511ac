"""Costs remember: the correlation time of calls, a tail for what was never seen, where a regime began."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Floats

CALLS_MIN = 20
TAIL_CALLS_MIN = 50
# Prior of the tail index, and how many values it weighs as much as.
_HILL_PRIOR, _HILL_PRIOR_VALUES = 2.5, 4
_LAGS_MAX = 200
# A cost beyond the dearest seen is at most so many times as dear, and at most so many are drawn.
_BEYOND_MAX = 300.0
_BEYOND_CALLS_MAX = 64


def correlation_time(values: Floats) -> float:
    """The number of successive calls that tell as much as one independent call; at least 1.

    1 + 2 x the autocorrelations, over the pairs of lags whose sum is positive from the first on. It
    is raised for what the mean takes out, and lowered by what chance adds, so that independent
    calls come out at 1.

    Args:
        values: Shape (n,), oldest first, finite.

    Source: the initial positive sequence of Geyer (1992).
    """
    n = values.size
    if n < CALLS_MIN:
        return 1.0
    centred = values - values.mean()
    variance = float(centred @ centred)
    if variance <= 1e-18 * n:
        return 1.0
    lags = min(_LAGS_MAX, n // 2)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    correlations = np.fft.irfft(spectrum, size)[: lags + 1] / variance
    pairs = correlations[: (lags + 1) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    q = int(ends[0]) if ends.size else pairs.size
    tau = 2 * float(pairs[:q].sum()) - 1
    tau = tau / (1 - min(2 * max(tau, 0.0) / n, 0.6)) - math.sqrt(2 * q / n)
    return max(tau, 1.0)


@dataclass(frozen=True, slots=True)
class HeavyTail:
    """Calls dearer than any seen: up to `share / (share + n)` of them, by a Pareto law."""

    share: float
    index: float
    dearest: float
    n: int

    def beyond(self, calls: float, rng: np.random.Generator, draws: int) -> Floats:
        """The amount that such calls add to a total; draw by draw never less for more calls.

        Args:
            calls: How many are planned.
            rng: Randomness.
            draws: How many totals.

        Returns:
            Shape (draws,).
        """
        of_rate, of_gap, of_size = rng.spawn(3)
        rate = -np.log1p(-of_rate.beta(self.share, self.n, draws))
        shape = (_BEYOND_CALLS_MAX, draws)
        places = np.cumsum(of_gap.standard_exponential(shape), axis=0) / np.maximum(rate, 1e-300)
        sizes = np.minimum(of_size.random(shape) ** (-1 / self.index), _BEYOND_MAX)
        return np.asarray(self.dearest * (sizes * (places <= calls)).sum(axis=0))


def cautious_both_ways(totals: Floats, beyond: Floats) -> Floats:
    """Totals from the least, without what lies beyond the dearest call seen, to the most, with all of it.

    How often the dearest calls come is known from a few of them. Of k seen, an interval keeps what it
    says where its lower end is drawn from k of them and its upper end from k + 1.

    Args:
        totals: Shape (draws,), in any order, without such calls.
        beyond: Shape (draws,), what such calls add to each, at least 0.

    Returns:
        Shape (draws,), ascending; never less where both are more.

    Source: Clopper and Pearson (1934); as a distribution, Balch (2012).
    """
    least, most = np.sort(totals), np.sort(totals + beyond)
    rank = (np.arange(totals.size) + 0.5) / totals.size
    return np.asarray(least + rank * (most - least))


def heavy_tail(costs: Floats) -> HeavyTail | None:
    """The tail beyond the dearest call seen; None where the calls seen do not point to one.

    Where a tail begins is not known: with the single dearest call, which one loop among ordinary calls
    is, or with the sqrt(n) dearest. Each beginning says whether the tail is heavy, and all count alike.

    Args:
        costs: Shape (n,), each at least 0.

    Source: Hill (1975), shrunk to a light tail.
    """
    n = costs.size
    if n < TAIL_CALLS_MIN:
        return None
    top = np.sort(costs)[: -math.isqrt(n) - 2 : -1]
    if top[-1] <= 0 or top[0] <= top[-1]:
        return None
    logs = np.log(top)
    counts = np.r_[2 ** np.arange((logs.size - 2).bit_length()), logs.size - 1]
    excess = np.cumsum(logs)[counts - 1] - counts * logs[counts]
    inverse = (excess + _HILL_PRIOR_VALUES / _HILL_PRIOR) / (counts + _HILL_PRIOR_VALUES)
    shares = np.clip((2.4 - 1 / inverse) / 0.8, 0.0, 1.0)
    if not shares.any():
        return None
    index = float(shares.sum() / (shares @ inverse))
    return HeavyTail(float(shares.mean()), index, float(top[0]), n)


# Both sides of a split keep at least this many calls.
SEGMENT_CALLS_MIN = 5
# Of fewer calls a correlation time says too little: conversations of ten calls would pass for regimes.
_TELLING_CALLS = 30


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
        if gain / _left_correlation(rest, at) < 3.5 * math.log(size) + 6:
            break
        start += at
    return start


def split_correlation(values: Floats) -> float:
    """The correlation time of what the best split in two means leaves, whether it is real or not."""
    found = _best_split(values, SEGMENT_CALLS_MIN)
    return correlation_time(values if found is None else _after_split(values, found[0]))


def _left_correlation(values: Floats, at: int) -> float:
    """The correlation time of what a split leaves: the lesser of the long parts', since one may have another jump in it.

    Where neither is long, both together tell.
    """
    long = [part for part in (values[:at], values[at:]) if part.size >= _TELLING_CALLS]
    return min(map(correlation_time, long or [_after_split(values, at)]))


def _after_split(values: Floats, at: int) -> Floats:
    left, right = values[:at], values[at:]
    return np.asarray(np.r_[left - left.mean(), right - right.mean()])


def _best_split(values: Floats, calls_min: int) -> tuple[int, float] | None:
    """Find the split where two means fit best, and the gain over one mean."""
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
