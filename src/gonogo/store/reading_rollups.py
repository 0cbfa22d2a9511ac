"""Everything that a drift check reads of one dependency, on one snapshot: `records.Rollups`."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from gonogo.records import DAY_MS, Rollups
from gonogo.store.catalogue import PAIR
from gonogo.store.cells import COUNTS
from gonogo.store.reading import (
    histograms_of,
    hours_of,
    read_dependencies,
    read_golden,
    read_segments,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from gonogo.records import HourCounts

__all__ = ["SEGMENTS_MAX", "read_rollups"]

SEGMENTS_MAX = 200
_LAG = "outcome_lag_s"
_HOURS_A_DAY = 24

# Golden or not, segment (none is the whole), and its series with their versions' ids.
_Series = dict[tuple[bool, str | None], list[tuple[int, int]]]


def read_rollups(
    connection: sqlite3.Connection,
    name: str,
    *,
    since: tuple[int, int] | None,
    without: Collection[str],
) -> Rollups | None:
    """The hours of a dependency; from an hour on, where those before it are as they were.

    Args:
        connection: Of the store.
        name: The dependency's.
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
    series = _series(connection, number, segments[:SEGMENTS_MAX])
    whole = series.get((False, None), [])
    metrics = [metric for metric in (*known.metrics, _LAG) if metric not in without]
    return Rollups(
        known=known,
        first_hour=first,
        newest_day_hour=known.newest_ts_ms // DAY_MS * _HOURS_A_DAY,
        segments=tuple(segments),
        hours={key: _hours(connection, own, first) for key, own in series.items()},
        histograms={
            metric: histograms_of(connection, metric, _histograms(connection, whole, metric, first))
            for metric in metrics
        },
        golden=read_golden(connection, name),
    )


def _series(connection: sqlite3.Connection, number: int, segments: list[str]) -> _Series:
    wanted, found = {None, *segments}, _Series()
    for series, golden, text, version in connection.execute(
        "SELECT series.id, golden, text, version_id FROM series "
        "LEFT JOIN name ON name.id = segment_id WHERE dependency_id = ?",
        (number,),
    ).fetchall():
        segment = None if text is None else text.replace(PAIR, ",")
        if segment in wanted:
            found.setdefault((bool(golden), segment), []).append((series, version))
    return found


def _hours(connection: sqlite3.Connection, series: list[tuple[int, int]], first: int) -> HourCounts:
    rows: list[tuple[int, ...]] = []
    for one, version in series:
        rows += connection.execute(
            f"SELECT bucket, {version}, {', '.join(COUNTS)} FROM rollup "  # noqa: S608 - a number and constant names
            "WHERE series_id = ? AND daily = 0 AND bucket >= ?",
            (one, first),
        ).fetchall()
    return hours_of(connection, rows)


def _histograms(
    connection: sqlite3.Connection, series: list[tuple[int, int]], metric: str, first: int
) -> list[tuple[int, int, int, int, int, bytes]]:
    rows: list[tuple[int, int, int, int, int, bytes]] = []
    for one, version in series:
        rows += connection.execute(
            f"SELECT bucket, {version}, n, sum, lowest, bins FROM histogram "  # noqa: S608 - a number
            "WHERE series_id = ? AND metric_id = (SELECT id FROM name WHERE text = ?) "
            "AND daily = 0 AND bucket >= ?",
            (one, metric, first),
        ).fetchall()
    return rows
