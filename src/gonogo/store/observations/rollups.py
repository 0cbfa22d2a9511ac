"""Writing changed cells into the rollup tables, hour and day, within one transaction."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Protocol

from gonogo.store.engine import Connection, in_shard
from gonogo.store.observations.cells import COUNTS, Cell, Cells, Histogram, daily, pack, unpack
from gonogo.store.observations.rows import SeriesKey

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
# Kept for calibration and maturity; not a metric that anyone recorded.
_DERIVED = frozenset({"confidence_labelled", "confidence_good", "outcome_lag_s"})


class Ids(Protocol):
    """What a catalogue knows by number."""

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
    drop_empty(connection, catalogue, cells)
    connection.executemany(
        "INSERT INTO dependency_metric VALUES (?, ?) ON CONFLICT DO NOTHING", metrics_of(cells)
    )


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
    connection.executemany(
        _PUT_HISTOGRAM,
        [
            _put(
                connection,
                (series, catalogue.name_id(metric), is_daily, bucket),
                histogram,
                is_known=(series, bucket) in known,
            )
            for series, bucket, cell in entries
            for metric, histogram in cell.histograms.items()
            if histogram.changes
        ],
    )


def _put(
    connection: Connection,
    key: tuple[int, int, int, int],
    added: Histogram,
    *,
    is_known: bool,
) -> tuple[int | bytes, ...]:
    stored = connection.execute(_HISTOGRAM, key).fetchone() if is_known else None
    return (*key, *merged(stored, added))


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


def merged(
    stored: tuple[int, int, int, bytes] | None, added: Histogram
) -> tuple[int, int, int, bytes]:
    """What is stored of a histogram (n, sum, lowest bin, bins) with the changes added."""
    n, total, bins = added.n, added.total, added.bins
    if stored is not None:
        n, total = n + stored[0], total + stored[1]
        merged = unpack(stored[2], stored[3])
        for place, count in bins.items():
            merged[place] = merged.get(place, 0) + count
        bins = {place: count for place, count in merged.items() if count}
    if not bins:
        return (0, 0, 0, b"")  # `drop_empty` removes it
    # Sums wrap around at 64 bits: adding and taking back stay exact in any order.
    total = (total + (1 << 63)) % (1 << 64) - (1 << 63)
    return (n, total, *pack(bins))


def drop_empty(connection: Connection, catalogue: Ids, cells: Cells) -> None:
    """Remove what changes have left nothing of: a store is the same whatever was corrected in it."""
    keys = sorted(
        {
            (series[0], catalogue.series_id(series), is_daily, bucket)
            for (series, hour), cell in cells.items()
            if cell.takes_back
            for is_daily, bucket in ((0, hour), (1, hour // 24))
        }
    )
    for table in ("rollup", "histogram", "category"):
        shard = in_shard(connection, "", "?")
        connection.executemany(
            f"DELETE FROM {table} WHERE series_id = ? AND daily = ? AND bucket = ? AND n = 0{shard}",  # noqa: S608 - constant names
            [(*key[1:], key[0]) if shard else key[1:] for key in keys],
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
