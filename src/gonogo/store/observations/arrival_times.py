"""Arrival times of calls, which their own times do not tell: counts by day, and arrivals into past hours.

Of each day and hour, not of each row: an import of history would grow by what is asked of its last day alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.records import DAY_MS, HOUR_MS, REFUSED_DAYS
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import Catalogue

# What is asked of a refused row reaches back from the newest of them, and that one as far from now. Days are
# counted and not reckoned from now: one clock that is ahead takes nothing that others need.
_DAYS_KEPT = 2 * REFUSED_DAYS + 2
_LATE_DAYS_KEPT = 3
_KEEP = """
DELETE FROM {table} WHERE dependency_id = ?1 AND {column} < {unit} *
  (SELECT day FROM arrival_day WHERE dependency_id = ?1 ORDER BY day DESC LIMIT 1 OFFSET ?2)
"""
_CAME = """
INSERT INTO arrival_day AS known VALUES (?, ?, ?)
ON CONFLICT (dependency_id, day) DO UPDATE SET n = known.n + excluded.n RETURNING n
"""
_CAME_LATE = """
INSERT INTO late_arrival VALUES (?, ?, ?, ?)
ON CONFLICT (dependency_id, writer_id, hour) DO UPDATE SET came_hour = excluded.came_hour
"""
_SINCE = """
SELECT min(a.day), CAST(coalesce(sum(CASE WHEN a.day >= ? THEN a.n ELSE 0 END), 0) AS BIGINT)
FROM arrival_day a JOIN dependency d ON d.id = a.dependency_id WHERE d.name = ?
"""


def note_arrivals(
    connection: Connection,
    catalogue: Catalogue,
    dependency_id: int,
    n: int,
    hours: Iterable[int],
    *,
    writer: str | None,
    now_ms: int,
) -> None:
    """Count what came now, in the transaction that stores it.

    Args:
        connection: In a write transaction that holds the dependency's row.
        catalogue: Gives ids to names.
        dependency_id: Whose calls.
        n: How many are new.
        hours: Of the calls that are new or tell more than before.
        writer: Who recorded them, where it is known.
        now_ms: When they came.
    """
    day, now_hour = now_ms // DAY_MS, now_ms // HOUR_MS
    if n and connection.execute(_CAME, (dependency_id, day, n)).fetchall()[0][0] == n:
        # The first of its day.
        late_ones = _KEEP.format(table="late_arrival", column="came_hour", unit=24)
        connection.execute(late_ones, (dependency_id, _LATE_DAYS_KEPT))
        days = _KEEP.format(table="arrival_day", column="day", unit=1)
        connection.execute(days, (dependency_id, _DAYS_KEPT))
    # Who sends each call as it ends is seldom an hour late.
    late = sorted(hour for hour in hours if hour < now_hour - 1)
    if late and writer is not None:
        by = catalogue.name_id(writer)
        connection.executemany(_CAME_LATE, [(dependency_id, by, hour, now_hour) for hour in late])


def came_since(connection: Connection, name: str, day: int) -> int | None:
    """Count a dependency's calls that arrived since a UTC day; None where that was not counted yet."""
    first, n = connection.execute(_SINCE, (day, name)).fetchone()
    return None if first is None or first > day else int(n)
