"""Numbered migrations, `migrations/NNNN_*.sql`, applied in order under `user_version`."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from gonogo.errors import StoreError

__all__ = ["APPLICATION_ID", "latest_version", "migrate", "refuse_newer"]

# "GnGo": marks our files in SQLite's header.
APPLICATION_ID = 0x476E476F

_FOLDER = Path(__file__).parent / "migrations"
# From here on steps were numbered anew between commits, so that a store's version does not tell which
# it has: an upgrade runs them all, and passes over what is there.
_UNSURE_FROM = 15
_THERE = ("already exists", "duplicate column name")
_FILLS = re.compile(r"^(UPDATE|INSERT)\b", re.MULTILINE)


def _migrations() -> list[tuple[int, Path]]:
    return sorted((int(file.name[:4]), file) for file in _FOLDER.glob("[0-9]*.sql"))


def latest_version() -> int:
    """The schema version that this release reads and writes."""
    return _migrations()[-1][0]


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
        StoreError: The schema is newer than this release.
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
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return known


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
