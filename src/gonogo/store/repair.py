"""Keeping a store in order: what is old is let go, what is derived is made anew from the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.store.engine import Connection
from gonogo.store.observations.retention import let_go as let_rows_go

if TYPE_CHECKING:
    from gonogo.store.books.decisions import StoredDecisions
    from gonogo.store.engine import Engine
    from gonogo.store.reads.telemetry_store import StoredTelemetry

__all__ = ["LetGo", "Mended", "let_go", "mend", "rows_counted", "unbalanced"]

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
class LetGo:
    """What was removed: observations, and checks of the decision log that nothing refers to."""

    rows: int
    checks: int


@dataclass(frozen=True, slots=True)
class Mended:
    """What was made anew, and up to five reservations that are not what their entries say."""

    dependencies: int
    unbalanced: tuple[str, ...]


async def let_go(
    database: Engine, decisions: StoredDecisions, *, days: int | None, now_ms: int
) -> LetGo:
    """Remove what is older than it is kept: rows after `days` (None: never), checks after 90.

    Raises:
        StoreError: The store failed; what was removed until then is consistent.
    """
    rows = 0 if days is None else await let_rows_go(database, days=days, now_ms=now_ms)
    return LetGo(rows, await decisions.prune(now_ms))


async def mend(database: Engine, telemetry: StoredTelemetry) -> Mended:
    """Make the rollups of every dependency anew from its rows, each in one transaction.

    The ledger is looked at and left as it is: its entries are what happened.

    Raises:
        StoreError: The store failed; the dependencies before that are mended.
    """
    names = await database.read(_names)
    for name in names:
        await telemetry.rebuild(name)
    return Mended(len(names), tuple(await database.read(unbalanced)))


def unbalanced(connection: Connection) -> list[str]:
    """The first five reservations that their entries do not add up to."""
    return [row[0] for row in connection.execute(_UNBALANCED)]


def rows_counted(connection: Connection) -> dict[str, int]:
    """How many observations of each dependency are stored, counted one by one."""
    return dict(
        connection.execute(
            "SELECT name, (SELECT count(*) FROM observation WHERE dependency_id = dependency.id) "
            "FROM dependency ORDER BY name"
        ).fetchall()
    )


def _names(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM dependency ORDER BY name")]
