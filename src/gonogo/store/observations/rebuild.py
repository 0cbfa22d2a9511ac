"""Making a dependency's rollups anew from its rows and hour cells: after a changed rule, or for repair."""

from __future__ import annotations

from gonogo.records import DAY_MS, HOUR_MS
from gonogo.store.engine import Connection
from gonogo.store.hour_cells.stored_cells import cells_after, contribute, golden_of, unpacked
from gonogo.store.observations.catalogue import Catalogue, CatalogueOf, CommittedIds
from gonogo.store.observations.cells import Cells
from gonogo.store.observations.grades import add_grades, grade_change
from gonogo.store.observations.retention import kept_from_ms
from gonogo.store.observations.rows import COLUMNS, Row, Rule
from gonogo.store.observations.samples import add_answers, add_golden, golden_change
from gonogo.store.observations.slices import Slices

ROWS_AFTER = (
    f"SELECT {COLUMNS} FROM observation WHERE dependency_id = ? AND (ts_ms, seq) > (?, ?) "  # noqa: S608 - constant names
    "ORDER BY ts_ms, seq LIMIT 5000"
)


def rebuild_dependency(
    connection: Connection, name: str, *, catalogue_of: CatalogueOf = Catalogue
) -> None:
    """Make every rollup of a dependency equal to its rows again, by its stored rule."""
    found = connection.execute("SELECT id, rule FROM dependency WHERE name = ?", (name,)).fetchone()
    if found is not None:
        catalogue = catalogue_of(connection, CommittedIds())
        rebuild_rollups(connection, catalogue, found[0], Rule.parse(found[1]))


def rebuild_rollups(
    connection: Connection, catalogue: Catalogue, dependency_id: int, rule: Rule
) -> None:
    """Make every rollup of a dependency anew by `rule`, which is stored with it.

    Samples of outputs stay: the outputs themselves are not stored. So do the rollups of days whose
    rows were let go, as they were made; and what is kept over all time, where any were.
    """
    run = connection.execute
    bound = (dependency_id,)
    from_ms = kept_from_ms(connection, dependency_id)
    catalogue.drop_rollups(dependency_id, from_ms=from_ms)
    first_day = None if from_ms is None else from_ms // DAY_MS
    since = "" if first_day is None else f" AND day >= {first_day}"
    for table in ("golden_answer", "answer_day"):
        run(f"DELETE FROM {table} WHERE dependency_id = ?{since}", bound)  # noqa: S608 - constant names
    first_hour = None if from_ms is None else from_ms // HOUR_MS
    since = "" if first_hour is None else f" AND hour >= {first_hour}"
    run(f"DELETE FROM grade WHERE dependency_id = ?{since}", bound)  # noqa: S608 - a number
    for table in (
        ("state_cache",) if from_ms is not None else ("answer", "dependency_metric", "state_cache")
    ):
        run(f"DELETE FROM {table} WHERE dependency_id = ?", bound)  # noqa: S608 - constant names
    run(
        "UPDATE dependency SET rule = ?, rev = rev + 1, history_rev = rev + 1 WHERE id = ?",
        (rule.text(), dependency_id),
    )
    slices = Slices(catalogue, dependency_id, rule)
    # Every value must be counted before the first row is added.
    for table in ("hour_cell", "observation"):
        for (segments,) in run(
            f"SELECT DISTINCT segments FROM {table} "  # noqa: S608 - constant names
            "WHERE dependency_id = ? AND segments IS NOT NULL",
            bound,
        ).fetchall():
            slices.see(segments)
    after = (-1 if from_ms is None else from_ms, -1)
    while step := [Row(*row) for row in run(ROWS_AFTER, (*bound, *after)).fetchall()]:
        after = step[-1].ts_ms, step[-1].seq
        cells: Cells = {}
        slices.contribute(cells, step)
        catalogue.apply(cells)
        add_golden(connection, (golden_change(row, 1) for row in step))
        add_grades(connection, (grade_change(row, 1, rule.bar_e6) for row in step))
        add_answers(connection, step, over_all_time=from_ms is None)
    for stored in cells_after(connection, dependency_id, from_ms=from_ms):
        cells = {}
        contents = [(cell, unpacked(cell.content)) for cell in stored]
        for cell, content in contents:
            contribute(cells, cell, content, catalogue=catalogue, slices=slices, sign=1)
        catalogue.apply(cells)
        add_golden(connection, (golden_of(cell, content, 1) for cell, content in contents))
