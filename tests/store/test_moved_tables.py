"""No table of a store file is left behind when it moves to PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from gonogo.settings import Settings
from gonogo.store.postgres.transfer import Move
from gonogo.store.sqlite.database import Database

if TYPE_CHECKING:
    from gonogo.store.postgres.database import PostgresDatabase

# With the reason for which each is not counted beside the others.
ELSEWHERE = {
    "name": "its words are brought over first, under other numbers",
    "spend": "its sums are regrouped by the top of each budget",
    "used": "as `spend`",
    "spend_source": "in PostgreSQL a column of `spend`",
    "reserve_answer": "kept by the top of each budget",
    "log_tie": "ties the file to its write-ahead log",
    "dated_by": "the server's clock dates what is open there",
    "backup_made": "is filled in a backup alone",
    "forgotten": "ends what processes remember, and none has opened the other store",
    "lease": "lasts seconds, and the file's processes are stopped",
    "state_cache": "is made anew",
}


@pytest.mark.anyio
async def test_every_table_is_moved_or_has_a_reason(tmp_path: Path) -> None:
    """A table that a migration adds is brought over, or named here."""
    file = tmp_path / "store.db"
    await (await Database.open(file)).close()
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    move = Move(file, cast("PostgresDatabase", None), Settings(store=str(file)))
    moved = set(move.counts())
    move.close()
    assert {name for (name,) in rows} == moved | ELSEWHERE.keys()
