"""Numbered migrations, `migrations/NNNN_*.sql`, applied in order under `user_version`."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from gonogo.errors import StoreError

# "GnGo": marks our files in SQLite's header.
APPLICATION_ID = 0x476E476F

_FOLDER = Path(__file__).parent / "migrations"
# From here on steps were numbered anew between commits, so that a store's version does not tell which
# it has: an upgrade runs them all, and passes over what is there.
_UNSURE_FROM = 15
_THERE = ("already exists", "duplicate column name")
_MISFIT = re.compile("already exists|duplicate column name|no such (table|column|index)")
_FILLS = re.compile(r"^(UPDATE|INSERT)\b", re.MULTILINE)


def _migrations() -> list[tuple[int, Path]]:
    return sorted((int(file.name[:4]), file) for file in _FOLDER.glob("[0-9]*.sql"))


def latest_version() -> int:
    """The schema version that this release reads and writes."""
    return _migrations()[-1][0]


@cache
def tables_and_indexes() -> dict[tuple[str, str], str]:
    """The statement that makes each table and index of the schema as it is now, by what it is and its name."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        for _, file in _migrations():
            _apply(fresh, file, pass_over=())
        made = fresh.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL"
            " AND name NOT LIKE 'sqlite_%'"
        )
        return {(kind, name): sql for kind, name, sql in made.fetchall()}


def refuse_newer(path: Path, found: int, known: int) -> None:
    """Refuse a schema of a later release.

    Raises:
        StoreError: `found` is above `known`.
    """
    if found > known:
        raise StoreError(
            f"Store '{path}' has schema {found}, made by a newer gonogo; this one knows {known}. "
            "Upgrade gonogo and restart it, or name another store with --store."
        )


def _statements(script: str) -> list[str]:
    """Cut a script into its statements: `executescript` would commit our transaction."""
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements


def migrate(connection: sqlite3.Connection, path: Path) -> int:
    """Bring the schema up to date in one transaction; a failure leaves the old schema whole.

    The caller holds the store's lock. Processes that start at the same time are served in turn:
    the version is read again inside the transaction.

    Returns:
        The schema version that stands.

    Raises:
        StoreError: The schema is newer than this release, or its number is not that of its tables.
    """
    files = _migrations()
    known = files[-1][0]
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    refuse_newer(path, found, known)
    if found == known:
        return known
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        refuse_newer(path, found, known)
        for version, file in files:
            if version > min(found, _UNSURE_FROM - 1):
                _apply(connection, file, pass_over=_THERE if found >= _UNSURE_FROM else ())
        connection.execute(f"PRAGMA user_version = {known}")
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) and _MISFIT.search(str(error)):
            raise _misfit(connection, path, found, error) from error
        raise
    return known


def _misfit(
    connection: sqlite3.Connection, path: Path, found: int, error: sqlite3.OperationalError
) -> StoreError:
    """The advice about a schema number that somebody changed: a step met what a later one makes."""
    there = _columns(connection)
    fitting = None
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        for version, file in _migrations():
            _apply(fresh, file, pass_over=())
            fitting = version if _columns(fresh) == there else fitting
    backup = "put a backup in its place with gonogo restore FILE"
    if fitting is None:
        said = f"its tables are of no schema that this gonogo knows ({error})", backup
    else:
        how = f"end every gonogo and run 'PRAGMA user_version = {fitting}' on it with sqlite3"
        said = f"its tables are those of schema {fitting}", f"{how}, or {backup}"
    return StoreError(
        f"Store '{path}' is numbered schema {found}, but {said[0]}: was the number changed by hand? "
        f"Nothing was changed; {said[1]}."
    )


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(
        connection.execute(
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c"
            " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
        )
    )


def _apply(connection: sqlite3.Connection, file: Path, *, pass_over: tuple[str, ...]) -> None:
    """Run one step; `pass_over`: what SQLite says of a statement that is not needed.

    What fills a column or a table that is there was run when it was made, and would undo what was
    written since: calls without a price would be taken for priced ones.
    """
    there = False
    for statement in _statements(file.read_text(encoding="utf-8")):
        if there and _FILLS.search(statement):
            continue
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if not any(said in str(error) for said in pass_over):
                raise
            there = True
