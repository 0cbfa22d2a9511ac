"""How a histogram lies in the store: its lowest bin, and a blob of (step, count) pairs.

Each number is LEB128 (seven bits a byte, the high bit says that more follow), so that a young
hour, whose steps and counts are all below 128, is one byte a number and decodes at C speed. The
same histogram always has the same bytes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gonogo.records import Ints

__all__ = ["pack", "unpack", "unpack_many"]


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
