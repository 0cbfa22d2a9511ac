"""Counts of observations by dependency and version, and the times of the first and newest.

Of days whose rows were let go only the rollups tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gonogo.records import DAY_MS, HOUR_MS
from gonogo.store.engine import Connection, in_shard
from gonogo.store.observations.arrivals import FilledRow
from gonogo.store.observations.retention import kept_from_ms
from gonogo.store.observations.rows import Row

# How many, the first and the newest; None: not known.
Counts = tuple[int, int | None, int | None]

# The versions of the rows that are kept, and of the days before. Where letting go was cut short, rows
# of those days are still there: they are among what was rolled up.
_VERSIONS = """
SELECT version_id, count(*), min(ts_ms), max(ts_ms) FROM observation WHERE dependency_id = ?
AND ts_ms >= ? GROUP BY version_id
"""
_CELL_VERSIONS = """
SELECT version_id, sum(n), min(first_ts_ms), max(newest_ts_ms) FROM hour_cell WHERE dependency_id = ?
AND hour >= ? AND n > 0 GROUP BY version_id
"""
_LET_GO = """
SELECT s.version_id, sum(r.n) FROM series s JOIN rollup r ON r.series_id = s.id {shard}
WHERE s.dependency_id = ? AND s.segment_id = 0 AND r.daily = 1 AND r.bucket < ? GROUP BY s.version_id
"""


def versions_of(
    connection: Connection, dependency_id: int, from_ms: int | None
) -> dict[int, Counts]:
    """Count observations by version, with the first and the newest time.

    Of rows that were let go only how many is known: the first is None then.
    """
    found: dict[int, Counts] = {
        version: (n, first, newest)
        for version, n, first, newest in connection.execute(
            _VERSIONS, (dependency_id, from_ms or 0)
        )
    }
    counted = connection.execute(_CELL_VERSIONS, (dependency_id, (from_ms or 0) // HOUR_MS))
    for version, n, first, newest in counted.fetchall():
        kept, oldest, last = found.get(version, (0, first, newest))
        found[version] = kept + int(n), min(first, oldest or first), max(newest, last or newest)
    if from_ms is None:
        return found
    tied = in_shard(connection, "r.", "s.dependency_id")
    gone = connection.execute(_LET_GO.format(shard=tied), (dependency_id, from_ms // DAY_MS))
    for version, n in gone.fetchall():
        kept, _, newest = found.get(version, (0, None, None))
        found[version] = kept + int(n), None, newest
    return found


def whole_of(
    versions: Mapping[int, Counts],
) -> Counts:
    """The count, first and newest observation of all versions together."""
    firsts = [first for _, first, _ in versions.values()]
    newest = [last for _, _, last in versions.values() if last is not None]
    first = min((f for f in firsts if f is not None), default=None) if None not in firsts else None
    return sum(n for n, _, _ in versions.values()), first, max(newest, default=None)


def store_versions(
    connection: Connection, dependency_id: int, versions: Mapping[int, Counts], from_ms: int | None
) -> None:
    """Keep what is known of these versions; a time that is not known stays as it was stored."""
    for version, (n, first, newest) in sorted(versions.items()):
        connection.execute(
            "INSERT INTO dependency_version VALUES (?1, ?2, ?3, coalesce(?4, ?6), coalesce(?5, ?6))"
            " ON CONFLICT (dependency_id, version_id) DO UPDATE SET n = ?3,"
            " first_ts_ms = coalesce(?4, dependency_version.first_ts_ms),"
            " newest_ts_ms = coalesce(?5, dependency_version.newest_ts_ms)",
            (dependency_id, version, n, first, newest, from_ms or 0),
        )
    listed = connection.execute(
        "SELECT version_id FROM dependency_version WHERE dependency_id = ?", (dependency_id,)
    )
    gone = [(dependency_id, row[0]) for row in listed.fetchall() if row[0] not in versions]
    connection.executemany(
        "DELETE FROM dependency_version WHERE dependency_id = ? AND version_id = ?", gone
    )


def move_versions(
    connection: Connection,
    dependency_id: int,
    moved: Sequence[FilledRow],
    fresh: Sequence[Row],
    *,
    kept_from_ms: int | None,
    are_all_rolled_up: bool,
) -> None:
    """Bring the counts and times of versions up to date where rows have got another version or time.

    Args:
        connection: In the transaction that wrote them, before they are rolled up.
        dependency_id: Whose.
        moved: The rows.
        fresh: What is new in the same transaction, and was counted already.
        kept_from_ms: From when on rows are kept; None: from the first.
        are_all_rolled_up: Whether the rollups tell every hour that has rows.
    """
    from_hour = (kept_from_ms or 0) // HOUR_MS if are_all_rolled_up else None
    left: dict[int, list[int]] = {}
    came: dict[int, list[int]] = {}
    for one in moved:
        left.setdefault(one.before.version_id, []).append(one.before.ts_ms)
        came.setdefault(one.after.version_id, []).append(one.after.ts_ms)
    for version in sorted(left.keys() | came.keys()):
        here, gone, new = (dependency_id, version), left.get(version, []), came.get(version, [])
        known = connection.execute(
            f"SELECT n, first_ts_ms, newest_ts_ms FROM dependency_version WHERE {_HERE}",  # noqa: S608 - constant text
            here,
        ).fetchone()
        n, *ends = known or (0, min(new), max(new))
        connection.execute(f"DELETE FROM dependency_version WHERE {_HERE}", here)  # noqa: S608 - constant text
        n += len(new) - len(gone)
        if n > 0:
            there = [*new, *(row.ts_ms for row in fresh if row.version_id == version)]
            for i, way in enumerate(_WAYS):
                found = ends[i]
                if found in gone:
                    found = _end_of(connection, here, found, way, from_hour=from_hour)
                every = there if found is None else [*there, found]
                if every:  # else of rows that were let go, whose times stay as they were stored
                    ends[i] = max(every) if i else min(every)
            connection.execute(
                "INSERT INTO dependency_version VALUES (?, ?, ?, ?, ?)", (*here, n, *ends)
            )


_HERE = "dependency_id = ?1 AND version_id = ?2"
# An hour that has rows of a version, by what was rolled up, from one on: the next, or the one before.
_HOUR = """
SELECT {end}((SELECT r.bucket FROM rollup r WHERE r.series_id = s.id {shard} AND r.daily = 0
  AND r.bucket {beyond} ?3 AND r.n > 0 ORDER BY r.bucket {order} LIMIT 1))
