"""The reads behind `ports.trust_reads`: each a plain function of a connection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gonogo.ports.trust_reads import (
    CallCounts,
    FleetRow,
    JudgedLabels,
    KeptScore,
    Population,
    Repeats,
)
from gonogo.records import DAY_MS, MICRO, HourCounts, Kind, in_millionths
from gonogo.store.books.verdict_book import STANDING
from gonogo.store.engine import Connection, in_shard
from gonogo.store.reads.queries import columns_of

_COUNTS = ("n", "errors", "timed", "slo_met", "labels", "good", "ok", "ok_labels", "ok_good")
_ALL = 1 << 62
# Rows of before writers were kept have none, and stay.
_BY_OTHERS = " AND ".join(
    f"coalesce(o.{teller}, 0) NOT IN (SELECT id FROM name WHERE text IN ({{0}}))"  # noqa: S608 - constant names
    for teller in ("writer_id", "filled_by_id")
)
_SUMS = ", ".join(f"sum(r.{name})" for name in _COUNTS)


def population(
    connection: Connection, kind: Kind | None, *, since_day: int, limit: int
) -> Population:
    """Totals since a UTC day of the newest dependencies of a kind, golden calls as a last resort."""
    import numpy as np

    shard = in_shard(connection, "r.", "s.dependency_id")
    # The ungolden row sorts first, so that it is the one that is kept.
    rows = connection.execute(
        f"SELECT d.name, {_SUMS} FROM"  # noqa: S608 - constant columns
        f" (SELECT id, name FROM dependency WHERE kind {'IS NULL' if kind is None else '= ?'}"
        " ORDER BY newest_ts_ms DESC, name LIMIT ?) d"
        " JOIN series s ON s.dependency_id = d.id AND s.segment_id = 0"
        f" JOIN rollup r ON r.series_id = s.id{shard} AND r.daily = 1 AND r.bucket >= ?"
        " GROUP BY d.id, d.name, s.golden ORDER BY d.name, s.golden",
        (*([] if kind is None else [kind]), limit, since_day),
    ).fetchall()
    first: dict[str, tuple[int, ...]] = {}
    for name, *sums in rows:
        if sums[0] > 0:
            first.setdefault(name, tuple(sums))
    table = np.array(list(first.values()), dtype=np.int64).reshape(-1, len(_COUNTS))
    return Population(tuple(first), *table.T)


def repeats(connection: Connection, dependency: str) -> Repeats:
    """Count how answers to the same input, by the same version, agree."""
    rows = connection.execute(
        "SELECT sum(a.n), sum(a.n * a.n) FROM answer a"
        " JOIN dependency d ON d.id = a.dependency_id WHERE d.name = ?"
        " GROUP BY a.version_id, a.input_hash",
        (dependency,),
    ).fetchall()
    return _repeats(rows)


def _repeats(sums: Sequence[tuple[int, int]]) -> Repeats:
    """Compute agreement from answers and squared answers by input; exact sums, so that no order shows."""
    disagreeing = math.fsum((t * t - q) / t for t, q in sums if t > 1)
    return Repeats(sum(t for t, _ in sums), sum(t - 1 for t, _ in sums), disagreeing)


def newest_calls(
    connection: Connection,
    dependency: str,
    *,
    version: str | None,
    since_ms: int,
    until_ms: int,
    limit: int,
    without: Sequence[str] = (),
) -> list[str | None]:
    """Each of the newest calls' error, or None; newest first."""
    left_out = ", ".join(f"?{at}" for at in range(6, 6 + len(without)))
    rows = connection.execute(
        "SELECT (SELECT text FROM name WHERE id = o.error_id) FROM observation o"  # noqa: S608 - places only
        " WHERE o.dependency_id = (SELECT id FROM dependency WHERE name = ?1)"
        " AND o.ts_ms >= ?2 AND o.ts_ms <= ?3"
        " AND (?4 = '' OR o.version_id = (SELECT id FROM name WHERE text = ?4))"
        + (f" AND {_BY_OTHERS.format(left_out)}" if without else "")
        + " ORDER BY o.ts_ms DESC, o.seq DESC LIMIT ?5",
        (dependency, since_ms, until_ms, version or "", limit, *without),
    )
    return [error for (error,) in rows]


