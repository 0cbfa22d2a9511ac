"""Everything that a drift check reads of one dependency, on one snapshot: `records.Rollups`."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gonogo.records import DAY_MS, Histograms, HourCounts, Rollups
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import PAIR
from gonogo.store.reads.queries import Slice, read_dependencies, read_golden, read_segments

SEGMENTS_MAX = 200
_LAG = "outcome_lag_s"
_HOURS_A_DAY = 24

ReadHours = Callable[[Connection, Slice], HourCounts]
ReadHistograms = Callable[[Connection, Slice, str], Histograms]


def read_rollups(
    connection: Connection,
    name: str,
    *,
    reads: tuple[ReadHours, ReadHistograms],
    since: tuple[int, int] | None,
    without: Collection[str],
) -> Rollups | None:
    """The hours of a dependency; from an hour on, where those before it are as they were.

    Args:
        connection: Of the store.
        name: The dependency's.
        reads: The engine's own reads of hours and of histograms.
        since: A revision and the hour that began the newest day then: hours before it are left
            out where none of them has changed since.
        without: Metrics whose histograms are not read.
    """
    found = read_dependencies(connection, name=name)
    if not found:
        return None
    [known] = found
    number, history_rev = connection.execute(
        "SELECT id, history_rev FROM dependency WHERE name = ?", (name,)
    ).fetchone()
    first = since[1] if since is not None and history_rev <= since[0] else 0
    segments = read_segments(connection, name)
    read_hours, read_histograms = reads
    return Rollups(
        known=known,
        first_hour=first,
        newest_day_hour=known.newest_ts_ms // DAY_MS * _HOURS_A_DAY,
        segments=tuple(segments),
        hours={
            (golden, segment): read_hours(connection, Slice(name, golden, segment, first))
            for golden, segment in _slices(connection, number)
            if segment is None or segment in segments[:SEGMENTS_MAX]
        },
        histograms={
            metric: read_histograms(connection, Slice(name, start_hour=first), metric)
            for metric in (*known.metrics, _LAG)
            if metric not in without
        },
        golden=read_golden(connection, name),
    )


def _slices(connection: Connection, number: int) -> set[tuple[bool, str | None]]:
    """Golden or not, and the segment (None is the whole), of all that is rolled up."""
    rows = connection.execute(
        "SELECT DISTINCT golden, text FROM series LEFT JOIN name ON name.id = segment_id "
        "WHERE dependency_id = ?",
        (number,),
    ).fetchall()
    return {(bool(row[0]), None if row[1] is None else row[1].replace(PAIR, ",")) for row in rows}
