"""What a work that fails leaves behind, with neighbours (test_database.py) and without."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from gonogo.errors import ParameterError, StoreError
from gonogo.store.engine import Connection, unless_held
from gonogo.store.sqlite import writer
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.lock import FileLock
from gonogo.store.sqlite.log_ties import log_bytes

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("ends", ["in the store", "in the work"])
async def test_a_work_that_fails_alone_is_undone_whole(tmp_path: Path, ends: str) -> None:
    """Without a savepoint; the next finds nothing of it and no transaction that is left open."""
    database = await Database.open(tmp_path / "store.db")

    def half(connection: Connection) -> None:
        connection.execute("INSERT INTO name (text) VALUES ('half')")
        if ends == "in the work":
            raise ParameterError("no")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    def whole(connection: Connection) -> None:
        connection.execute("INSERT INTO name (text) VALUES ('whole')")

    with pytest.raises((StoreError, ParameterError), match=r"nowhere|no"):
        await database.write(half)
    await database.write(whole)
    kept = await database.read(lambda c: [row[0] for row in c.execute("SELECT text FROM name")])
    await database.close()
    assert kept == ["whole"]


async def test_a_write_of_a_look_is_left_to_itself_while_another_holds_the_store(
    tmp_path: Path,
) -> None:
    """The answer goes on at once, and what it wrote is there when the store is let go; free, it is waited for."""
    path = tmp_path / "store.db"
    database = await Database.open(path)

    def named(connection: Connection) -> str:
        connection.execute("INSERT INTO name (text) VALUES ('noted')")
        return "written"

    with FileLock(tmp_path / "store.db.lock").held():
        assert await unless_held(database, database.write(named)) is None
        texts = await database.read(lambda c: c.execute("SELECT text FROM name").fetchall())
        assert texts == []
    await database.settled()
    assert await database.read(lambda c: c.execute("SELECT text FROM name").fetchall()) == [
        ("noted",)
    ]
    assert await unless_held(database, database.write(lambda _: "written")) == "written"
    await database.close()


async def test_short_writers_beside_a_long_one_fold_the_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them writes enough to come to a checkpoint by itself, and none is the last to close."""
    limit = 128 << 10
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", limit)
    path = tmp_path / "store.db"
    long = await Database.open(path)
    for number in range(24):
        short = await Database.open(path)
        text = f"{number} " + "x" * 30_000
        await short.write(
            lambda c, text=text: c.execute("INSERT INTO name (text) VALUES (?)", (text,))  # type: ignore[misc]
        )
        await short.close()
    size = log_bytes(path)
    await long.close()
    assert size < 4 * limit


@pytest.mark.parametrize("seed", range(2))
async def test_what_a_kill_leaves_at_any_moment_is_one_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Two processes' writes, some of them empty, and a reader that keeps the log from being folded in.

    File and log are copied before each statement and opened later: neither is taken for another's,
    and what was acknowledged is there.
    """
    monkeypatch.setattr(writer, "CHECKPOINT_COMMITS", 2)
    path, rng = tmp_path / "store.db", np.random.default_rng(seed)
    databases = [await Database.open(path) for _ in range(2)]
    written = 0
    moments: list[int] = []

    def moment(statement: str) -> None:
        del statement
        copy = tmp_path / str(len(moments))
        copy.mkdir()
        # By a process of its own: to close the file in this one would drop SQLite's locks on it.
        subprocess.run(["cp", path, f"{path}-wal", copy], check=True)
        moments.append(written)

    def named(connection: Connection) -> None:
        connection.execute("INSERT INTO name (text) VALUES (?)", (str(written),))

    for database in databases:
        await database.write(lambda c: cast("FileConnection", c).set_trace_callback(moment))
    reader = sqlite3.connect(path, isolation_level=None)
    for _ in range(12):
        await databases[rng.integers(2)].write(named)
        written += 1
        for _ in range(rng.integers(4)):
            await databases[rng.integers(2)].write(lambda _: None)
        if reader.in_transaction:
            reader.execute("COMMIT")
        elif rng.random() < 0.7:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM name").fetchall()
    reader.close()
    for database in databases:
        await database.close()
    for number, acknowledged in enumerate(moments):
        left = await Database.open(tmp_path / str(number) / path.name)
        [[rows]] = await left.read(lambda c: c.execute("SELECT count(*) FROM name").fetchall())
        await left.close()
        assert acknowledged <= rows <= acknowledged + 1
