"""Counts of rows that were refused on the way in, so that later answers say what they do not know.

A bad call is refused more often than a good one: an answer that passes over what was refused is too
good. Counts are kept, and the newest reason; never the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from gonogo.records import DAY_MS, REFUSED_DAYS, RefusedRows
from gonogo.store.engine import Connection, Engine, unless_held
from gonogo.store.observations.arrival_times import came_since

# Counts that are kept in all; the oldest go first. Names of fields and files come without end.
COUNTS_MAX = 10_000
_ADD = """
INSERT INTO refused (dependency, source, day, field, problem, n, newest_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (dependency, source, day, field) DO UPDATE SET
  n = refused.n + excluded.n, problem = excluded.problem, newest_ms = excluded.newest_ms
"""
_DROP_OLDEST = """
DELETE FROM refused WHERE newest_ms <
  (SELECT newest_ms FROM refused ORDER BY newest_ms DESC LIMIT 1 OFFSET ?)
"""
# Each dependency's last 30 days. The newest day is found once: found anew for each row, 3,000 counts of
# one dependency took seconds.
_READ = """
WITH newest AS (SELECT dependency, max(day) AS day FROM refused {where} GROUP BY dependency)
SELECT r.dependency, r.field, r.problem, r.n, r.day, r.newest_ms
FROM refused r JOIN newest m ON m.dependency = r.dependency WHERE r.day > m.day - ?
"""
_READ_ALL = _READ.format(where="")
_READ_ONE = _READ.format(where="WHERE dependency = ?")


class StoredRefusals:
    """The refusals of one store. They are written with what else is queued, and may be lost."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(
        self, refused: Mapping[tuple[str, str], tuple[int, str]], *, source: str, now_ms: int
    ) -> None:
        """Add newly refused rows: their number by dependency and field, with the newest reason."""
        if refused:
            self._engine.submit(partial(_add, refused=dict(refused), source=source, now_ms=now_ms))

    def replace(
        self, refused: Mapping[tuple[str, str], tuple[int, str]], *, source: str, now_ms: int
    ) -> None:
        """Put what the newest reading of a file refused in the place of what earlier ones did."""

        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM refused WHERE source = ?", (source,))
            _add(connection, refused, source, now_ms)

        self._engine.submit(work)

    async def of_source(self, source: str) -> int:
        """Count the rows of a source that stand as refused: of a file, those of its newest reading."""
        query = "SELECT coalesce(sum(n), 0) FROM refused WHERE source = ?"
        await self._engine.settled()
        (n,) = await self._engine.read(
            lambda connection: connection.execute(query, (source,)).fetchone()
        )
        return int(n)

    async def recent(self, now_ms: int) -> list[RefusedRows]:
        """Count recently refused rows by dependency, most first, and what was left out; '' has those of no dependency."""
        found = await self._engine.read(_read_all)
        return [one for one in found if one.is_recent(now_ms)]

    async def of(self, dependency: str, now_ms: int) -> RefusedRows | None:
        """Read one dependency's recently refused rows, with those that have just come; None: none."""
        await unless_held(self._engine, self._engine.settled())
        found = await self._engine.read(partial(read_refused, name=dependency))
        return found if found is not None and found.n and found.is_recent(now_ms) else None


def _add(
    connection: Connection,
    refused: Mapping[tuple[str, str], tuple[int, str]],
    source: str,
    now_ms: int,
) -> None:
    # In the order of the keys, so that no two writers wait for each other.
    rows = [
        (dependency, source, now_ms // DAY_MS, field, problem, n, now_ms)
        for (dependency, field), (n, problem) in sorted(refused.items())
    ]
    connection.executemany(_ADD, rows)
    connection.execute(_DROP_OLDEST, (COUNTS_MAX - 1,))


def read_refused(connection: Connection, name: str) -> RefusedRows | None:
    """Read the rows of a dependency refused in the 30 days before its newest refusal; None: none."""
    rows = connection.execute(_READ_ONE, (name, REFUSED_DAYS)).fetchall()
    if not rows:
        return None
    summed = _summed(name, rows)
    return replace(summed, taken=came_since(connection, name, summed.since_day))


def _read_all(connection: Connection) -> list[RefusedRows]:
    by_name: dict[str, list[tuple[str, str, str, int, int, int]]] = {}
    for row in connection.execute(_READ_ALL, (REFUSED_DAYS,)):
        by_name.setdefault(row[0], []).append(row)
    found = [_summed(name, rows) for name, rows in by_name.items()]
    return sorted(found, key=lambda one: (-one.n, one.dependency))


def _summed(name: str, rows: Sequence[tuple[str, str, str, int, int, int]]) -> RefusedRows:
    # What was left out of a file is no row that was refused: its count is 0.
    left = sorted((row for row in rows if not row[3]), key=lambda row: (-row[5], row[2]))
    rows = [row for row in rows if row[3]] or rows
    fields: dict[str, int] = {}
    for _, field, _, n, _, _ in rows:
        fields[field] = fields.get(field, 0) + n
    most = max(sorted(fields), key=lambda field: fields[field])
    newest = max((row for row in rows if row[1] == most), key=lambda row: row[5])
    return RefusedRows(
        dependency=name,
        n=sum(fields.values()),
        since_day=min(row[4] for row in rows),
        newest_ms=max(row[5] for row in rows),
        field=most,
        problem=newest[2],
        left_out=tuple(dict.fromkeys(row[2] for row in left)),
    )