def provider_members(connection: Connection, provider: str) -> list[str]:
    """Dependencies recorded with this provider, newest observation first."""
    rows = connection.execute(
        "SELECT name FROM dependency WHERE provider = ? ORDER BY newest_ts_ms DESC, name",
        (provider,),
    )
    return [name for (name,) in rows]


def revisions(
    connection: Connection, dependency: str, others: Sequence[str], *, provider: str | None
) -> tuple[int, int]:
    """Numbers that move with the evidence around a dependency: sum and number of the revisions of all, and of a provider's."""
    if provider is None:
        row = connection.execute(
            "SELECT provider FROM dependency WHERE name = ?", (dependency,)
        ).fetchone()
        provider = row[0] if row is not None else None
    given = (dependency, *others)
    holds = f"name IN ({', '.join('?' * len(given))})"
    if provider is not None:
        holds, given = f"{holds} OR provider = ?", (*given, provider)
    total, count = connection.execute(
        f"SELECT coalesce(sum(rev), 0), count(*) FROM dependency WHERE {holds}",  # noqa: S608 - places only
        given,
    ).fetchone()
    return int(total), int(count)


def recent_hours(
    connection: Connection, dependencies: Sequence[str], *, start_hour: int
) -> dict[str, HourCounts]:
    """Hourly counts of several dependencies, versions added up."""
    import numpy as np

    ids = _ids(connection, dependencies)
    columns = (*_COUNTS, "outcome_sum")
    sums = ", ".join(f"sum(r.{name})" for name in columns)
    shard = in_shard(connection, "r.", "s.dependency_id")
    rows = connection.execute(
        f"SELECT s.dependency_id, r.bucket, {sums} FROM series s"  # noqa: S608 - constant columns, numbers of the store's own
        f" JOIN rollup r ON r.series_id = s.id{shard} AND r.daily = 0 AND r.bucket >= ?"
        " WHERE s.segment_id = 0 AND s.golden = 0"
        f" AND s.dependency_id IN ({', '.join(map(str, ids)) or 'NULL'})"
        " GROUP BY s.dependency_id, r.bucket ORDER BY s.dependency_id, r.bucket",
        (start_hour,),
    ).fetchall()
    owner, hour, *counts = columns_of(rows, len(columns) + 2)
    found: dict[str, HourCounts] = {}
    for number, name in ids.items():
        own = slice(*(int(at) for at in np.searchsorted(owner, [number, number + 1])))
        if own.start < own.stop:
            found[name] = HourCounts(
                hour=hour[own],
                version=np.zeros_like(hour[own]),
                versions=(None,),
                **{key: column[own] for key, column in zip(columns, counts, strict=True)},
            )
    return found


def keep_score(connection: Connection, score: KeptScore) -> None:
    """Keep a score; the one before it stays as the earlier one where it is of an earlier day."""
    connection.execute(
        "INSERT INTO kept_score AS kept (dependency_id, ts_ms, rev, verdict, score_e6, lower_e6,"
        " upper_e6) SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM dependency WHERE name = ?1"
        " ON CONFLICT (dependency_id) DO UPDATE SET"
        " earlier_verdict = CASE WHEN kept.ts_ms / ?8 < excluded.ts_ms / ?8"
        "  THEN kept.verdict ELSE kept.earlier_verdict END,"
        " earlier_score_e6 = CASE WHEN kept.ts_ms / ?8 < excluded.ts_ms / ?8"
        "  THEN kept.score_e6 ELSE kept.earlier_score_e6 END,"
        " ts_ms = excluded.ts_ms, rev = excluded.rev, verdict = excluded.verdict,"
        " score_e6 = excluded.score_e6, lower_e6 = excluded.lower_e6, upper_e6 = excluded.upper_e6"
        " WHERE excluded.ts_ms >= kept.ts_ms",
        (
            score.dependency,
            score.ts_ms,
            score.rev,
            score.verdict,
            *(in_millionths(rate) for rate in (score.score, score.lower, score.upper)),
            DAY_MS,
        ),
    )


def kept_scores(connection: Connection, *, limit: int | None = None) -> list[KeptScore]:
    """The kept scores, lowest lower bound first."""
    rows = connection.execute(
        "SELECT d.name, k.ts_ms, k.rev, k.verdict, k.score_e6, k.lower_e6, k.upper_e6,"
        " k.earlier_verdict, k.earlier_score_e6 FROM kept_score k"
        " JOIN dependency d ON d.id = k.dependency_id ORDER BY k.lower_e6, d.name LIMIT ?",
        (_ALL if limit is None else limit,),
    )
    return [
        KeptScore(
            name,
            ts_ms,
            rev,
            verdict,
            score / MICRO,
            lower / MICRO,
            upper / MICRO,
            earlier_verdict,
            None if earlier is None else earlier / MICRO,
        )
        for name, ts_ms, rev, verdict, score, lower, upper, earlier_verdict, earlier in rows
    ]


