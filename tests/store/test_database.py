"""The store file: opening, refusing, group commit, several processes."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from database_world import count_seen, make_seen, refusal
from gonogo.errors import ParameterError, StoreError
from gonogo.store.engine import Connection, Work
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.migrate import APPLICATION_ID, latest_version
from gonogo.store.sqlite.opening import sqlite_advice
from gonogo.store.sqlite.writer import _roll_back

pytestmark = pytest.mark.anyio


def _add(value: int) -> Work[int]:
    def work(connection: Connection) -> int:
        connection.execute("INSERT INTO seen VALUES (?)", (value,))
        return value

    return work


async def test_a_new_store_is_its_owners_alone_and_carries_our_mark(tmp_path: Path) -> None:
    """Folder 0700, files 0600, application_id, WAL, the newest schema."""
    path = tmp_path / "home" / "store.db"
    database = await Database.open(path)
    pragmas = await database.read(
        lambda c: [
            c.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode", "auto_vacuum")
        ]
    )
    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode)
        for file in (path.parent, *path.parent.iterdir())
    }
    await database.close()
    assert pragmas == [APPLICATION_ID, latest_version(), "wal", 2]
    assert modes.pop("home") == 0o700
    assert set(modes.values()) == {0o600}
    assert not path.with_name("store.db-wal").exists()


async def test_the_schema_stands_in_full_after_opening(tmp_path: Path) -> None:
    """Every statement of the migrations ran, and opening again changes nothing."""
    path = tmp_path / "store.db"
    for _ in range(2):
        database = await Database.open(path)
        tables = await database.read(
            lambda c: {r[0] for r in c.execute("SELECT name FROM sqlite_schema")}
        )
        await database.close()
        assert {"observation", "rollup", "histogram", "state_cache"} <= tables


async def test_one_failing_work_harms_no_other_in_its_transaction(tmp_path: Path) -> None:
    """Run again with a savepoint each: errors reach their caller, the neighbours are kept."""
    database = await Database.open(tmp_path / "store.db")
    await database.write(make_seen)

    def half(connection: Connection) -> None:
        connection.execute("INSERT INTO seen VALUES (99)")
        raise ParameterError("no")

    def wrong(connection: Connection) -> None:
        connection.execute("INSERT INTO nowhere VALUES (1)")

    results = await asyncio.gather(
        database.write(_add(1)),
        database.write(half),
        database.write(wrong, durable=True),
        database.write(_add(2)),
        return_exceptions=True,
    )
    kept = await database.read(lambda c: [r[0] for r in c.execute("SELECT value FROM seen")])
    await database.close()
    assert (results[0], results[3]) == (1, 2)
    assert isinstance(results[1], ParameterError)
    assert isinstance(results[2], StoreError)
    assert kept == [1, 2]


async def test_concurrent_writes_share_transactions(tmp_path: Path) -> None:
    """Group commit: 200 concurrent writes end in far fewer transactions."""
    database = await Database.open(tmp_path / "store.db")
    await database.write(make_seen)
    writer = database._writer
    assert writer is not None
    commits = writer._commits
    await asyncio.gather(*(database.write(_add(i), durable=True) for i in range(200)))
    used = writer._commits - commits
    assert await database.read(count_seen) == 200
    await database.close()
    assert used <= 20


async def test_durable_works_commit_with_a_full_sync(tmp_path: Path) -> None:
    """`synchronous` is FULL (2) in a transaction with a durable work, NORMAL (1) in others."""
    database = await Database.open(tmp_path / "store.db")

    def synchronous(connection: Connection) -> int:
        level: int = connection.execute("PRAGMA synchronous").fetchone()[0]
        return level

    levels = [
        await database.write(synchronous, durable=durable) for durable in (False, True, False)
    ]
    await database.close()
    assert levels == [1, 2, 1]


async def test_closing_commits_what_was_submitted(tmp_path: Path) -> None:
    """`submit` returns at once; `close` drains the queue; afterwards nothing is taken."""
    path = tmp_path / "store.db"
    database = await Database.open(path)
    await database.write(make_seen)
    assert all(database.submit(_add(i)) for i in range(100))
    await database.close()
    await database.close()
    assert not database.submit(_add(1))
    with pytest.raises(StoreError, match="closed"):
        await database.write(_add(1))
    with sqlite3.connect(path, factory=FileConnection) as connection:
        assert count_seen(connection) == 100
    connection.close()


async def test_what_nobody_waits_for_is_written_together_and_soon(tmp_path: Path) -> None:
    """Twenty submitted works in a few commits, without a wait for the next awaited one."""
    database = await Database.open(tmp_path / "store.db")
    await database.write(make_seen)
    writer = database._writer
    assert writer is not None
    commits, done = writer._commits, asyncio.Event()
    loop = asyncio.get_running_loop()

    def last(connection: Connection) -> None:
        _add(19)(connection)
        loop.call_soon_threadsafe(done.set)

    go_on = threading.Event()  # else the writer may be done with one before the next is submitted
    assert database.submit(lambda _: go_on.wait(60))
    for i in range(19):
        assert database.submit(_add(i))
        await asyncio.sleep(0)
    assert database.submit(last)
    go_on.set()
    await asyncio.wait_for(done.wait(), 60)
    await database.close()
    assert writer._commits - commits <= 3


async def test_a_read_sees_one_snapshot(tmp_path: Path) -> None:
    """What is committed while a read runs does not show in it."""
    database = await Database.open(tmp_path / "store.db")
    await database.write(make_seen)
    loop = asyncio.get_running_loop()

    def twice(connection: Connection) -> tuple[int, int]:
        before = count_seen(connection)
        asyncio.run_coroutine_threadsafe(database.write(_add(1)), loop).result()
        return before, count_seen(connection)

    assert await database.read(twice) == (0, 0)
    assert await database.read(count_seen) == 1
    await database.close()


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """Neither through `read`, nor with the whole store open for reading only."""
    path = tmp_path / "store.db"
    writer = await Database.open(path)
    await writer.write(make_seen)
    reader = await Database.open(path, read_only=True)
    for database in (writer, reader):
        with pytest.raises(StoreError, match="read-only"):
            await database.read(_add(1))
    with pytest.raises(StoreError, match="reading only"):
        await reader.write(_add(1))
    assert not reader.submit(_add(1))
    assert await reader.read(count_seen) == 0
    await writer.write(_add(1))
    assert await reader.read(count_seen) == 1
    await reader.close()
    await writer.close()


def bytes_of(*paths: Path) -> list[bytes]:
    """The content of each file."""
    return [path.read_bytes() for path in paths]


async def _store_bytes(path: Path) -> bytes:
    database = await Database.open(path)
    await database.close()
    return bytes_of(path)[0]


@pytest.mark.parametrize("read_only", [False, True])
async def test_what_is_not_ours_is_refused_and_keeps_every_byte(
    tmp_path: Path, *, read_only: bool
) -> None:
    """Text, foreign SQLite files with and without tables, newer, cut and scrambled stores."""
    good = bytearray(await _store_bytes(tmp_path / "good.db"))
    newer = good.copy()
    newer[60:64] = (latest_version() + 1).to_bytes(4, "big")
    scrambled = good.copy()
    scrambled[4096:] = b"\xa5" * (len(good) - 4096)
    cases = {
        "text.db": (b"dependency,outcome\n" * 40, "not a gonogo store"),
        "newer.db": (bytes(newer), "newer gonogo"),
        "cut.db": (bytes(good[:-4096]), "damaged"),
        "scrambled.db": (bytes(scrambled), "damaged"),
    }
    for name, (content, expected) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert expected in await refusal(path, read_only=read_only)
        assert path.read_bytes() == content
    for name, script in {
        "empty.db": "PRAGMA user_version = 0; VACUUM",
        "other.db": "CREATE TABLE a (b)",
    }.items():
        path = tmp_path / name
        with sqlite3.connect(path) as connection:
            connection.executescript(script)
        connection.close()
        content = path.read_bytes()
        assert "another program" in await refusal(path, read_only=read_only)
        assert path.read_bytes() == content


async def test_a_newer_schema_in_the_wal_is_refused_without_a_checkpoint(tmp_path: Path) -> None:
    """The file's header may be older than its WAL: both stay as they are."""
    path = tmp_path / "store.db"
    await _store_bytes(path)
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        f"c.execute('PRAGMA user_version = {latest_version() + 1}'); os._exit(0)"
    )
    run_together(script, path)
    wal = path.with_name("store.db-wal")
    before = bytes_of(path, wal)
    assert before[1]
    assert "newer gonogo" in await refusal(path)
    assert bytes_of(path, wal) == before


