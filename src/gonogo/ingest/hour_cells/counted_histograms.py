"""The histograms of many rows of cells at once: read, checked against their sums, and packed by numpy."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, cast

from gonogo.detectors.bins import LOG, LOGIT, LOGIT_ONE, LOGIT_ZERO, SIGNED_LOG, Layout
from gonogo.detectors.packed_bins import added_up, pack_many
from gonogo.ingest.field_checks import RefusedError, got
from gonogo.ports.hour_cells import CountedHistogram
from gonogo.records import MICRO

if TYPE_CHECKING:
    from gonogo.records import Ints

COUNT_MAX = 10**12
# Bins of log layouts; a double has none beyond.
_LOG_BINS_MAX = 34_000
_BOUNDS = {
    "log": (0, _LOG_BINS_MAX),
    "signed_log": (-_LOG_BINS_MAX, _LOG_BINS_MAX),
    "logit": (LOGIT_ZERO, LOGIT_ONE),
}


class ToldHistogram(NamedTuple):
    """A histogram as a row has it: its column, the column of its sum, how it is binned, sum, and bins by name.

    `bins` may be JSON in the one form that is read without a loop (`is_plain_bins`).
    """

    column: str
    sum_column: str
    layout: Layout
    total: int
    bins: Mapping[str, object] | str


class Unread(NamedTuple):
    """A histogram that is refused: the column that is wrong, and what is wrong with it."""

    column: str
    problem: str


Counted = CountedHistogram | Unread | None

# An object of whole numbers, as engines and `json.dumps` write it.
is_plain_bins = re.compile(r'\{(?:"-?\d{1,6}": ?\d{1,13}(?:, ?(?!\})|(?=\})))*\}').fullmatch
_COLON_AS_COMMA = bytes.maketrans(b":", b",")


def count_histograms(told: Sequence[ToldHistogram]) -> list[Counted]:
    """Each histogram packed, or what is wrong with it; None without values."""
    found: list[Counted] = [None] * len(told)
    for layout in (LOG, LOGIT, SIGNED_LOG):
        at = [i for i, one in enumerate(told) if one.layout is layout]
        counted = _of_layout(layout, [told[i] for i in at])
        for i, one in zip(at, counted, strict=True):
            found[i] = one
    return found


def _of_layout(layout: Layout, told: Sequence[ToldHistogram]) -> list[Counted]:
    if not told:
        return []
    try:
        return _counted(layout, told)
    except RefusedError as refused:
        # A bin or a count that cannot be is found by halves.
        if len(told) == 1:
            return _alone(told[0], refused)
        half = len(told) // 2
        return _of_layout(layout, told[:half]) + _of_layout(layout, told[half:])


def _alone(told: ToldHistogram, refused: RefusedError) -> list[Counted]:
    if isinstance(told.bins, str):  # the loop says which bin or count
        return _of_layout(told.layout, [told._replace(bins=json.loads(told.bins))])
    return [Unread(told.column, str(refused))]


def _counted(layout: Layout, told: Sequence[ToldHistogram]) -> list[Counted]:
    import numpy as np

    row, places, counts = map(
        np.concatenate, zip(_of_objects(layout, told), _of_texts(layout, told), strict=True)
    )
    # What each value counts for at least and at most, in 1e-6, never over 1e9 units.
    low, high, n = (
        np.bincount(row, weights, minlength=len(told))
        for weights in (
            np.clip(layout.lower(places), -1e9, 1e9) * MICRO * counts,
            np.clip(layout.upper(places), -1e9, 1e9) * MICRO * counts,
            counts,
        )
    )
    slack = n + 1e-9 * (abs(low) + abs(high))  # a value is rounded to a millionth
    spans = zip((low - slack).tolist(), (high + slack).tolist(), strict=True)
    sizes = n.astype(np.int64).tolist()
    packed = pack_many(*added_up(row, places, counts), len(told))
    found: list[Counted] = []
    for one, size, (least, most), (lowest, bins) in zip(told, sizes, spans, packed, strict=True):
        if not bins:
            found.append(_no_bins(one))
        elif not least <= one.total <= most:
            found.append(Unread(one.sum_column, _outside(one.total, least, most)))
        else:
            found.append(CountedHistogram(size, one.total, lowest, bins))
    return found


def _of_objects(layout: Layout, told: Sequence[ToldHistogram]) -> tuple[Ints, Ints, Ints]:
    """Row, bin and count of the bins that are objects."""
    import numpy as np

    some = [(at, one.bins) for at, one in enumerate(told) if not isinstance(one.bins, str)]
    keys = list(chain.from_iterable(bins for _, bins in some))
    counts = list(chain.from_iterable(bins.values() for _, bins in some))
    row = np.repeat(
        np.array([at for at, _ in some], dtype=np.int64), [len(bins) for _, bins in some]
    )
    places = np.array(_places(layout, keys), dtype=np.int64)
    return row, places, np.array(_whole_counts(counts), dtype=np.int64)


def _of_texts(layout: Layout, told: Sequence[ToldHistogram]) -> tuple[Ints, Ints, Ints]:
    """Row, bin and count of the bins that are plain texts."""
    import numpy as np

    some = [(at, one.bins) for at, one in enumerate(told) if isinstance(one.bins, str)]
    sizes = [text.count(":") for _, text in some]
    texts = ",".join([text for (_, text), size in zip(some, sizes, strict=True) if size])
    plain_text = texts.encode().translate(_COLON_AS_COMMA, b'"{} ')
    numbers = np.fromstring(plain_text, dtype=np.int64, sep=",")
    places, counts = numbers[0::2], numbers[1::2]
    low, high = _BOUNDS[layout.name]
    if (counts > COUNT_MAX).any() or (places < low).any() or (places > high).any():
        raise RefusedError("has a bin or a count that cannot be")
    return np.repeat(np.array([at for at, _ in some], dtype=np.int64), sizes), places, counts


def _no_bins(told: ToldHistogram) -> Unread | None:
    if told.total:
        return Unread(told.sum_column, f"is {told.total}, and no bin says of which values")
    return None


def _outside(total: int, least: float, most: float) -> str:
    return (
        f"is {total}; by its bins it lies between {least:.6g} and {most:.6g}, in 1e-6 of its unit"
    )


def _whole_counts(told: list[object]) -> list[int]:
    if not told:
        return []
    if set(map(type, told)) == {int}:
        counts = cast("list[int]", told)
        if min(counts) >= 0 and max(counts) <= COUNT_MAX:
            return counts
    return [whole_number(count, 0, COUNT_MAX) for count in told]


# Of each layout its bins by their names, at most two spellings of all there are.
_KNOWN: dict[str, dict[str, int]] = {layout.name: {} for layout in (LOG, LOGIT, SIGNED_LOG)}


def _places(layout: Layout, keys: list[str]) -> list[int]:
    known = _KNOWN[layout.name]
    try:
        return [known[key] for key in keys]
    except KeyError:
        return [_place(layout, key) for key in keys]


def _place(layout: Layout, key: str) -> int:
    known = _KNOWN[layout.name]
    if key in known:
        return known[key]
    place = whole_number(key, *_BOUNDS[layout.name])
    if len(known) <= 4 * _LOG_BINS_MAX:
        known[key] = place
    return place


def whole_number(value: object, low: int, high: int) -> int:
    """A whole number within bounds; of CSV it may be text.

    Raises:
        RefusedError: it is none, or lies outside.
    """
    if type(value) is int and low <= value <= high:
        return value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            raise RefusedError("must be a whole number") from None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(f"must be a whole number, got {got(value)}")
    elif isinstance(value, float) and not value.is_integer():
        raise RefusedError(f"must be a whole number, got {value:.6g}")
    else:
        number = int(value)
    if not low <= number <= high:
        raise RefusedError(f"must be between {low} and {high}, got {number}"[:200])
    return number
