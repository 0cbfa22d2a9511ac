"""Stores as earlier releases made them, and a process of one that is still running."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from soundness import lost

from gonogo.errors import StoreError
from gonogo.records import Decision
from gonogo.store.books.audit import GENESIS, insert_decision, link_hash
from gonogo.store.engine import Connection
from gonogo.store.observations.rows import hash16
from gonogo.store.sqlite import migrate, opening
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.identity import OpenFile
from gonogo.store.sqlite.lock import FileLock

if TYPE_CHECKING:
    from torture import Child

START_MS = 1_767_225_600_000
_MIGRATIONS = migrate._FOLDER
SCHEMAS = tuple(range(1, migrate.latest_version()))


def _as_of(folder: Path, schema: int) -> Path:
    """The migrations that the release of a schema carried."""
    carried = folder / f"schema-{schema}"
    carried.mkdir(parents=True)
    for file in _MIGRATIONS.glob("[0-9]*.sql"):
        if int(file.name[:4]) <= schema:
            shutil.copy(file, carried)
    return carried


def aged(path: Path, number: int) -> list[str]:
    """Make a store of the next earlier schema, in turn, with what that could hold; what is in it."""
    schema = SCHEMAS[number % len(SCHEMAS)]
    path.parent.mkdir(parents=True)
    migrate._FOLDER = _as_of(path.parent, schema)
    try:
        lock = FileLock(path.with_name(path.name + ".lock"))
        # Nor did a release of then know what backups say of themselves.
        with (
            patch.object(opening, "forget_backup"),
            closing(opening.open_writer(path, lock, OpenFile(path))) as connection,
        ):
            return _filled(connection, schema)
    finally:
        migrate._FOLDER = _MIGRATIONS


def _filled(connection: Connection, schema: int) -> list[str]:
    run = connection.execute
    run("BEGIN IMMEDIATE")
    run(
        "INSERT INTO dependency (id, name, n, first_ts_ms, newest_ts_ms, rule) "
        "VALUES (1, 'aged', 5, ?, ?, '[null,500000,[]]')",
        (START_MS, START_MS + 4),
    )
    run("INSERT INTO dependency_version VALUES (1, 0, 5, ?, ?)", (START_MS, START_MS + 4))
    run("INSERT INTO series VALUES (1, 1, 0, 0, 0)")
    hour = START_MS // 3_600_000
    for daily, bucket in ((0, hour), (1, hour // 24)):
        run("INSERT INTO rollup VALUES (1, ?, ?, 5, 0, 0, 0, 0, 0, 0, 5, 0, 0)", (daily, bucket))
    told = []
    for i in range(5):
        run(
            "INSERT INTO observation (dependency_id, ts_ms, seq, version_id) VALUES (1, ?, 0, 0)",
            (START_MS + i,),
        )
        run(
            "INSERT INTO observation_id (dependency_id, id, ts_ms, seq) VALUES (1, ?, ?, 0)",
            (hash16(f"aged-{i}"), START_MS + i),
        )
        told.append(f"call aged-{i}")
    if schema >= 2:
        run(
            "INSERT INTO reservation (id, budget, state, held_micro_usd, created_ms, expires_ms, "
            "confidence_e6, remaining_micro_usd) VALUES ('r', 'nightly', 'open', 9, 1, 2, 9, 9)"
        )
        run("INSERT INTO ledger_entry VALUES (1, 1, 'r', 'hold', 9, 0, NULL, NULL)")
        run("INSERT INTO reserve_answer VALUES ('k', '', 'r', 1)")
        told.append("held r")
    if schema >= 3:
        action = Decision("a", START_MS, "trigger_fallback", None, "s", "{}", "{}", action=True)
        # As a release of that time wrote it.
        insert_decision(connection, action)
        run(
            "INSERT INTO audit (seq, decision_id, previous_hash, hash) VALUES (1, 'a', ?, ?)",
            (GENESIS, link_hash(GENESIS, action)),
        )
        told.append("acted a")
    run("COMMIT")
    return told


def migrated_under(folder: Path, start: Callable[..., Child]) -> dict[str, int]:
    """Of every earlier schema: a process that writes while another brings its store up to date."""
    refused = missing = 0
    for number, schema in enumerate(SCHEMAS):
        path = folder / f"{schema}" / "store.db"
        told = aged(path, number)
        carried = path.parent / f"schema-{schema}"

        async def old(tell: Callable[[str], None], path: Path = path, to: Path = carried) -> None:
            migrate._FOLDER = to
            patch.object(opening, "forget_backup").start()
            await _write_until_refused(path, tell)

        child = start(old)
        child.hear(3)
        missing += len(lost(path, told))
        code, lines = child.ended()
        assert code == 0
        refused += lines[-1].startswith("refused") and "newer gonogo" in lines[-1]
        written = sum(line.startswith("wrote") for line in lines)
        lock = FileLock(path.with_name(path.name + ".lock"))
        with closing(opening.open_writer(path, lock, OpenFile(path))) as connection:
            counted = "SELECT count(*) FROM name WHERE text LIKE 'old-%'"
            missing += connection.execute(counted).fetchone()[0] < written
        lock.close()
    return {"schemas": len(SCHEMAS), "refused": refused, "missing": missing}


async def _write_until_refused(path: Path, tell: Callable[[str], None]) -> None:
    database = await Database.open(path)
    for turn in range(1_000_000):

        def one(connection: Connection, turn: int = turn) -> None:
            connection.execute("INSERT INTO name (text) VALUES (?)", (f"old-{turn}",))

        try:
            await database.write(one)
        except StoreError as error:
            tell(f"refused {error}")
            break
        tell(f"wrote {turn}")
        await asyncio.sleep(0)
    await database.close()
