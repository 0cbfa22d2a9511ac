"""The reads behind `ports.telemetry.Telemetry`: each a plain function of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from gonogo.detectors.bins import layout_of
from gonogo.detectors.packed_bins import unpack_many
from gonogo.ports.booked_costs import UNLISTED_TIER
from gonogo.records import (
    NANO_A_MICRO,
    Costs,
    Dependency,
    GoldenAnswers,
    Histograms,
    HourCounts,
    Mark,
    VersionSeen,
)
from gonogo.store.books.refused_book import read_refused
from gonogo.store.engine import Connection, in_shard
from gonogo.store.observations.catalogue import IDS_A_QUERY, PAIR
from gonogo.store.observations.cells import COUNTS
from gonogo.store.observations.rows import id_hash

if TYPE_CHECKING:
    from gonogo.records import Ints

_HOURS_A_DAY = 24
_HOUR_MAX = 1 << 31


@dataclass(frozen=True, slots=True)
class Slice:
    """A selection of rollups; hours are half-open, None is unbounded."""

    dependency: str
    golden: bool = False
    segment: str | None = None
    start_hour: int | None = None
    end_hour: int | None = None
    daily: bool = False

    def buckets(self) -> tuple[int, int]:
        """First and last bucket, both inclusive; a day that the hours touch counts whole."""
        first = 0 if self.start_hour is None else self.start_hour
        last = _HOUR_MAX if self.end_hour is None else self.end_hour - 1
        return (first // _HOURS_A_DAY, last // _HOURS_A_DAY) if self.daily else (first, last)


def columns_of(rows: Sequence[Sequence[int]], width: int) -> Ints:
    """Rows of integers as an array of shape (width, n)."""
    import numpy as np

    flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=len(rows) * width)
    return np.ascontiguousarray(flat.reshape(-1, width).T)


def _texts(connection: Connection, ids: Ints) -> tuple[Ints, tuple[str | None, ...]]:
    """Ids as indices into the names they stand for, sorted, "none stated" first."""
    import numpy as np

    if len(ids) and (ids == ids[0]).all():  # sorting would cost more than all the rest
        return np.zeros(len(ids), dtype=np.int64), (_text(connection, int(ids[0])),)
    distinct, at = np.unique(ids, return_inverse=True)
    texts = [_text(connection, number) for number in distinct.tolist()]
    order = sorted(range(len(texts)), key=lambda i: (texts[i] is not None, texts[i] or ""))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[at], tuple(texts[i] for i in order)


def _text(connection: Connection, number: int) -> str | None:
    if number == 0:
        return None
    text: str = connection.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()[0]
    return text


def _series(connection: Connection, asked: Slice) -> list[tuple[int, int]]:
    """Series and version ids of a slice."""
    segments = [0] if asked.segment is None else segment_ids(connection, asked.segment)
    return [
        row
        for segment in segments
        for row in connection.execute(
            "SELECT series.id, version_id FROM series "
            "JOIN dependency ON dependency.id = dependency_id "
            "WHERE name = ? AND golden = ? AND segment_id = ?",
            (asked.dependency, int(asked.golden), segment),
        )
    ]


def segment_ids(connection: Connection, segment: str) -> list[int]:
    """A slice by its outward name; that of a combined one joins its parts with a comma."""
    commas = [i for i, character in enumerate(segment) if character == ","]
    names = [segment, *(segment[:i] + PAIR + segment[i + 1 :] for i in commas)]
    marks = ", ".join("?" * len(names))
    rows = connection.execute(f"SELECT id FROM name WHERE text IN ({marks})", names)  # noqa: S608 - only marks
    return [row[0] for row in rows]


def read_hours(connection: Connection, asked: Slice) -> HourCounts:
    """Hourly counts of a slice, by hour and version."""
    first, last = asked.buckets()
    rows: list[tuple[int, ...]] = []
    for series, version in _series(connection, asked):
        rows += connection.execute(
            f"SELECT bucket, {version}, {', '.join(COUNTS)} FROM rollup "  # noqa: S608 - a number and constant names
            "WHERE series_id = ? AND daily = ? AND bucket BETWEEN ? AND ?",
            (series, int(asked.daily), first, last),
        ).fetchall()
    return hours_of(connection, rows)


def hours_of(connection: Connection, rows: Sequence[tuple[int, ...]]) -> HourCounts:
    """Rows of hour, version id and counts as arrays, by hour and version."""
    import numpy as np

    hour, ids, *counts = columns_of(rows, 2 + len(COUNTS))
    version_at, versions = _texts(connection, ids)
    # By the versions' names: their ids are another engine's own.
    order = np.lexsort((version_at, hour))
    ordered = (column[order] for column in counts)
    return HourCounts(hour[order], version_at[order], versions, *ordered)


def read_histograms(connection: Connection, asked: Slice, metric: str) -> Histograms:
    """Histograms of a metric in a slice, by bucket and version."""
    layout_of(metric)
    first, last = asked.buckets()
    rows: list[tuple[int, int, int, int, int, bytes]] = []
    for series, version in _series(connection, asked):
        rows += connection.execute(
            f"SELECT bucket, {version}, n, sum, lowest, bins FROM histogram "  # noqa: S608 - a number
            "WHERE series_id = ? AND metric_id = (SELECT id FROM name WHERE text = ?) "
            "AND daily = ? AND bucket BETWEEN ? AND ?",
            (series, metric, int(asked.daily), first, last),
        ).fetchall()
    return histograms_of(connection, metric, rows)


def histograms_of(
    connection: Connection,
    metric: str,
    unordered: Sequence[tuple[int, int, int, int, int, bytes]],
) -> Histograms:
    """Rows of bucket, version id, n, sum, lowest bin and bins as arrays, by bucket and version."""
    import numpy as np

    layout = layout_of(metric)
    columns = columns_of([row[:5] for row in unordered], 5)
    at, versions = _texts(connection, columns[1])
    order = np.lexsort((at, columns[0]))
    bucket, _, n, total, lowest = columns[:, order]
    blobs = [unordered[i][5] for i in order.tolist()]
    row_of, bins, counts = unpack_many(lowest.tolist(), blobs)
    return Histograms(
        metric, layout.name, bucket, at[order], versions, n, total, row_of, bins, counts
    )


def read_rules(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """The rules that the rollups of several dependencies were made with."""
    marks = ", ".join("?" * len(names))
    rows = connection.execute(
        f"SELECT name, rule FROM dependency WHERE name IN ({marks})",  # noqa: S608 - only marks
        tuple(names),
    )
    return dict(rows.fetchall())


def read_segments(connection: Connection, dependency: str) -> list[str]:
    """The declared slices that are rolled up, each `key=value`, sorted."""
    rows = connection.execute(
        "SELECT DISTINCT text FROM series JOIN name ON name.id = segment_id "  # noqa: S608 - constant text
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) "
        "AND EXISTS (SELECT 1 FROM rollup r WHERE r.series_id = series.id"
        f"{in_shard(connection, 'r.', 'series.dependency_id')})",
        (dependency,),
    )
    return sorted(row[0].replace(PAIR, ",") for row in rows)


def read_golden(connection: Connection, dependency: str) -> GoldenAnswers:
    """Golden-set answers by item, version and day."""
    import numpy as np

    rows = connection.execute(
        "SELECT item_id, version_id, day, n, outcome_sum FROM golden_answer "
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?)",
        (dependency,),
    ).fetchall()
    item_ids, version_ids, day, n, total = columns_of(rows, 5)
    item, items = _texts(connection, item_ids)
    version, versions = _texts(connection, version_ids)
    order = np.lexsort((item, day, version))
    columns = (column[order] for column in (item, version, day, n, total))
    return GoldenAnswers(tuple(text or "" for text in items), versions, *columns)


def read_costs(connection: Connection, dependency: str, *, limit: int = 2000) -> Costs:
    """The newest calls that have a cost or tokens, oldest first."""
    import numpy as np

    rows = connection.execute(
        "SELECT ts_ms, coalesce(cost_micro_usd, -1), coalesce(input_tokens, -1), "
        "coalesce(output_tokens, -1), version_id, coalesce(booked_nano_usd, -1) FROM observation "
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) "
        "AND coalesce(cost_micro_usd, input_tokens, output_tokens) IS NOT NULL "
        "ORDER BY ts_ms DESC, seq DESC LIMIT ?",
        (dependency, limit),
    ).fetchall()
    rows.reverse()
    ts_ms, cost, input_tokens, output_tokens, version_ids, booked = columns_of(rows, 6)
    version, versions = _texts(connection, version_ids)
    exact = np.where(booked >= 0, booked / NANO_A_MICRO, cost)
    exact = np.where(booked == UNLISTED_TIER, UNLISTED_TIER, exact)
    # Streams whose usage was never told: as many as would matter, so that the read stays short.
    unused = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM observation "
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) AND ts_ms >= ? "
        "AND coalesce(cost_micro_usd, input_tokens, output_tokens) IS NULL LIMIT ?) AS unused",
        (dependency, int(ts_ms[0]) if len(rows) else 0, limit),
    ).fetchone()
    without_usage = int(unused[0]) if rows else 0
    return Costs(ts_ms, exact, input_tokens, output_tokens, version, versions, without_usage)


def read_durations(connection: Connection, dependency: str, *, limit: int = 2000) -> Costs:
    """The newest calls whose duration is known, oldest first: microseconds in place of costs."""
    rows = connection.execute(
        "SELECT ts_ms, latency_us, version_id FROM observation "
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) "
        "AND latency_us IS NOT NULL ORDER BY ts_ms DESC, seq DESC LIMIT ?",
        (dependency, limit),
    ).fetchall()
    rows.reverse()
    ts_ms, latency_us, version_ids = columns_of(rows, 3)
    version, versions = _texts(connection, version_ids)
    none = latency_us * 0 - 1
    without = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM observation "
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) AND ts_ms >= ? "
        "AND latency_us IS NULL AND error_id IS NULL LIMIT ?) AS without",
        (dependency, int(ts_ms[0]) if len(rows) else 0, limit),
    ).fetchone()
    missing = int(without[0]) if rows else 0
    return Costs(ts_ms, latency_us.astype(float), none, none, version, versions, missing)


def read_mark(connection: Connection, name: str) -> Mark | None:
    """Read in one cheap look what answers about a dependency rest on; None where nothing was ever recorded."""
    row = connection.execute(
        "SELECT rev, newest_ts_ms, (SELECT id FROM decision WHERE dependency = ?1 "
        "AND kind = 'baseline' ORDER BY last_ts_ms DESC, id DESC LIMIT 1), "
        "EXISTS (SELECT 1 FROM incident WHERE dependency = ?1 AND status <> 'resolved') "
        "OR EXISTS (SELECT 1 FROM suspicion WHERE dependency = ?1), "
        "EXISTS (SELECT 1 FROM refused WHERE dependency = ?1) "
        "FROM dependency WHERE name = ?1",
        (name,),
    ).fetchone()
    if row is None:
        return None
    refused = read_refused(connection, name) if row[4] else None
    return Mark(row[0], row[1], row[2], bool(row[3]), refused)


_DEPENDENCY = "SELECT id, name, kind, provider, n, first_ts_ms, newest_ts_ms, rev FROM dependency "


def read_dependencies(
    connection: Connection,
    *,
    name: str | None = None,
    query: str | None = None,
    after: str | None = None,
    limit: int = 1,
) -> list[Dependency]:
    """Dependencies by name: the one called `name`, or those that contain `query`, in order."""
    if name is not None:
        rows = connection.execute(_DEPENDENCY + "WHERE name = ?", (name,)).fetchall()
    else:
        found = connection.execute(
            _DEPENDENCY + "WHERE name > ? ORDER BY name", ("" if after is None else after,)
        )
        # Folded by Python: SQLite knows the case of ASCII letters only.
        wanted = (query or "").casefold()
        rows = list(islice((row for row in found if wanted in row[1].casefold()), limit))
    return [
        Dependency(
            name=row[1],
            kind=row[2],
            provider=row[3],
            n=row[4],
            first_ts_ms=row[5],
            newest_ts_ms=row[6],
            rev=row[7],
            versions=_versions_seen(connection, row[0]),
            metrics=tuple(
                metric
                for (metric,) in connection.execute(
                    "SELECT metric FROM dependency_metric WHERE dependency_id = ? ORDER BY metric",
                    row[:1],
                )
            ),
        )
        for row in rows
    ]


def read_names(connection: Connection, *, query: str | None = None) -> dict[str, int]:
    """The time of the newest observation of each dependency whose name contains `query`, by name, in order."""
    wanted = (query or "").casefold()
    rows = connection.execute("SELECT name, newest_ts_ms FROM dependency ORDER BY name")
    return {name: newest_ts_ms for name, newest_ts_ms in rows if wanted in name.casefold()}


def read_callers(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The dependency of each observation whose id is stored: one look a dependency and id."""
    found: dict[str, str] = {}
    texts = {id_hash(text): text for text in ids}
    hashes = list(texts)
    for start in range(0, len(hashes), IDS_A_QUERY):
        chunk = hashes[start : start + IDS_A_QUERY]
        rows = connection.execute(
            "SELECT o.id, d.name FROM dependency d "  # noqa: S608 - only marks
            "JOIN observation_id o ON o.dependency_id = d.id "
            f"AND o.id IN ({', '.join('?' * len(chunk))})",
            chunk,
        )
        found.update({texts[row[0]]: row[1] for row in rows})
    return found


def _versions_seen(connection: Connection, dependency_id: int) -> tuple[VersionSeen, ...]:
    return tuple(
        VersionSeen(*row)
        for row in connection.execute(
            "SELECT text, n, first_ts_ms, newest_ts_ms FROM dependency_version "
            "LEFT JOIN name ON name.id = version_id WHERE dependency_id = ? "
            "ORDER BY first_ts_ms, text",
            (dependency_id,),
        )
    )
