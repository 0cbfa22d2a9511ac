"""Knowledge of the telemetry receiver that outlasts it: whose calls come one by one, counters' last points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from gonogo.store.engine import Connection, Engine

# Rows of each table; the oldest go first, since names of services and series come without end.
ROWS_MAX = 20_000
_TELL = """
INSERT INTO told_calls (service, dependency, newest_ms) VALUES (?, ?, ?)
ON CONFLICT (dependency, service) DO UPDATE SET newest_ms = excluded.newest_ms
WHERE excluded.newest_ms > told_calls.newest_ms
"""
_KEEP = """
INSERT INTO counter_point (series, point, newest_ms) VALUES (?, ?, ?)
ON CONFLICT (series) DO UPDATE SET point = excluded.point, newest_ms = excluded.newest_ms
"""
_DROP_OLDEST = """
DELETE FROM {table} WHERE newest_ms <
  (SELECT newest_ms FROM {table} ORDER BY newest_ms DESC LIMIT 1 OFFSET ?)
"""


class StoredCoverage:
    """The receivers' knowledge in one store. It is written with what else is queued."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def told(self) -> dict[tuple[str, str], int]:
        """The newest time of a call that each service itself reported, by service and dependency."""

        def work(connection: Connection) -> dict[tuple[str, str], int]:
            rows = connection.execute("SELECT service, dependency, newest_ms FROM told_calls")
            return {(service, dependency): ms for service, dependency, ms in rows}

        return await self._engine.read(work)

    async def points(self) -> dict[str, str]:
        """The last point of each cumulative series."""

        def work(connection: Connection) -> dict[str, str]:
            return dict(connection.execute("SELECT series, point FROM counter_point").fetchall())

        return await self._engine.read(work)

    def tell(self, newest_ms: Mapping[tuple[str, str], int]) -> None:
        """Note calls that were told by themselves."""
        # In the order of the keys, so that no two writers wait for each other.
        rows = [(*key, ms) for key, ms in sorted(newest_ms.items())]
        self._engine.submit(partial(_put, statement=_TELL, table="told_calls", rows=rows))

    def keep(self, points: Mapping[str, str], now_ms: int) -> None:
        """Note the newest points of series."""
        rows = [(series, point, now_ms) for series, point in sorted(points.items())]
        self._engine.submit(partial(_put, statement=_KEEP, table="counter_point", rows=rows))


def _put(
    connection: Connection, *, statement: str, table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    connection.executemany(statement, rows)
    connection.execute(_DROP_OLDEST.format(table=table), (ROWS_MAX - 1,))
