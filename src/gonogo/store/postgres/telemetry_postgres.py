"""Observations and their rollups in PostgreSQL: `ports.telemetry.Telemetry`.

Every read that the store has is the same; a batch is recorded dependency by dependency, so that a
transaction is of one shard, and the reads of rollups name the shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gonogo.detectors.bins import layout_of
from gonogo.records import BatchReport, Histograms, HourCounts
from gonogo.store.engine import Connection
from gonogo.store.observations.cells import COUNTS
from gonogo.store.postgres.catalogue import PostgresCatalogue, id_of
from gonogo.store.reads.queries import Slice, histograms_of, hours_of, segment_ids
from gonogo.store.reads.telemetry_store import StoredTelemetry

if TYPE_CHECKING:
    from gonogo.store.observations.batch_parts import Told
    from gonogo.store.reads.telemetry_store import RecordRows

_SLICE = """
FROM series s JOIN {table} t ON t.dependency_id = s.dependency_id AND t.series_id = s.id
WHERE s.dependency_id = :dependency AND s.golden = :golden AND s.segment_id = ANY(:segments)
  AND t.daily = :daily AND t.bucket BETWEEN :first AND :last
"""
_HOURS = (
    f"SELECT t.bucket, s.version_id, {', '.join(f't.{name}' for name in COUNTS)} "
    + _SLICE.format(table="rollup")
)
_HISTOGRAMS = (
    "SELECT t.bucket, s.version_id, t.n, t.sum, t.lowest, t.bins "
    + _SLICE.format(table="histogram")
    + "AND t.metric_id = :metric"
)


def _asked(connection: Connection, asked: Slice) -> dict[str, object]:
    first, last = asked.buckets()
    return {
        "dependency": id_of(asked.dependency),
        "golden": int(asked.golden),
        "segments": [0] if asked.segment is None else segment_ids(connection, asked.segment),
        "daily": int(asked.daily),
        "first": first,
        "last": last,
    }


def read_hours(connection: Connection, asked: Slice) -> HourCounts:
    """Hourly counts of a slice, by hour and version."""
    rows = connection.execute(_HOURS, _asked(connection, asked)).fetchall()
    return hours_of(connection, rows)


def read_histograms(connection: Connection, asked: Slice, metric: str) -> Histograms:
    """Histograms of a metric in a slice, by bucket and version."""
    layout_of(metric)
    named = {**_asked(connection, asked), "metric": id_of(metric)}
    return histograms_of(connection, metric, connection.execute(_HISTOGRAMS, named).fetchall())


class PostgresTelemetry(StoredTelemetry):
    """Telemetry in an open database. Processes on any machine may share it."""

    _catalogue_of = PostgresCatalogue
    _reads = read_hours, read_histograms

    async def _record(self, record: RecordRows, told: Sequence[Told], now_ms: int) -> BatchReport:
        """Store a transaction a dependency; returns after the last commit.

        Where one of them fails the ones before it are kept, and the answer says which were not.
        """
        from gonogo.store.observations.batch_parts import stored_in_parts

        named: dict[str, list[tuple[int, Told]]] = {}
        for position, one in enumerate(told):
            named.setdefault(one.dependency, []).append((position, one))

        async def store(part: Sequence[Told]) -> BatchReport:
            return await self._store(record, part, now_ms=now_ms, shard=part[0].dependency)

        return await stored_in_parts([named[name] for name in sorted(named)], store)
