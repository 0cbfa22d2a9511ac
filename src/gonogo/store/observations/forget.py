"""Taking observations back: rows, their ids, what they cost, and all that was made of them.

What is left is as if the rest had never come: rollups are made anew from the rows that stay. Samples of
outputs cannot be, since outputs are not stored; those of the days that lose a row go with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from gonogo.ports.booked_costs import BookedCost
from gonogo.records import DAY_MS, MICRO, NANO_A_MICRO
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.hour_cells.stored_cells import (
    CELL_COLUMNS,
    HOUR_AS_MS,
    StoredCell,
    booked_of,
    cells_after,
    see_values,
    unpacked,
)
from gonogo.store.observations.catalogue import Catalogue, CatalogueOf, CommittedIds
from gonogo.store.observations.costs import Costs
from gonogo.store.observations.observation_counts import (
    store_versions,
    versions_of,
    whole_of,
)
from gonogo.store.observations.rebuild import rebuild_rollups
from gonogo.store.observations.retention import kept_from_ms
from gonogo.store.observations.rows import COLUMNS, Row, Rule

ROWS_A_STEP = 5000
# Tables of a dependency that hold nothing but what is made of its rows, children first.
_OF_ROWS = ("golden_answer", "answer", "answer_day", "dependency_metric", "state_cache")
_WHOLE = (
    *("observation", "observation_id", *_OF_ROWS, "output_sample", "dependency_version"),
    *("cardinality", "cardinality_value", "kept_score", "standing", "retention", "grade"),
    *("hour_cell", "arrival_day", "late_arrival"),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """The observations to forget: all, or those within times, by one writer, of one run.

    `start_ms <= ts_ms < end_ms`, epoch milliseconds.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    writer: str | None = None
    run: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing narrows it."""
        return self == Selection()


@dataclass(frozen=True, slots=True)
class ForgottenRows:
    """The observations that were removed, or would be.

    `kept_from_ms`: rows before it were let go already, and their rollups stay unless all goes. `outcomes`: of
    other writers' calls, which stay without what this one said of them.
    """

    rows: int
    remaining: int
    first_ms: int | None
    newest_ms: int | None
    micro_usd: int = 0
    kept_from_ms: int | None = None
    outcomes: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to take back."""
        return not (self.rows or self.outcomes)


def look(connection: Connection, name: str, selection: Selection) -> ForgottenRows | None:
    """Count what would be removed; None where the dependency is not known."""
    found = connection.execute("SELECT id, n FROM dependency WHERE name = ?", (name,)).fetchone()
    if found is None:
        return None
    where, bound = _where(connection, found[0], selection)
    rows, first, newest = connection.execute(
        f"SELECT count(*), min(ts_ms), max(ts_ms) FROM observation WHERE {where}",  # noqa: S608 - constant conditions
        bound,
    ).fetchone()
    where, bound = _where(connection, found[0], selection, time=HOUR_AS_MS)
    counted, *times = connection.execute(
        "SELECT coalesce(sum(n), 0), min(first_ts_ms), max(newest_ts_ms) FROM hour_cell "  # noqa: S608 - constant conditions
        f"WHERE n > 0 AND {where}",
        bound,
    ).fetchone()
    if counted:
        first, newest = min(first or times[0], times[0]), max(newest or times[1], times[1])
    kept = kept_from_ms(connection, found[0])
    rows = found[1] if selection.is_all else rows + int(counted)
    outcomes = _outcomes(connection, found[0], selection)
    return ForgottenRows(rows, found[1] - rows, first, newest, kept_from_ms=kept, outcomes=outcomes)


def _outcomes(connection: Connection, number: int, selection: Selection) -> int:
    """How many outcomes a writer said of others' calls."""
    if selection.writer is None:
        return 0
    where, bound = _where(connection, number, selection, by="outcome_writer_id")
    found = connection.execute(f"SELECT count(*) FROM observation WHERE {where}", bound)  # noqa: S608 - constant conditions
    return int(found.fetchone()[0])