def keep_scores(connection: Connection, scores: Sequence[KeptScore]) -> None:
    """Keep many, in the order of their names: two writers of many never wait in a circle."""
    for score in sorted(scores):
        keep_score(connection, score)


Mark = tuple[int | None, ...]
_SCORED = (
    "SELECT count(*), sum(rev), sum(newest_ts_ms) FROM dependency",
    "SELECT count(*), sum(ts_ms), sum(rev), sum(lower_e6) FROM kept_score",
)
_SAID = ("SELECT count(*), sum(drift_ms), sum(trust_ms), sum(trust_data_ms) FROM standing",)
_NOTHING_SAID = (None,) * 6


class ReadFleet(NamedTuple):
    """The fleet as it was last read; rows and standing verdicts by the dependency's id.

    The marks move with every write that the rows show, and cost a tenth of reading them. A check of
    one dependency moves `said` alone, and then the standing verdicts alone are read again: of ten
    thousand dependencies 14 ms in place of 42.
    """

    scored: Mark
    said: Mark
    rows: dict[int, FleetRow]
    standing: dict[int, tuple[Any, ...]]


def read_fleet(connection: Connection, known: ReadFleet | None) -> ReadFleet:
    """Every dependency with its score and what was last said of it, lowest lower bound first."""
    scored, said = _mark(connection, _SCORED), _mark(connection, _SAID)
    if known is not None and (scored, said) == (known.scored, known.said):
        return known
    standing = {
        row[0]: row[1:]
        for row in connection.execute(f"SELECT s.dependency_id, {STANDING} FROM standing s")  # noqa: S608 - constant columns
    }
    if known is not None and scored == known.scored:
        rows = dict(known.rows)
        for number, row in known.rows.items():
            now = standing.get(number, _NOTHING_SAID)
            if now != known.standing.get(number, _NOTHING_SAID):
                rows[number] = FleetRow._make((*row[: -len(now)], *now))
        return ReadFleet(scored, said, rows, standing)
    found = connection.execute(
        "SELECT d.id, d.name, d.kind, d.provider, d.n, d.newest_ts_ms, d.rev, k.ts_ms, k.rev, k.verdict,"
        " k.score_e6, k.lower_e6, k.upper_e6, k.earlier_verdict, k.earlier_score_e6"
        " FROM dependency d LEFT JOIN kept_score k ON k.dependency_id = d.id"
        " ORDER BY k.lower_e6 IS NULL, k.lower_e6, d.name"
    )
    rows = {number: FleetRow(*own, *standing.get(number, _NOTHING_SAID)) for number, *own in found}
    return ReadFleet(scored, said, rows, standing)


def _mark(connection: Connection, sums: Sequence[str]) -> Mark:
    return tuple(value for query in sums for value in connection.execute(query).fetchone())


def _ids(connection: Connection, names: Sequence[str]) -> dict[int, str]:
    marks = ", ".join("?" * len(names)) or "NULL"
    rows = connection.execute(
        f"SELECT id, name FROM dependency WHERE name IN ({marks})",  # noqa: S608 - only marks
        tuple(names),
    )
    return dict(rows.fetchall())


