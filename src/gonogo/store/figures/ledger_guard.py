"""Whether the ledger's table still refuses that entries are changed or removed.

The schemas of both engines make the triggers; somebody who dropped them to change an entry left no
other trace where the sums were changed with it.
"""

from __future__ import annotations

from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures

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


def compare_guard(connection: Connection, figures: Figures) -> None:
    """Look for each trigger."""
    figure = figures.of(GUARD)
    figure.compared += len(_MADE[connection.has_shards])
    figure.amiss += [f"{name} is gone: entries could be changed" for name in _missing(connection)]


def mend_guard(connection: Connection) -> None:
    """Make anew what is missing. What was changed meanwhile, only the entries' sums can tell."""
    for name in _missing(connection):
        if connection.has_shards:
            connection.execute(f"DROP TRIGGER IF EXISTS {name} ON ledger_entry")
        connection.execute(f"CREATE TRIGGER {name} {_MADE[connection.has_shards][name]}")


def _missing(connection: Connection) -> list[str]:
    there = {name for (name,) in connection.execute(_TRIGGERS[connection.has_shards]).fetchall()}
    return [name for name in _MADE[connection.has_shards] if name not in there]
