"""Histograms packed one by one and many at once are the same bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gonogo.detectors.packed_bins import added_up, pack, pack_many, unpack, unpack_many

PLACES = st.integers(-34_000, 34_000)
BINS = st.dictionaries(PLACES, st.integers(1, 10**12), max_size=12)


@given(st.lists(BINS, max_size=8))
def test_many_at_once_are_the_bytes_of_each_alone(told: list[dict[int, int]]) -> None:
    """Any order of bins comes in; what is packed is unpacked again, alone and together."""
    row = np.repeat(np.arange(len(told)), [len(bins) for bins in told])
    places = np.array([place for bins in told for place in bins], dtype=np.int64)
    counts = np.array([n for bins in told for n in bins.values()], dtype=np.int64)
    packed = pack_many(*added_up(row, places, counts), len(told))
    assert packed == [pack(bins) if bins else (0, b"") for bins in told]
    there = [one for one in packed if one[1]]
    assert [unpack(*one) for one in there] == [dict(sorted(bins.items())) for bins in told if bins]
    again = unpack_many([lowest for lowest, _ in there], [blob for _, blob in there])
    assert again[2].tolist() == [n for bins in told for _, n in sorted(bins.items())]


@given(st.lists(st.tuples(st.integers(0, 3), PLACES, st.integers(-5, 5)), max_size=40))
def test_bins_that_come_again_are_added_up(told: list[tuple[int, int, int]]) -> None:
    """A bin whose counts cancel is gone."""
    expected: dict[tuple[int, int], int] = {}
    for row, place, count in told:
        expected[row, place] = expected.get((row, place), 0) + count
    columns = np.array(told, dtype=np.int64).reshape(-1, 3).T
    found = zip(*(column.tolist() for column in added_up(*columns)), strict=True)
    assert list(found) == [(*key, n) for key, n in sorted(expected.items()) if n]