async def test_a_store_migrated_under_a_running_process_takes_no_more_of_its_writes(
    tmp_path: Path,
) -> None:
    """An old process must not write rows of an old shape into a new schema."""
    path = tmp_path / "store.db"
    database = await Database.open(path)
    await database.write(make_seen)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {latest_version() + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer gonogo"):
        await database.write(_add(1))
    await database.close()


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
    ],
)
def test_the_wal_reset_bug_is_known_by_version(
    version: tuple[int, int, int], *, fixed: bool
) -> None:
    """Fixed in 3.51.3 and in the backports 3.44.6 and 3.50.7."""
    assert (sqlite_advice(version) is None) == fixed


def run_together(script: str, path: Path, processes: int = 1) -> None:
    """Run a script in several processes at once; each must end well and say nothing."""
    command = [sys.executable, "-c", script, str(path)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(processes)]
    assert [process.communicate()[1].decode() for process in started] == [""] * processes
    assert [process.returncode for process in started] == [0] * processes


OPENER = """
import asyncio, sys
from pathlib import Path
from gonogo.store.engine import Work
from gonogo.store.sqlite.database import Database
async def main():
    database = await Database.open(Path(sys.argv[1]))
    for _ in range(20):
        await database.write(lambda c: c.execute(
            "INSERT INTO name (text) VALUES (hex(randomblob(16)))").rowcount)
    await database.close()
asyncio.run(main())
"""


