"""Observations and their rollups in PostgreSQL: `ports.telemetry.Telemetry`.

Every read that the store has is the same; a batch is recorded dependency by dependency, so that a
transaction is of one shard, and the reads of rollups name the shard.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gonogo.store.postgres.catalogue import PostgresCatalogue
from gonogo.store.reads.telemetry_store import StoredTelemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import BatchReport, Histograms, HourCounts
    from gonogo.store.observations.batch_parts import Told
    from gonogo.store.reads.queries import Slice
    from gonogo.store.reads.rollup_reads import ReadHistograms, ReadHours
    from gonogo.store.reads.telemetry_store import RecordRows


class PostgresTelemetry(StoredTelemetry):
    """Telemetry in an open database. Processes on any machine may share it."""

    _catalogue_of = PostgresCatalogue

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

    async def _hours(self, asked: Slice) -> HourCounts:
        from gonogo.store.postgres.reading import read_hours

        return await self._database.read(partial(read_hours, asked=asked))

    async def _histograms(self, asked: Slice, metric: str) -> Histograms:
        from gonogo.store.postgres.reading import read_histograms

        return await self._database.read(partial(read_histograms, asked=asked, metric=metric))

    def _rollup_reads(self) -> tuple[ReadHours, ReadHistograms]:
        from gonogo.store.postgres.reading import read_histograms, read_hours

        return read_hours, read_histograms
