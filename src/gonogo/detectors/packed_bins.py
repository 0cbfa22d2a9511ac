"""Histograms as bytes: from the lowest bin on, steps and counts in turn, seven bits a byte (LEB128)."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, pairwise
from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gonogo.records import Ints

_BYTE_BITS = 7
# Room for every bin of every layout on both sides of 0.
BIN_BITS = 18
BIN_ROOM = 1 << (BIN_BITS - 1)


def pack(bins: Mapping[int, int]) -> tuple[int, bytes]:
    """The lowest bin and the blob of a histogram that is not empty; counts are positive."""
    places = sorted(bins)
    numbers = [0] * (2 * len(places))
    numbers[2::2] = map(sub, places[1:], places)
    numbers[1::2] = map(bins.__getitem__, places)
    try:
        short = bytes(numbers)
    except ValueError:
        return places[0], _leb128(numbers)
    # One byte holds seven bits.
    return places[0], short if short.isascii() else _leb128(numbers)


def unpack(lowest: int, blob: bytes) -> dict[int, int]:
    """The counts by bin."""
    numbers = list(blob) if blob.isascii() else _numbers(blob)
    steps, counts = numbers[::2], numbers[1::2]
    steps[0] += lowest
    return dict(zip(accumulate(steps), counts, strict=True))


def unpack_many(lowest: Sequence[int], blobs: Sequence[bytes]) -> tuple[Ints, Ints, Ints]:
    """Many histograms at once.

    Returns:
        Row, bin and count of every occupied bin: shape (n,) each, sorted by row and bin.
    """
    import numpy as np

    if not blobs:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none
    data = np.frombuffer(b"".join(blobs), dtype=np.uint8)
    ends = np.flatnonzero(data < 0x80)  # noqa: PLR2004 - the last byte of a number
    starts = np.zeros(len(ends), dtype=np.int64)
    starts[1:] = ends[:-1] + 1
    width = ends - starts + 1
    shift = 7 * (np.arange(len(data)) - np.repeat(starts, width))
    numbers = np.add.reduceat((data & 0x7F).astype(np.int64) << shift, starts)
    steps, counts = numbers[::2], numbers[1::2]
    row_ends = np.array([0, *accumulate(map(len, blobs))])
    pairs_before = ends.searchsorted(row_ends) // 2
    first, sizes = pairs_before[:-1], pairs_before[1:] - pairs_before[:-1]
    row = np.arange(len(blobs)).repeat(sizes)
    # Steps are summed through; each row then starts anew at its own lowest bin.
    walked = steps.cumsum()
    bins = walked - (walked[first] - np.asarray(lowest, dtype=np.int64)).repeat(sizes)
    return row, bins, counts


def _leb128(numbers: Sequence[int]) -> bytes:
    return b"".join(map(_leb128_of, numbers))


# Most are small, and come again: of 64,000 of them 4 MB.
@lru_cache(maxsize=1 << 16)
def _leb128_of(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _numbers(blob: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in blob:
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            numbers.append(number)
            number = shift = 0
        else:
            shift += 7
    return numbers


def added_up(row: Ints, bins: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """The counts of each row's bins added up, sorted by row and bin, without those that are 0."""
    import numpy as np

    key = (row << BIN_BITS) + bins + BIN_ROOM
    if (key[1:] <= key[:-1]).any():
        order = np.argsort(key, kind="stable")
        key = key[order]
        first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
        key, counts = key[first], np.add.reduceat(counts[order], first)
    kept = counts != 0
    if not kept.all():
        key, counts = key[kept], counts[kept]
    return key >> BIN_BITS, (key & ((1 << BIN_BITS) - 1)) - BIN_ROOM, counts


def pack_many(row: Ints, bins: Ints, counts: Ints, rows: int) -> list[tuple[int, bytes]]:
    """The lowest bin and the bytes of many histograms at once; of one without bins 0 and b"".

    Args:
        row: Shape (n,), from 0, as of `added_up`.
        bins: Shape (n,), sorted within a row and distinct.
        counts: Shape (n,), positive.
        rows: How many histograms there are.
    """
    import numpy as np

    if (counts < 0).any():
        raise ValueError("a histogram counts less than nothing")
    numbers = np.empty(2 * len(row), dtype=np.int64)
    numbers[0::2] = np.diff(bins, prepend=0)
    numbers[1::2] = counts
    starts = np.searchsorted(row, np.arange(rows + 1))
    there = np.flatnonzero(starts[1:] > starts[:-1])
    first = starts[there]
    numbers[2 * first] = 0
    width = np.ones(len(numbers), dtype=np.int64)
    shift = _BYTE_BITS
    while (wider := numbers >> shift != 0).any():
        width += wider
        shift += _BYTE_BITS
    begins = np.r_[0, width.cumsum()]
    out = np.empty(begins[-1], dtype=np.uint8)
    for at in range(shift // _BYTE_BITS):
        has = np.flatnonzero(width > at)
        more = (width[has] > at + 1) << _BYTE_BITS
        out[begins[has] + at] = (numbers[has] >> (_BYTE_BITS * at)) & 0x7F | more
    data, ends = out.tobytes(), begins[2 * starts].tolist()
    lowest = np.zeros(rows, dtype=np.int64)
    lowest[there] = bins[first]
    spans = pairwise(ends)
    return [(low, data[a:b]) for low, (a, b) in zip(lowest.tolist(), spans, strict=True)]