def call_counts(
    connection: Connection, dependencies: Sequence[str], *, start_hour: int, end_hour: int
) -> dict[str, tuple[CallCounts, CallCounts]]:
    """Calls of many by hour, and golden ones, versions added up."""
    import numpy as np

    ids = _ids(connection, dependencies)
    shard = in_shard(connection, "r.", "s.dependency_id")
    rows = connection.execute(
        "SELECT s.dependency_id, s.golden, r.bucket, r.n, r.ok, r.ok_labels, r.ok_good"  # noqa: S608 - numbers of the store's own
        f" FROM series s JOIN rollup r ON r.series_id = s.id{shard} AND r.daily = 0"
        " AND r.bucket >= ? AND r.bucket < ?"
        f" WHERE s.segment_id = 0 AND s.dependency_id IN ({', '.join(map(str, ids))})",
        (start_hour, end_hour),
    ).fetchall()
    owner, golden, hour, *counts = columns_of(rows, 7)
    order = np.lexsort((hour, golden, owner))
    owner, golden, hour = owner[order], golden[order], hour[order]
    begins = np.flatnonzero(
        np.r_[True, (np.diff(owner) != 0) | (np.diff(golden) != 0) | (np.diff(hour) != 0)]
        if hour.size
        else np.zeros(0, dtype=bool)
    )
    sums = [np.add.reduceat(column[order], begins) if begins.size else column for column in counts]
    called = begins[sums[0] > 0]
    columns = [hour[called], *(column[sums[0] > 0] for column in sums)]
    owner, golden = owner[called], golden[called]
    found = {}
    for number, name in ids.items():
        # Sorted by owner, then golden: two slices each.
        first, last = (int(at) for at in np.searchsorted(owner, [number, number + 1]))
        middle = first + int(np.searchsorted(golden[first:last], 1))
        own, gold = slice(first, middle), slice(middle, last)
        found[name] = (
            CallCounts(*(column[own] for column in columns)),
            CallCounts(*(column[gold] for column in columns)),
        )
    return found


def partly_labelled(
    connection: Connection, dependencies: Sequence[str], *, start_hour: int
) -> list[str]:
    """Dependencies with one version that has labels and another, called, that has none."""
    ids = _ids(connection, dependencies)
    shard = in_shard(connection, "r.", "s.dependency_id")
    rows = connection.execute(
        "SELECT s.dependency_id, sum(r.labels) FROM series s"  # noqa: S608 - numbers of the store's own
        f" JOIN rollup r ON r.series_id = s.id{shard} AND r.daily = 1 AND r.bucket > ?"
        " WHERE s.segment_id = 0 AND s.golden = 0 AND s.version_id <> 0"
        f" AND s.dependency_id IN ({', '.join(map(str, ids))})"
        " GROUP BY s.dependency_id, s.version_id HAVING sum(r.n) > 0",
        (start_hour // 24,),
    ).fetchall()
    with_labels = {number for number, labels in rows if labels}
    without = {number for number, labels in rows if not labels}
    return sorted(ids[number] for number in with_labels & without)


def with_outcomes(connection: Connection, dependencies: Sequence[str]) -> set[str]:
    """The names of dependencies for which an outcome was ever recorded."""
    ids = _ids(connection, dependencies)
    rows = connection.execute(
        "SELECT dependency_id FROM dependency_metric WHERE metric = 'outcome'"  # noqa: S608 - numbers of the store's own
        f" AND dependency_id IN ({', '.join(map(str, ids))})"
    )
    return {ids[number] for (number,) in rows}


def judged_labels(
    connection: Connection, dependencies: Sequence[str], *, start_hour: int
) -> dict[str, JudgedLabels]:
    """Count the outcomes since an hour that only judges gave; dependencies without any are left out."""
    ids = _ids(connection, dependencies)
    rows = connection.execute(
        "SELECT dependency_id, name.text, sum(grade.n) FROM grade JOIN name ON name.id = judge_id"  # noqa: S608 - numbers of the store's own
        f" WHERE dependency_id IN ({', '.join(map(str, ids))}) AND hour >= ? AND person_grade = 0"
        " GROUP BY dependency_id, name.text HAVING sum(grade.n) > 0 ORDER BY name.text",
        (start_hour,),
    )
    found: dict[str, JudgedLabels] = {}
    for number, judge, n in rows:
        known = found.get(ids[number])
        judges, before = ("", 0) if known is None else (f"{known.judges}, ", known.n)
        found[ids[number]] = JudgedLabels(judges + str(judge), before + int(n))
    return found


def repeats_of(connection: Connection, dependencies: Sequence[str]) -> dict[str, Repeats]:
    """Count how answers to the same input agree, of many dependencies; those without answers are left out."""
    ids = _ids(connection, dependencies)
    rows = connection.execute(
        "SELECT dependency_id, sum(n), sum(n * n) FROM answer"  # noqa: S608 - numbers of the store's own
        f" WHERE dependency_id IN ({', '.join(map(str, ids))})"
        " GROUP BY dependency_id, version_id, input_hash"
    )
    sums: dict[int, list[tuple[int, int]]] = {}
    for number, total, squares in rows:
        sums.setdefault(number, []).append((total, squares))
    return {ids[number]: _repeats(found) for number, found in sums.items()}
