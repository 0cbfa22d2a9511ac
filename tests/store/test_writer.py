"""What a work that fails leaves behind, with neighbours (test_database.py) and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.errors import ParameterError, StoreError
from gonogo.store.engine import Connection, unless_held
from gonogo.store.sqlite import writer
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
