"""Integer histogram layouts: what a bin means, the same with numpy and without.

A bin is an integer that grows with the value. Counts are integers, so a histogram is the same in
any order of arrival or merging. Bins are found by comparing with tabulated boundaries, never by a
logarithm, whose last bit differs between libraries.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from gonogo.errors import DataError, ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from gonogo.records import Floats, Ints

# Sixteen bins an octave: OpenTelemetry's exponential histogram at scale 4.
_STEPS = 16
_STEP_TABLE = tuple(2.0 ** (k / _STEPS) for k in range(_STEPS))
# OpenTelemetry's index of the smallest positive double is -17,185; the offset keeps every bin of a
# positive value positive, so that 0 is free for zero and the sign for the sign.
INDEX_OFFSET = 17_216

# Bins of log-odds 0.1 wide; beyond +-14 (stored values end at 1e-6, log-odds 13.8) the last ones.
_LOGIT_STEP = 0.1
_LOGIT_END = 140
_LOGIT_TABLE = tuple(
    1 / (1 + math.exp(-k * _LOGIT_STEP)) for k in range(-_LOGIT_END + 1, _LOGIT_END)
)
LOGIT_ZERO = -_LOGIT_END - 1
LOGIT_ONE = _LOGIT_END

_LOG_METRICS = frozenset(
    {"latency_ms", "cost_usd", "input_tokens", "output_tokens", "outcome_lag_s"}
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The mapping from values to bins.

    `log`: values >= 0. Bin 0 is exactly zero; a positive value has OpenTelemetry's bucket index at
    scale 4 plus `INDEX_OFFSET`, bucket i holding (2^(i/16), 2^((i+1)/16)].
    `signed_log`: the same for any finite value; a negative one has the bin of its size, negated.
    `logit`: values in [0, 1]. Bin k holds log-odds [k/10, (k+1)/10); exactly 0 and exactly 1 have
    bins of their own (`LOGIT_ZERO`, `LOGIT_ONE`).

    Relative error of a centre in the log layouts: at most 2.2 %.
    """

    name: Literal["log", "signed_log", "logit"]

    def lower(self, bins: ArrayLike) -> Floats:
        """The least value of each bin; same shape as `bins`."""
        return _map_bins(bins, self._edges, 0)

    def upper(self, bins: ArrayLike) -> Floats:
        """The greatest value of each bin; same shape as `bins`."""
        return _map_bins(bins, self._edges, 1)

    def centre(self, bins: ArrayLike) -> Floats:
        """The value that stands for each bin; same shape as `bins`."""
        return _map_bins(bins, self._edges, 2)

    @property
    def _edges(self) -> Callable[[int], tuple[float, float, float]]:
        return _logit_edges if self.name == "logit" else _log_edges


LOG = Layout("log")
SIGNED_LOG = Layout("signed_log")
LOGIT = Layout("logit")


def layout_of(metric: str) -> Layout:
    """The layout in which a metric is stored.

    Raises:
        ParameterError: no histogram is kept of a metric of this name.
    """
    if metric in _LOG_METRICS:
        return LOG
    if metric == "outcome" or metric.startswith("confidence"):
        return LOGIT
    if metric.startswith("metrics."):
        return SIGNED_LOG
    raise ParameterError(
        f"No histogram is kept of metric '{metric}'. There are {', '.join(sorted(_LOG_METRICS))}, "
        "outcome, confidence and metrics.NAME."
    )


def layout_named(name: str) -> Layout:
    """The layout of a stored histogram.

    Raises:
        ParameterError: there is no layout of this name.
    """
    for layout in (LOG, SIGNED_LOG, LOGIT):
        if layout.name == name:
            return layout
    raise ParameterError(f"Unknown histogram layout '{name}'. Known: log, signed_log, logit.")


def bin_of_one(layout: Layout, value: float) -> int:
    """The bin of one value, without numpy.

    Raises:
        DataError: the value is not finite, or lies outside the layout's range.
    """
    if layout.name == "logit":
        if not 0 <= value <= 1:
            raise _outside(layout, value)
        if value == 0:
            return LOGIT_ZERO
        return LOGIT_ONE if value == 1 else bisect_right(_LOGIT_TABLE, value) - _LOGIT_END
    if not math.isfinite(value) or (value < 0 and layout.name == "log"):
        raise _outside(layout, value)
    if value == 0:
        return 0
    half, exponent = math.frexp(abs(value))
    code = _STEPS * (exponent - 1) + bisect_left(_STEP_TABLE, 2 * half) - 1 + INDEX_OFFSET
    return code if value > 0 else -code


def bin_of(layout: Layout, values: ArrayLike) -> Ints:
    """The bin of each value: int64, same shape. Equal to `bin_of_one` bit for bit.

    Raises:
        DataError: a value is not finite, or lies outside the layout's range.
    """
    import numpy as np

    x = np.asarray(values, dtype=np.float64)
    if layout.name == "logit":
        _check(layout, x, (x >= 0) & (x <= 1))
        inner = np.searchsorted(np.array(_LOGIT_TABLE), x, side="right") - _LOGIT_END
        edges = np.where(x == 0, LOGIT_ZERO, np.where(x == 1, LOGIT_ONE, inner))
        return edges.astype(np.int64)
    _check(layout, x, np.isfinite(x) & ((x >= 0) | (layout.name == "signed_log")))
    half, exponent = np.frexp(np.abs(x))
    step = np.searchsorted(np.array(_STEP_TABLE), 2 * half, side="left") - 1
    code = _STEPS * (exponent.astype(np.int64) - 1) + step + INDEX_OFFSET
    return np.where(x == 0, 0, np.where(x > 0, code, -code)).astype(np.int64)


