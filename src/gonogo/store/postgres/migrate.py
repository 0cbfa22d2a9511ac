"""Numbered migrations, `schema/NNNN_*.sql`, each applied in one transaction with its number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.errors import StoreError
from gonogo.store.postgres.address import shown

if TYPE_CHECKING:
    from gonogo.store.postgres.connecting import PsycopgConnection

_FOLDER = Path(__file__).parent / "schema"
_TRIES = 10


def _migrations() -> list[tuple[int, Path]]:
    return sorted((int(file.name[:4]), file) for file in _FOLDER.glob("[0-9]*.sql"))


def stored_version(connection: PsycopgConnection, schema: str) -> int:
    """The schema version that is there; 0 where there is none."""
    from psycopg import sql

    there = connection.execute(
        "SELECT 1 FROM information_schema.tables"
        " WHERE table_schema = %s AND table_name = 'schema_version'",
        (schema,),
    ).fetchone()
    if there is None:
        return 0
    newest = sql.SQL("SELECT max(version) FROM {}").format(sql.Identifier(schema, "schema_version"))
    found = connection.execute(newest).fetchone()
    return int(found[0] or 0) if found else 0


def migrate(connection: PsycopgConnection, address: str, schema: str, *, read_only: bool) -> int:
    """Bring the schema up to date; processes that start together apply each step once.

    A failure leaves the step before it whole.

    Raises:
        StoreError: The schema is newer than this release, or absent and may not be made.
    """
    import psycopg

    files = _migrations()
    known = files[-1][0]
    for _ in range(_TRIES):
        found = stored_version(connection, schema)
        if found > known:
            raise StoreError(
                f"Store '{shown(address)}' has schema {found}, made by a newer gonogo; this one "
                f"knows {known}. Upgrade gonogo and restart it, or name another store."
            )
        if found == known:
            return known
        if read_only:
            raise StoreError(
                f"Store '{shown(address)}' has schema {found} and {known} is needed. Open it once "
                "with a user who may create tables."
            )
        try:
            _apply(connection, schema, [step for step in files if step[0] > found])
        except (
            # A process of an earlier release, which takes no lock, was faster.
            psycopg.errors.UniqueViolation,
            psycopg.errors.DuplicateTable,
            psycopg.errors.DuplicateSchema,
            psycopg.errors.SerializationFailure,
            psycopg.errors.DeadlockDetected,
        ):
            continue
    raise StoreError(
        f"Store '{shown(address)}': its schema could not be brought up to date; try again."
    )


def _apply(connection: PsycopgConnection, schema: str, steps: list[tuple[int, Path]]) -> None:
    from psycopg import sql

    own = sql.Identifier(schema)
    for version, file in steps:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout TO 0")
            connection.execute("SET LOCAL statement_timeout TO 0")
            # Processes that start together queue here, however long a step takes: 16 that each
            # found the next step made by another one once ran out of tries.
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"gonogo {schema}",)
            )
            if stored_version(connection, schema) >= version:
                continue
            known = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
            # One that somebody else made for us needs no right to make schemas.
            if connection.execute(known, (schema,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(own))
            connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(own))
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"
            )
            connection.execute("INSERT INTO schema_version VALUES (%s)", (version,))
            connection.execute(file.read_bytes())
