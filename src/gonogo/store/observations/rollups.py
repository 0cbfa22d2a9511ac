"""Writing changed cells into the rollup tables, hour and day, within one transaction."""

from __future__ import annotations

from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from gonogo.detectors.packed_bins import added_up, pack, pack_many, unpack, unpack_many
from gonogo.store.engine import Connection, in_shard
from gonogo.store.observations.cells import COUNTS, Cell, Cells, Histogram, daily
from gonogo.store.observations.rows import SeriesKey

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADD_COUNTS = (
    f"INSERT INTO rollup (series_id, daily, bucket, {', '.join(COUNTS)}) "  # noqa: S608 - constant names
    f"VALUES (?, ?, ?, {', '.join('?' * len(COUNTS))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)
)
_ADD_CATEGORY = (
    "INSERT INTO category (series_id, field, daily, bucket, value_id, n) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
_HISTOGRAM = (
    "SELECT n, sum, lowest, bins FROM histogram "
    "WHERE series_id = ? AND metric_id = ? AND daily = ? AND bucket = ?"
)
_PUT_HISTOGRAM = (
    "INSERT OR REPLACE INTO histogram "
    "(series_id, metric_id, daily, bucket, n, sum, lowest, bins) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
BUCKETS_A_QUERY = 500
# From so many histograms on, numpy is faster than a loop, and worth its import.
MANY = 100
# Bytes of packed bins that are added up at once: some twenty times as much memory.
_STEP_BYTES = 1 << 20
# What is stored of a histogram: values, their sum, its lowest bin and its packed bins.
Packed = tuple[int, int, int, bytes]
_NOTHING = (0, b"")
# Kept for calibration and maturity; not a metric that anyone recorded.
_DERIVED = frozenset({"confidence_labelled", "confidence_good", "outcome_lag_s"})


class Ids(Protocol):
    """Numbers that a catalogue gives to names and series."""

    def series_id(self, key: SeriesKey) -> int:
        """A series, made where it is new."""
        ...

    def name_id(self, text: str) -> int:
        """A name, made where it is new."""
        ...


def apply_cells(connection: Connection, catalogue: Ids, cells: Cells) -> None:
    """Add the changes to the hours and days that they belong to."""
    for is_daily, changed in ((0, cells), (1, daily(cells))):
        # In order of the keys, so that neighbours share pages.
        entries = sorted(
            (
                (catalogue.series_id(series), bucket, cell)
                for (series, bucket), cell in changed.items()
            ),
            key=lambda entry: entry[:2],
        )
        _apply(connection, catalogue, entries, is_daily)
    list_metrics(connection, cells, drop_empty(connection, catalogue, cells))


def _apply(
    connection: Connection,
    catalogue: Ids,
    entries: list[tuple[int, int, Cell]],
    is_daily: int,
) -> None:
    # Of an hour that nothing is stored of, no histogram is looked for.
    known = _known(connection, entries, is_daily)
    connection.executemany(
        _ADD_COUNTS,
        [
            (series, is_daily, bucket, *cell.counts)
            for series, bucket, cell in entries
            if any(cell.counts)
        ],
    )
    connection.executemany(
        _ADD_CATEGORY,
        [
            (series, field, is_daily, bucket, value, count)
            for series, bucket, cell in entries
            for (field, value), count in cell.categories.items()
            if count
        ],
    )
    keys, changes = list[tuple[int, int, int, int]](), list[tuple[Packed | None, Histogram]]()
    for series, bucket, cell in entries:
        is_known = (series, bucket) in known
        for metric, histogram in cell.histograms.items():
            if histogram.changes:
                key = series, catalogue.name_id(metric), is_daily, bucket
                stored = connection.execute(_HISTOGRAM, key).fetchone() if is_known else None
                keys.append(key)
                changes.append((stored, histogram))
    rows = zip(keys, merged_many(changes), strict=True)
    connection.executemany(_PUT_HISTOGRAM, sorted([(*key, *one) for key, one in rows]))


def _known(
    connection: Connection, entries: list[tuple[int, int, Cell]], is_daily: int
) -> set[tuple[int, int]]:
    """The series and buckets of the entries that have a rollup."""
    known: set[tuple[int, int]] = set()
    for series, own in groupby(entries, key=itemgetter(0)):
        buckets = [bucket for _, bucket, _ in own]
        for at in range(0, len(buckets), BUCKETS_A_QUERY):
            asked = buckets[at : at + BUCKETS_A_QUERY]
            found = connection.execute(
                "SELECT bucket FROM rollup WHERE series_id = ? AND daily = ? AND bucket IN "  # noqa: S608 - only marks
                f"({', '.join('?' * len(asked))})",
                (series, is_daily, *asked),
            )
            known |= {(series, row[0]) for row in found}
    return known


def merged(stored: Packed | None, added: Histogram) -> Packed:
    """A stored histogram with the changes added."""
    bins = dict(added.bins)
    for sign, lowest, packed in _parts(stored, added):
        for place, count in unpack(lowest, packed).items():
            bins[place] = bins.get(place, 0) + sign * count
    bins = {place: count for place, count in bins.items() if count}
    return _stated(stored, added, *(pack(bins) if bins else _NOTHING))


def merged_many(changes: Sequence[tuple[Packed | None, Histogram]]) -> list[Packed]:
    """`merged` of each, in the same order."""
    if len(changes) < MANY:
        return [merged(*change) for change in changes]
    found = dict[int, Packed]()
    step, size = list[int](), 0
    for at, (stored, added) in enumerate(changes):
        if stored is None and not added.bins and [sign for sign, *_ in added.parts] == [1]:
            # One that came whole, where nothing is stored, is written as it came.
            found[at] = _stated(None, added, *added.parts[0][1:])
            continue
        step.append(at)
        size += sum(len(packed) for _, _, packed in added.parts) + 2 * len(added.bins)
        if size > _STEP_BYTES:
            found |= zip(step, _merged_step([changes[at] for at in step]), strict=True)
            step, size = [], 0
    found |= zip(step, _merged_step([changes[at] for at in step]), strict=True)
    return [found[at] for at in range(len(changes))]


def _merged_step(changes: Sequence[tuple[Packed | None, Histogram]]) -> list[Packed]:
    import numpy as np

    parts = [(at, part) for at, change in enumerate(changes) for part in _parts(*change)]
    lowest, blobs = [low for _, (_, low, _) in parts], [packed for _, (_, _, packed) in parts]
    part, places, counts = unpack_many(lowest, blobs)
    counts = counts * np.array([sign for _, (sign, _, _) in parts], dtype=np.int64)[part]
    owner = np.array([at for at, _ in parts], dtype=np.int64)[part]
    singles = [added.bins for _, added in changes]
    sizes = [len(bins) for bins in singles]
    own = [
        np.fromiter(chain.from_iterable(each), np.int64, sum(sizes))
        for each in (singles, map(dict.values, singles))
    ]
    packed = pack_many(
        *added_up(
            np.concatenate([owner, np.repeat(np.arange(len(changes)), sizes)]),
            np.concatenate([places, own[0]]),
            np.concatenate([counts, own[1]]),
        ),
        len(changes),
    )
    return [_stated(*change, *one) for change, one in zip(changes, packed, strict=True)]


def _parts(stored: Packed | None, added: Histogram) -> list[tuple[int, int, bytes]]:
    return added.parts if stored is None else [(1, stored[2], stored[3]), *added.parts]


def _stated(stored: Packed | None, added: Histogram, lowest: int, bins: bytes) -> Packed:
    if not bins:
        return (0, 0, *_NOTHING)  # `drop_empty` removes it
    n, total = (0, 0) if stored is None else stored[:2]
    # Sums wrap around at 64 bits: adding and taking back stay exact in any order.
    total = (total + added.total + (1 << 63)) % (1 << 64) - (1 << 63)
    return n + added.n, total, lowest, bins


def drop_empty(connection: Connection, catalogue: Ids, cells: Cells) -> Cells:
    """Remove what changes have left nothing of: a store is the same whatever was corrected in it.

    Returns:
        The changes that took something back.
    """
    taking = {key: cell for key, cell in cells.items() if cell.takes_back}
    keys = sorted(
        {
            (series[0], catalogue.series_id(series), is_daily, bucket)
            for series, hour in taking
            for is_daily, bucket in ((0, hour), (1, hour // 24))
        }
    )
    for table in ("rollup", "histogram", "category"):
        shard = in_shard(connection, "", "?")
        connection.executemany(
            f"DELETE FROM {table} WHERE series_id = ? AND daily = ? AND bucket = ? AND n = 0{shard}",  # noqa: S608 - constant names
            [(*key[1:], key[0]) if shard else key[1:] for key in keys],
        )
    return taking


def list_metrics(connection: Connection, cells: Cells, taking: Cells) -> None:
    """List the metrics that changes brought, and no longer those of which some, `taking` back, left no value."""
    connection.executemany(
        "INSERT INTO dependency_metric VALUES (?, ?) ON CONFLICT DO NOTHING", metrics_of(cells)
    )
    shard = in_shard(connection, "h.", "s.dependency_id")
    connection.executemany(
        "DELETE FROM dependency_metric WHERE dependency_id = ? AND metric = ? AND NOT EXISTS ("  # noqa: S608 - constant text
        f"SELECT 1 FROM series s JOIN histogram h ON h.series_id = s.id{shard} JOIN name m ON m.id = h.metric_id"
        " WHERE s.dependency_id = dependency_metric.dependency_id AND m.text = metric)",
        metrics_of(taking),
    )


def metrics_of(cells: Cells) -> list[tuple[int, str]]:
    """The metrics that cells have values of, with their dependency."""
    return sorted(
        {
            (series[0], metric)
            for (series, _), cell in cells.items()
            for metric in cell.histograms
            if metric not in _DERIVED
        }
    )