async def test_processes_that_make_and_write_one_store_at_once_all_succeed(tmp_path: Path) -> None:
    """Four start together on a path where nothing is yet; every acknowledged row is there."""
    path = tmp_path / "store.db"
    run_together(OPENER, path, processes=4)
    database = await Database.open(path)
    rows = await database.read(lambda c: c.execute("SELECT count(*) FROM name").fetchone()[0])
    await database.close()
    assert rows == 80


async def test_a_disk_that_fails_at_undoing_too_fails_that_write_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the task that writes would end, and everybody would wait for ever."""
    database = await Database.open(tmp_path / "store.db")
    await database.write(make_seen)

    def fails_too(connection: FileConnection) -> None:
        _roll_back(connection)
        raise sqlite3.OperationalError("disk I/O error")

    def uncommittable(connection: Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO dependency_metric VALUES (99, 'of no dependency')")

    with monkeypatch.context() as failing:
        failing.setattr("gonogo.store.sqlite.writer._roll_back", fails_too)
        with pytest.raises(StoreError, match="disk I/O error"):
            await asyncio.wait_for(database.write(uncommittable), 10)
    assert await asyncio.wait_for(database.write(_add(1)), 10) == 1
    await database.close()


async def test_a_full_disk_fails_one_write_with_one_line_and_the_store_goes_on(
    tmp_path: Path,
) -> None:
    """A write that does not fit is undone whole; a smaller one, committed with it, is kept."""
    database = await Database.open(tmp_path / "store.db")
    await database.write(make_seen)

    def limit(connection: Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 8}")

    def much(connection: Connection) -> None:
        connection.executemany("INSERT INTO seen VALUES (?)", ((i,) for i in range(100_000)))

    await database.write(limit)
    results = await asyncio.gather(
        database.write(_add(1)),
        database.write(much),
        database.write(_add(2)),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert results[2] == 2
    assert isinstance(results[1], StoreError)
    assert "disk is full" in str(results[1])
    assert await database.read(count_seen) == 2
    await database.close()
