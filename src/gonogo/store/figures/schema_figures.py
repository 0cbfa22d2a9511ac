"""Whether a store has every table, index and trigger of its schema.

A table or index that is gone makes questions fail, or slow. A trigger refuses that entries of the ledger are changed or
removed: somebody who dropped it to change an entry left no other trace where the sums were changed with it.
"""

from __future__ import annotations

from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures
from gonogo.store.sqlite.migrate import tables_and_indexes

SCHEMA = "schema"
GUARD = "ledger guard"
# A trigger that is there but switched off guards nothing.
_TRIGGERS = {
    False: "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'ledger_entry'",
    True: "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST('ledger_entry' AS regclass)"
    " AND tgenabled IN ('O', 'A')",
}
_REFUSED = "BEGIN SELECT RAISE(ABORT, 'ledger entries are only ever appended'); END"
_MADE = {
    False: {
        "ledger_entry_is_never_changed": f"BEFORE UPDATE ON ledger_entry {_REFUSED}",
        "ledger_entry_is_never_removed": f"BEFORE DELETE ON ledger_entry {_REFUSED}",
    },
    True: {
        "ledger_entry_is_never_changed": "BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_entries()"
    },
}


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


def compare_guard(connection: Connection, figures: Figures) -> None:
    """Look for each trigger of the ledger."""
    figure = figures.of(GUARD)
    figure.compared += len(_MADE[connection.has_shards])
    figure.amiss += [
        f"{name} is gone: entries could be changed" for name in _missing_triggers(connection)
    ]


def mend_guard(connection: Connection) -> None:
    """Make anew what is missing. What was changed meanwhile, only the entries' sums can tell."""
    for name in _missing_triggers(connection):
        if connection.has_shards:
            connection.execute(f"DROP TRIGGER IF EXISTS {name} ON ledger_entry")
        connection.execute(f"CREATE TRIGGER {name} {_MADE[connection.has_shards][name]}")


def _missing_triggers(connection: Connection) -> list[str]:
    there = {name for (name,) in connection.execute(_TRIGGERS[connection.has_shards]).fetchall()}
    return [name for name in _MADE[connection.has_shards] if name not in there]
