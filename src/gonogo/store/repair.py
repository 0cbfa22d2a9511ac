"""Keeping a store in order: what is old is let go, what is derived is made anew from the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gonogo.settings import Settings
from gonogo.store.engine import Connection, Engine
from gonogo.store.figures.action_figures import compare_actions, mend_actions
from gonogo.store.figures.figure import Figure, Figures
from gonogo.store.figures.money_figures import compare_money, mend_money
from gonogo.store.figures.observation_figures import compare_dependency, recount
from gonogo.store.figures.schema_figures import (
    GUARD,
    SCHEMA,
    compare_guard,
    compare_schema,
    mend_guard,
    mend_schema,
)
from gonogo.store.figures.used_figures import compare_used, mend_used
from gonogo.store.observations.retention import let_go as let_rows_go
from gonogo.store.observations.retention import marks_ahead, mend_marks
from gonogo.store.reads.queries import read_names

if TYPE_CHECKING:
    from gonogo.store.books.decisions import StoredDecisions
    from gonogo.store.reads.telemetry_store import StoredTelemetry

KEPT = "retention"
_ROLLED_UP = ("rollups", "histograms", "categories")
# A reservation is what its entries add up to.
_UNBALANCED = """
SELECT r.id FROM reservation AS r LEFT JOIN (
  SELECT reservation, sum(held_micro_usd) AS held, sum(spent_micro_usd) AS spent
  FROM ledger_entry GROUP BY reservation
) AS added ON added.reservation = r.id
WHERE coalesce(added.held, 0) <> CASE r.state WHEN 'open' THEN r.held_micro_usd ELSE 0 END
   OR coalesce(added.spent, 0) <> coalesce(r.declared_micro_usd, r.observed_micro_usd)
ORDER BY r.id LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Removal:
    """The observations that were removed, and checks of the decision log that nothing refers to."""

    rows: int
    checks: int


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """Every figure as it was found, and how many dependencies there was no time for.

    `unread`: dependencies whose rows cannot be read, so that nothing can be made of them.
    """

    figures: tuple[Figure, ...]
    left_out: int = 0
    unread: frozenset[str] = frozenset()


async def let_go(
    database: Engine, decisions: StoredDecisions, *, days: int | None, now_ms: int
) -> Removal:
    """Remove what is older than it is kept: rows after `days` (None: never), checks after 90.

    Raises:
        StoreError: The store failed; what was removed until then is consistent.
    """
    rows = 0 if days is None else await let_rows_go(database, days=days, now_ms=now_ms)
    return Removal(rows, await decisions.prune(now_ms))


async def compare(
    database: Engine, *, has_time: Callable[[], bool], now_ms: int
) -> FigureComparison:
    """Compare all that can be derived with what is stored; nothing is written.

    Each dependency is one snapshot, and so are the books. Dependencies for which `has_time` leaves
    none are counted, and not looked at.

    Raises:
        StoreError: The store failed.
    """
    figures, left_out = Figures(), 0
    if not await database.read(partial(compare_schema, figures=figures)):
        return FigureComparison(tuple(figures.all))
    for name in await database.read(read_names):
        if has_time():
            figures.add(await database.read(partial(compare_dependency, name=name)))
        else:
            left_out += 1
    figures.add(await database.read(partial(_compare_books, now_ms=now_ms)))
    return FigureComparison(tuple(figures.all), left_out, frozenset(figures.unread))


def _compare_books(connection: Connection, now_ms: int) -> Figures:
    figures = Figures()
    compare_money(connection, figures)
    compare_guard(connection, figures)
    compare_used(connection, figures)
    compare_actions(connection, figures, now_ms)
    figure = figures.of(KEPT)
    ahead = marks_ahead(connection, now_ms)
    figure.compared += connection.execute("SELECT count(*) FROM retention").fetchone()[0]
    figure.amiss += [
        f"rows of {name} before {datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d} are refused,"
        " which is ahead of all there is"
        for name, (ms, _) in ahead.items()
    ]
    return figures


async def mend(
    database: Engine, telemetry: StoredTelemetry, settings: Settings, *, now_ms: int
) -> FigureComparison:
    """Compare everything, and make anew what can be derived; figures as they were found.

    Rollups are made anew whether or not they differ. Entries, actions and rows stay as they are.

    Raises:
        StoreError: The store failed; the dependencies before that are mended.
    """
    found = await compare(database, has_time=lambda: True, now_ms=now_ms)
    broken = {figure.what for figure in found.figures if figure.amiss}
    if SCHEMA in broken:
        await database.write(mend_schema, durable=True)
        # What stood in a table that was gone differs now.
        rest = await compare(database, has_time=lambda: True, now_ms=now_ms)
        lost = [figure for figure in found.figures if figure.amiss]
        found = replace(rest, figures=(*lost, *(f for f in rest.figures if f.what != SCHEMA)))
        broken |= {figure.what for figure in rest.figures if figure.amiss}
    if KEPT in broken:
        await database.write(partial(mend_marks, now_ms=now_ms), durable=True)
    if not broken.isdisjoint(_ROLLED_UP):
        await database.write(_drop_loose_rollups)
    for name in await database.read(read_names):
        if name not in found.unread:
            await telemetry.rebuild(name)
        await database.write(partial(recount, name=name), shard=name)
    if not broken.isdisjoint(("reservations", "reserved spend", "spend", "daily spend")):
        await database.write(partial(mend_money, settings=settings), durable=True)
    if GUARD in broken:
        await database.write(mend_guard, durable=True)
    if not broken.isdisjoint(("used", "daily used")):
        await database.write(partial(mend_used, settings=settings), durable=True)
    if not broken.isdisjoint(("log", "routes", "incidents", "standing verdicts")):
        await database.write(partial(mend_actions, now_ms=now_ms), durable=True)
    return found


def _drop_loose_rollups(connection: Connection) -> None:
    """Remove the rollups of series that are gone: a new series may get the number of one of them."""
    for table in ("rollup", "histogram", "category"):
        connection.execute(f"DELETE FROM {table} WHERE series_id NOT IN (SELECT id FROM series)")  # noqa: S608 - constant names


def unbalanced(connection: Connection) -> list[str]:
    """The first five reservations that their entries do not add up to."""
    return [row[0] for row in connection.execute(_UNBALANCED)]


def rows_counted(connection: Connection) -> dict[str, int]:
    """Count the stored observations of each dependency, one by one or in hour cells."""
    return dict(
        connection.execute(
            "SELECT name, (SELECT count(*) FROM observation WHERE dependency_id = dependency.id)"
            " + (SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM hour_cell"
            " WHERE dependency_id = dependency.id) FROM dependency ORDER BY name"
        ).fetchall()
    )