def centres(layout: Layout, bins: ArrayLike) -> Floats:
    """The value that stands for each bin; same shape as `bins`."""
    return layout.centre(bins)


def quantiles(
    layout: Layout, bins: ArrayLike, counts: ArrayLike, fractions: Sequence[float]
) -> Floats:
    """Quantiles from counts: the centre of the bin that holds the value of rank ceil(q n).

    Args:
        layout: The layout of `bins`.
        bins: Shape (n,), in any order; a bin may appear more than once.
        counts: Shape (n,), integers >= 0.
        fractions: Each in [0, 1].

    Returns:
        Shape (len(fractions),), in the metric's unit; relative error at most 2.2 % in the log
        layouts, at most .1 in log-odds in the logit layout.

    Raises:
        DataError: the counts are empty, negative or of another shape than the bins.
        ParameterError: a fraction lies outside [0, 1].
    """
    import numpy as np

    places, weights = _counted(bins, counts)
    wanted = np.asarray(fractions, dtype=np.float64)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise ParameterError(f"A quantile is a fraction in [0, 1], not one of {list(fractions)}.")
    order = np.argsort(places, kind="stable")
    cumulated = np.cumsum(weights[order])
    ranks = np.clip(np.ceil(wanted * cumulated[-1]), 1, None)
    return layout.centre(places[order][np.searchsorted(cumulated, ranks, side="left")])


def _counted(bins: ArrayLike, counts: ArrayLike) -> tuple[Ints, Ints]:
    import numpy as np

    places, weights = np.asarray(bins, dtype=np.int64), np.asarray(counts, dtype=np.int64)
    if places.ndim != 1 or places.shape != weights.shape:
        raise DataError(f"Bins {places.shape} and counts {weights.shape} differ in shape.")
    if (weights < 0).any() or weights.sum() == 0:
        raise DataError("A histogram needs counts >= 0, and at least one above 0.")
    return places, weights


def _check(layout: Layout, x: Floats, inside: np.ndarray) -> None:
    if not inside.all():
        raise _outside(layout, float(x[~inside].flat[0]))


def _outside(layout: Layout, value: float) -> DataError:
    span = {"log": "[0, inf)", "signed_log": "(-inf, inf)", "logit": "[0, 1]"}[layout.name]
    return DataError(f"Value {value} does not lie in {span}, as layout {layout.name} needs.")


# Bins of one metric lie close together: those of whole blocks are worked out at once, and kept.
_BLOCK = 256
_BLOCKS_MAX = 32


def _map_bins(
    bins: ArrayLike, edges: Callable[[int], tuple[float, float, float]], which: int
) -> Floats:
    """Lower edge (0), upper edge (1) or centre (2) of each bin."""
    import numpy as np

    places = np.asarray(bins, dtype=np.int64)
    if not places.size:
        return np.zeros(places.shape)
    first, last = int(places.min()) // _BLOCK, int(places.max()) // _BLOCK
    if last - first < _BLOCKS_MAX:
        found: Floats = _table(edges, first, last)[which][places - first * _BLOCK]
        return found
    distinct, at = np.unique(places, return_inverse=True)
    some = np.array([edges(int(place))[which] for place in distinct], dtype=np.float64)
    return some[at].reshape(places.shape)


@lru_cache(maxsize=64)
def _table(
    edges: Callable[[int], tuple[float, float, float]], first: int, last: int
) -> tuple[Floats, ...]:
    """Lower edge, upper edge and centre of all bins of some blocks."""
    import numpy as np

    places = range(first * _BLOCK, (last + 1) * _BLOCK)
    return tuple(np.array([edges(place) for place in places], dtype=np.float64).T.copy())


def _log_edges(place: int) -> tuple[float, float, float]:
    if place == 0:
        return 0.0, 0.0, 0.0
    if place < 0:
        low, high, centre = _log_edges(-place)
        return -high, -low, -centre
    low, high = (_boundary(place - INDEX_OFFSET + k) for k in (0, 1))
    # The harmonic centre halves the worst relative error: (g - 1) / (g + 1) at both edges.
    return low, high, low * (2 / (1 + low / high)) if low > 0 else high


def _boundary(index: int) -> float:
    octave, step = divmod(index, _STEPS)
    try:
        return math.ldexp(_STEP_TABLE[step], octave)
    except OverflowError:
        return math.nextafter(math.inf, 0)


def _logit_edges(place: int) -> tuple[float, float, float]:
    if place <= LOGIT_ZERO:
        return 0.0, 0.0, 0.0
    if place >= LOGIT_ONE:
        return 1.0, 1.0, 1.0
    low, centre, high = (
        1 / (1 + math.exp(-(place + shift) * _LOGIT_STEP)) for shift in (0, 0.5, 1)
    )
    return low, high, centre