def forget(
    connection: Connection,
    *,
    name: str,
    selection: Selection,
    now_ms: int,
    settings: Settings,
    catalogue_of: CatalogueOf,
) -> ForgottenRows | None:
    """Take observations back, in a write transaction of their dependency; None as for `look`."""
    seen = look(connection, name, selection)
    if seen is None or seen.is_nothing:
        return seen
    number, rule = connection.execute(
        "SELECT id, rule FROM dependency WHERE name = ?", (name,)
    ).fetchone()
    catalogue = catalogue_of(connection, CommittedIds())
    costs, days = Costs(name, catalogue, settings), set[int]()
    for row in _rows(connection, number, selection):
        costs.add(row, -1)
        days.add(row.ts_ms // DAY_MS)
    booked = costs.booked() + _booked_cells(connection, name, number, selection)
    if booked:
        catalogue.book(booked, now_ms=now_ms, settings=settings)
    if selection.is_all or not seen.remaining:
        _remove_all(connection, catalogue, number, name)
    else:
        where, bound = _where(connection, number, selection)
        connection.execute(f"DELETE FROM observation WHERE {where}", bound)  # noqa: S608 - constant conditions
        where, bound = _where(connection, number, selection, time=HOUR_AS_MS)
        connection.execute(f"DELETE FROM hour_cell WHERE {where}", bound)  # noqa: S608 - constant conditions
        _remove_outcomes(connection, number, selection)
        _remove_rest(connection, number, days)
        _count_again(connection, catalogue, number, seen)
        rebuild_rollups(connection, catalogue, number, _rule_of_rest(connection, number, rule))
    connection.execute(
        "INSERT INTO forgotten VALUES (?, ?, 1) ON CONFLICT (dependency) DO UPDATE "
        "SET times = forgotten.times + 1, dependency_id = excluded.dependency_id",
        (name, number),
    )
    spent = round(-sum(cost.nano_usd for cost in booked) / NANO_A_MICRO)
    return replace(seen, micro_usd=spent)


def _rule_of_rest(connection: Connection, number: int, stored: str) -> Rule:
    """The rule by which the rows that are left are counted: the largest weight may be gone."""
    rule = Rule.parse(stored)
    if rule.weight_e6 == MICRO or kept_from_ms(connection, number) is not None:
        return rule
    largest, in_hours = connection.execute(
        "SELECT max(weight_e6), EXISTS (SELECT 1 FROM hour_cell WHERE dependency_id = ?1 AND n > 0)"
        " FROM observation WHERE dependency_id = ?1",
        (number,),
    ).fetchone()
    return rule if in_hours else replace(rule, weight_e6=largest or MICRO)


def _where(
    connection: Connection,
    dependency_id: int,
    selection: Selection,
    *,
    time: str = "ts_ms",
    by: str = "writer_id",
) -> tuple[str, tuple[object, ...]]:
    """The conditions of a selection; `by` is the column that the writer is looked for in."""
    conditions, bound = ["dependency_id = ?"], [dependency_id]
    # Rows that letting go has not come to yet are counted among what stays of their days.
    kept_ms = None if selection.is_all else kept_from_ms(connection, dependency_id)
    starts = [ms for ms in (selection.start_ms, kept_ms) if ms is not None]
    if starts:
        conditions.append(f"{time} >= ?")
        bound.append(max(starts))
    if selection.end_ms is not None:
        conditions.append(f"{time} < ?")
        bound.append(selection.end_ms)
    for column, text in ((by, selection.writer), ("run_id", selection.run)):
        if text is not None:
            found = connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
            conditions.append(f"{column} = ?")
            bound.append(0 if found is None else found[0])  # no name has the number 0
    return " AND ".join(conditions), tuple(bound)


def _rows(connection: Connection, number: int, selection: Selection) -> Iterator[Row]:
    where, bound = _where(connection, number, selection)
    after = (-1, -1)
    while True:
        found = connection.execute(
            f"SELECT {COLUMNS} FROM observation WHERE {where} AND (ts_ms, seq) > (?, ?) "  # noqa: S608 - constant conditions
            "ORDER BY ts_ms, seq LIMIT ?",
            (*bound, *after, ROWS_A_STEP),
        ).fetchall()
        if not found:
            return
        step = [Row(*values) for values in found]
        yield from step
        after = step[-1].ts_ms, step[-1].seq


def _booked_cells(
    connection: Connection, name: str, number: int, selection: Selection
) -> list[BookedCost]:
    """The cost and use of a selection's hour cells, to be taken back."""
    where, bound = _where(connection, number, selection, time=HOUR_AS_MS)
    rows = connection.execute(
        f"SELECT {CELL_COLUMNS} FROM hour_cell WHERE {where}",  # noqa: S608 - constant conditions
        bound,
    )
    cells = [StoredCell(*row) for row in rows]
    return [booked_of(name, cell, unpacked(cell.content), -1) for cell in cells]


def _remove_all(connection: Connection, catalogue: Catalogue, number: int, name: str) -> None:
    catalogue.drop_rollups(number)
    for table in (*_WHOLE, "series"):
        connection.execute(f"DELETE FROM {table} WHERE dependency_id = ?", (number,))  # noqa: S608 - constant names
    for table in ("suspicion", "refused", "told_calls"):
        connection.execute(f"DELETE FROM {table} WHERE dependency = ?", (name,))  # noqa: S608 - constant names
    connection.execute("DELETE FROM dependency WHERE id = ?", (number,))


# A judge's grade beside it is what the call was known by before.
_WITHOUT_OUTCOME = ", ".join(
    f"{name} = CASE WHEN judge_id <> coalesce(outcome_by_id, 0) THEN {before} END"
    for name, before in {
        "outcome_e6": "judge_e6",
        "outcome_lag_ms": "outcome_lag_ms",
        "outcome_by_id": "judge_id",
        "judge_id": "judge_id",
        "judge_e6": "judge_e6",
    }.items()
)


def _remove_outcomes(connection: Connection, number: int, selection: Selection) -> None:
    """Take back what a writer said of calls that others recorded, and leave the calls."""
    if selection.writer is not None:
        where, bound = _where(connection, number, selection, by="outcome_writer_id")
        connection.execute(
            f"UPDATE observation SET {_WITHOUT_OUTCOME}, outcome_writer_id = NULL WHERE {where}",  # noqa: S608 - constant conditions
            bound,
        )


def _remove_rest(connection: Connection, number: int, days: set[int]) -> None:
    """Ids of rows that are gone, samples of their days, and what was said of the whole."""
    connection.execute(
        "DELETE FROM observation_id WHERE dependency_id = ? AND NOT EXISTS (SELECT 1 FROM "
        "observation o WHERE o.dependency_id = observation_id.dependency_id "
        "AND o.ts_ms = observation_id.ts_ms AND o.seq = observation_id.seq)",
        (number,),
    )
    connection.executemany(
        "DELETE FROM output_sample WHERE dependency_id = ? AND day = ?",
        [(number, day) for day in sorted(days)],
    )
    for table in ("kept_score", "standing"):
        connection.execute(f"DELETE FROM {table} WHERE dependency_id = ?", (number,))  # noqa: S608 - constant names


def _count_again(
    connection: Connection, catalogue: Catalogue, number: int, seen: ForgottenRows
) -> None:
    """Counts and times, and the values of each field: one that had too many may have few now."""
    run, bound = connection.execute, (number,)
    versions = versions_of(connection, number, seen.kept_from_ms)
    store_versions(connection, number, versions, seen.kept_from_ms)
    _, first, newest = whole_of(versions)
    if seen.kept_from_ms is None:
        for table in ("cardinality", "cardinality_value"):
            run(f"DELETE FROM {table} WHERE dependency_id = ?", bound)  # noqa: S608 - constant names
        _see_values(connection, catalogue, number)
    changed = (
        "n = ?" if first is None or seen.kept_from_ms is not None else "n = ?, first_ts_ms = ?"
    )
    values = (seen.remaining,) if changed == "n = ?" else (seen.remaining, first)
    run(f"UPDATE dependency SET {changed} WHERE id = ?", (*values, number))  # noqa: S608 - constant text
    if newest is not None:
        run("UPDATE dependency SET newest_ts_ms = ? WHERE id = ?", (newest, number))


def _see_values(connection: Connection, catalogue: Catalogue, number: int) -> None:
    """Count the values of errors, predictions and metrics again; those of segments are by rebuilding."""
    see = partial(catalogue.see_value, number)
    for field in ("error", "prediction"):
        found = connection.execute(
            f"SELECT DISTINCT {field}_id FROM observation WHERE dependency_id = ? "  # noqa: S608 - constant names
            f"AND {field}_id IS NOT NULL",
            (number,),
        )
        for (value,) in found.fetchall():
            see(field, value)
    texts = connection.execute(
        "SELECT DISTINCT metrics FROM observation WHERE dependency_id = ? AND metrics IS NOT NULL",
        (number,),
    ).fetchall()
    for name in sorted({name for (text,) in texts for name in json.loads(text)}):
        see("metrics", catalogue.name_id(f"metrics.{name}"))
    for stored in cells_after(connection, number):
        for cell in stored:
            see_values(catalogue, number, unpacked(cell.content))
