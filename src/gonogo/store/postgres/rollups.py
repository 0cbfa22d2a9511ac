"""Adding changed cells to the rollup tables: one read, then one statement a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.store.observations.cells import COUNTS, daily
from gonogo.store.observations.rollups import drop_empty, merged, metrics_of

if TYPE_CHECKING:
    from gonogo.store.engine import Connection
    from gonogo.store.observations.catalogue import Catalogue
    from gonogo.store.observations.cells import Cell, Cells, Histogram

__all__ = ["apply_cells"]

_SERIES = ("dependency_id", "series_id")
_ROLLUP_KEY = (*_SERIES, "daily", "bucket")
_CATEGORY_KEY = (*_SERIES, "field", "daily", "bucket", "value_id")
_HISTOGRAM_KEY = (*_SERIES, "metric_id", "daily", "bucket")

HistogramKey = tuple[int, int, int, int, int]


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
    connection.executemany(
        _PUT_HISTOGRAM,
        [(*key, *merged(stored.get(key), histograms[key])) for key in sorted(histograms)],
    )
    drop_empty(connection, catalogue, cells)
    connection.executemany(
        "INSERT INTO dependency_metric VALUES (?, ?) ON CONFLICT DO NOTHING", metrics_of(cells)
    )


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
