"""Whether a file has every table and index of its schema: one that is gone makes questions fail, or slow."""

from __future__ import annotations

from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures
from gonogo.store.sqlite.migrate import tables_and_indexes

SCHEMA = "schema"


def compare_schema(connection: Connection, figures: Figures) -> bool:
    """Look for each; whether every table is there. A database's own catalogue keeps its tables."""
    if connection.has_shards:
        return True
    figure, missing = figures.of(SCHEMA), _missing(connection)
    figure.compared += len(tables_and_indexes())
    figure.amiss += [f"{kind} {name} is gone" for kind, name in missing]
    return all(kind != "table" for kind, _ in missing)


def mend_schema(connection: Connection) -> None:
    """Make anew what is missing, tables without rows: what is derived is made after it."""
    for key in _missing(connection):
        connection.execute(tables_and_indexes()[key])


def _missing(connection: Connection) -> list[tuple[str, str]]:
    there = set(connection.execute("SELECT type, name FROM sqlite_schema").fetchall())
    # Tables first: an index needs its own.
    return sorted(tables_and_indexes().keys() - there, reverse=True)
