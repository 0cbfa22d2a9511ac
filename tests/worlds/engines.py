"""Which engine a store test runs on: a file, or the PostgreSQL that `GONOGO_TEST_POSTGRES` names.

`make peers` runs the suite again with that address; every folder gets a schema of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.store.observations.catalogue import Catalogue
from gonogo.store.postgres import migrate as postgres_migrate
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.sqlite import migrate
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    import pytest

    from gonogo.ports.money import Ledger
    from gonogo.settings import Settings
    from gonogo.store.observations.catalogue import CatalogueOf
    from gonogo.store.postgres.database import PostgresDatabase

ADDRESS = os.environ.get("GONOGO_TEST_POSTGRES")
ENGINE = "postgres" if ADDRESS else "sqlite"


def schema_of(folder: Path) -> str:
    """The schema that stands for a folder."""
    return f"test_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"


async def opened(folder: Path, *, read_only: bool = False) -> Database | PostgresDatabase:
    """The store of a folder, made where it is absent."""
    if ADDRESS is None:
        return await Database.open(folder / "store.db", read_only=read_only)
    from gonogo.store.postgres.database import PostgresDatabase

    return await PostgresDatabase.open(ADDRESS, read_only=read_only, schema=schema_of(folder))


@contextmanager
def schemas_of_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, sqlite: int, postgres: int
) -> Iterator[pytest.MonkeyPatch]:
    """Stores that are opened in the block get the schema of an earlier release, up to these steps."""
    with monkeypatch.context() as then:
        for module, last in ((migrate, sqlite), (postgres_migrate, postgres)):
            carried = folder / module.__name__
            carried.mkdir()
            for file in module._FOLDER.glob("[0-9]*.sql"):
                if int(file.name[:4]) <= last:
                    shutil.copy(file, carried)
            then.setattr(module, "_FOLDER", carried)
        yield then


def store_of(folder: Path) -> str:
    """The store of a folder as the settings name it: a file, or a database of its own."""
    if ADDRESS is None:
        return str(folder / "store.db")
    import psycopg

    name = schema_of(folder)
    with psycopg.connect(ADDRESS, autocommit=True) as connection:
        made = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if made.fetchone() is None:
            connection.execute(f"CREATE DATABASE {name}")
    return ADDRESS.replace("/postgres?", f"/{name}?")


def telemetry_of(engine: Database | PostgresDatabase, settings: Settings) -> StoredTelemetry:
    """The telemetry of an engine."""
    if isinstance(engine, Database):
        return StoredTelemetry(engine, settings)
    from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry

    return PostgresTelemetry(engine, settings)


def ledger_of(engine: Database | PostgresDatabase, settings: Settings) -> Ledger:
    """The ledger of an engine."""
    if isinstance(engine, Database):
        return SqliteLedger(engine, settings)
    from gonogo.store.postgres.ledger import PostgresLedger

    return PostgresLedger(engine, settings)


def catalogue_of(engine: Database | PostgresDatabase) -> CatalogueOf:
    """What records in an engine's way."""
    if isinstance(engine, Database):
        return Catalogue
    from gonogo.store.postgres.catalogue import PostgresCatalogue

    return PostgresCatalogue
