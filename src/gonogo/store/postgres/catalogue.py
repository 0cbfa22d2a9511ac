"""Ids that are hashes, and rows and rollups written in few round trips."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from gonogo.errors import ValueRefused, plain
from gonogo.ports.booked_costs import BookedCost
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import Catalogue, since
from gonogo.store.observations.cells import COUNTS, Cell, Cells, Histogram, daily
from gonogo.store.observations.rollups import drop_empty, list_metrics, merged_many
from gonogo.store.observations.rows import Place, SeriesKey, hash64
from gonogo.store.postgres.books import book_costs

# An id at a time by its whole key: without statistics the planner would read all of a dependency.
_PLACES = """
SELECT k.id, o.ts_ms, o.seq, o.assumed FROM unnest(CAST(? AS BYTEA[])) AS k (id) CROSS JOIN LATERAL
  (SELECT ts_ms, seq, assumed FROM observation_id i WHERE i.dependency_id = ? AND i.id = k.id LIMIT 1) o
"""

_SERIES = ("dependency_id", "series_id")
_ROLLUP_KEY = (*_SERIES, "daily", "bucket")
_CATEGORY_KEY = (*_SERIES, "field", "daily", "bucket", "value_id")
_HISTOGRAM_KEY = (*_SERIES, "metric_id", "daily", "bucket")

HistogramKey = tuple[int, int, int, int, int]


def id_of(text: str) -> int:
    """The id of a name: never 0, which stands for none."""
    return hash64(text) or 1


def series_hash(key: SeriesKey) -> int:
    """The id of a slice."""
    packed = b"".join(part.to_bytes(8, "big", signed=True) for part in key)
    return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big", signed=True)


class PostgresCatalogue(Catalogue):
    """A catalogue whose ids are hashes of what they stand for: no look-up, no sequence, no race."""

    def dependency_id(self, name: str) -> int:
        """The hash of its name.

        Raises:
            ValueRefused: Another dependency has the same.
        """
        number = id_of(name)
        found = self._connection.execute("SELECT name FROM dependency WHERE id = ?", (number,))
        for (other,) in found.fetchall():
            raise _same_hash(name, other)
        return number

    def name_id(self, text: str) -> int:
        """The hash of a text; a new one is added to the dictionary."""
        number = self._known.names.get(text) or self.found.names.get(text)
        if number is None:
            number = self.found.names[text] = id_of(text)
            self.found.texts[number] = text
            self._connection.ahead(lambda aside: _spell(aside, number, text))
        return number

    def series_id(self, key: SeriesKey) -> int:
        """The hash of a slice; a new one is added."""
        number = self._known.series.get(key) or self.found.series.get(key)
        if number is None:
            number = self.found.series[key] = series_hash(key)
            dependency, golden, segment, version = key
            added = self._connection.execute(
                "INSERT INTO series (id, dependency_id, golden, segment_id, version_id) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (number, dependency, golden, segment, version),
            )
            if not added.rowcount:
                self._refuse_other(number, key)
        return number

    def _refuse_other(self, number: int, key: SeriesKey) -> None:
        """Refuse the second of two slices whose hashes are equal: mixed, both would be wrong."""
        found = self._connection.execute(
            "SELECT dependency_id, golden, segment_id, version_id FROM series WHERE id = ?",
            (number,),
        ).fetchone()
        if found is not None and tuple(found) != key:
            raise ValueRefused(
                "Two slices have the same 64-bit hash, and the newer one is not recorded. Rename its "
                "version or its segment's value."
            )

    def places_of(self, dependency_id: int, hashes: Sequence[bytes]) -> dict[bytes, Place]:
        """Find the observations whose ids are stored already."""
        if not hashes:
            return {}
        rows = self._connection.execute(_PLACES, (list(hashes), dependency_id))
        return {row[0]: Place(row[1], row[2], bool(row[3])) for row in rows}

    def apply(self, cells: Cells) -> None:
        """Add changes to the rollups of their hours and days."""
        apply_cells(self._connection, self, cells)

    def book(self, costs: Sequence[BookedCost], *, now_ms: int, settings: Settings) -> None:
        """Book what newly stored observations cost, in the shard of each budget's root."""
        book_costs(self._connection, costs, now_ms=now_ms, settings=settings)

    def drop_rollups(self, dependency_id: int, *, from_ms: int | None = None) -> None:
        """Remove the rollups of a dependency; those from a day on, where one is given."""
        for table in ("rollup", "histogram", "category"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE dependency_id = ?{since(from_ms)}",  # noqa: S608 - constant names
                (dependency_id,),
            )