FROM series s WHERE s.dependency_id = ?1 AND s.version_id = ?2 AND s.golden IN (0, 1) AND s.segment_id = 0
"""
_WITHIN = """
SELECT {end}(ts_ms) FROM (
  SELECT * FROM (SELECT ts_ms FROM observation WHERE dependency_id = ?1 AND version_id = ?2
    AND ts_ms >= ?5 AND ts_ms < ?6 ORDER BY ts_ms {order} LIMIT 1) AS one
  UNION ALL
  SELECT {end}({of_cell}) FROM hour_cell WHERE dependency_id = ?1 AND version_id = ?2
    AND hour >= ?3 AND hour < ?4 AND n > 0
) AS every
"""
_WAYS = (
    {"end": "min", "beyond": ">=", "order": "ASC", "of_cell": "first_ts_ms"},
    {"end": "max", "beyond": "<=", "order": "DESC", "of_cell": "newest_ts_ms"},
)
_HOURS_MAX = 1 << 30


def _end_of(
    connection: Connection,
    here: tuple[int, int],
    end_ms: int,
    way: Mapping[str, str],
    *,
    from_hour: int | None,
) -> int | None:
    """The first time of a version, or the newest, where a row has left what it was; None: there is no other.

    The rows have no order of their own by version: hours that were rolled up spare looking at each.
    """
    within = _WITHIN.format(**way)
    if from_hour is None:
        (found,) = connection.execute(within, (*here, *_span(0, _HOURS_MAX))).fetchone()
        return None if found is None else int(found)
    hours = _HOUR.format(shard=in_shard(connection, "r.", "s.dependency_id"), **way)
    found, hour = None, end_ms // HOUR_MS
    while found is None:
        (at,) = connection.execute(hours, (*here, hour)).fetchone()
        if at is None or int(at) < from_hour:
            return None
        (found,) = connection.execute(within, (*here, *_span(int(at), int(at) + 1))).fetchone()
        hour = int(at) + (1 if way is _WAYS[0] else -1)
    return int(found)


def _span(hour: int, end: int) -> tuple[int, int, int, int]:
    return hour, end, hour * HOUR_MS, end * HOUR_MS


def recount(connection: Connection, dependency_id: int) -> None:
    """Make the counts and times of a dependency and of its versions anew."""
    from_ms = kept_from_ms(connection, dependency_id)
    versions = versions_of(connection, dependency_id, from_ms)
    n, first, newest = whole_of(versions)
    connection.execute(
        "UPDATE dependency SET n = ?, first_ts_ms = coalesce(?, first_ts_ms),"
        " newest_ts_ms = coalesce(?, newest_ts_ms), rev = rev + 1 WHERE id = ?",
        (n, first, newest, dependency_id),
    )
    store_versions(connection, dependency_id, versions, from_ms)


def newest_ms_of(connection: Connection, dependency_id: int) -> int | None:
    """The time of the newest kept observation, alone or counted in an hour's cell."""
    of_rows, of_cells = connection.execute(
        "SELECT (SELECT max(ts_ms) FROM observation WHERE dependency_id = ?1),"
        " (SELECT max(newest_ts_ms) FROM hour_cell WHERE dependency_id = ?1 AND n > 0"
        " AND hour >= coalesce((SELECT max(hour) FROM hour_cell WHERE dependency_id = ?1"
        " AND n > 0), 0))",
        (dependency_id,),
    ).fetchone()
    return max((ms for ms in (of_rows, of_cells) if ms is not None), default=None)