def _spell(connection: Connection, number: int, text: str) -> None:
    """Add a text to the dictionary; two texts of one hash are told, not mixed."""
    connection.execute("INSERT INTO name VALUES (?, ?) ON CONFLICT (id) DO NOTHING", (number, text))
    found = connection.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
    if found is not None and found[0] != text:
        raise _same_hash(text, found[0])


def _same_hash(name: str, other: str) -> ValueRefused:
    return ValueRefused(
        f"The names '{plain(name, 80)}' and '{plain(other, 80)}' have the same 64-bit hash. Rename one of them."
    )


def _adding(table: str, key: tuple[str, ...], added: tuple[str, ...]) -> str:
    columns = (*key, *added)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in added)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608 - constant names
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sums}"
    )


_ADD_COUNTS = _adding("rollup", _ROLLUP_KEY, COUNTS)
_ADD_CATEGORY = _adding("category", _CATEGORY_KEY, ("n",))
# A key at a time: without statistics the planner would read all of a dependency.
_STORED = """
SELECT k.dependency_id, k.series_id, k.metric_id, k.daily, k.bucket, h.n, h.sum, h.lowest, h.bins
FROM unnest(CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS INTEGER[]),
            CAST(? AS BIGINT[])) AS k (dependency_id, series_id, metric_id, daily, bucket)
CROSS JOIN LATERAL (
  SELECT n, sum, lowest, bins FROM histogram i
  WHERE i.dependency_id = k.dependency_id AND i.series_id = k.series_id
    AND i.metric_id = k.metric_id AND i.daily = k.daily AND i.bucket = k.bucket LIMIT 1
) h
"""
_PUT_HISTOGRAM = (
    f"INSERT INTO histogram ({', '.join(_HISTOGRAM_KEY)}, n, sum, lowest, bins) "  # noqa: S608 - constant names
    f"VALUES ({', '.join('?' * 9)}) ON CONFLICT ({', '.join(_HISTOGRAM_KEY)}) DO UPDATE SET "
    "n = excluded.n, sum = excluded.sum, lowest = excluded.lowest, bins = excluded.bins"
)


def apply_cells(connection: Connection, catalogue: Catalogue, cells: Cells) -> None:
    """Add the changes to the hours and days that they belong to.

    The transaction is alone in the dependency, so what is read here stands until it commits.
    """
    counts: list[tuple[object, ...]] = []
    categories: list[tuple[object, ...]] = []
    histograms: dict[HistogramKey, Histogram] = {}
    for is_daily, changed in ((0, cells), (1, daily(cells))):
        for (series, bucket), cell in changed.items():
            at = series[0], catalogue.series_id(series)
            if any(cell.counts):
                counts.append((*at, is_daily, bucket, *cell.counts))
            categories += [
                (*at, field, is_daily, bucket, value, count)
                for (field, value), count in cell.categories.items()
                if count
            ]
            histograms |= _histograms(catalogue, at, is_daily, bucket, cell)
    connection.executemany(_ADD_COUNTS, sorted(counts))
    connection.executemany(_ADD_CATEGORY, sorted(categories))
    stored = _stored(connection, sorted(histograms))
    keys = sorted(histograms)
    added = merged_many([(stored.get(key), histograms[key]) for key in keys])
    connection.executemany(
        _PUT_HISTOGRAM, [(*key, *one) for key, one in zip(keys, added, strict=True)]
    )
    list_metrics(connection, cells, drop_empty(connection, catalogue, cells))


def _histograms(
    catalogue: Catalogue, at: tuple[int, int], is_daily: int, bucket: int, cell: Cell
) -> dict[HistogramKey, Histogram]:
    return {
        (*at, catalogue.name_id(metric), is_daily, bucket): histogram
        for metric, histogram in cell.histograms.items()
        if histogram.changes
    }


def _stored(
    connection: Connection, keys: list[HistogramKey]
) -> dict[HistogramKey, tuple[int, int, int, bytes]]:
    if not keys:
        return {}
    rows = connection.execute(_STORED, [list(column) for column in zip(*keys, strict=True)])
    return {row[:5]: row[5:] for row in rows}
