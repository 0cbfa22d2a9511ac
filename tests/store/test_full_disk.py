"""A real small disk: full, then read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from database_world import count_seen, make_seen, refusal
from gonogo.errors import StoreError
from gonogo.store.engine import Connection
from gonogo.store.sqlite import writer
from gonogo.store.sqlite.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root and a kernel that lets it")
    yield folder
    # Lazily: a test that failed has files open there, and a mount that stays breaks every later run.
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def _make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


async def test_on_a_full_and_on_a_read_only_disk_errors_are_one_line(disk: Path) -> None:
    """A real small disk, filled, then remounted read-only: what was committed can be read."""
    database = await Database.open(disk / "store.db")
    await database.write(make_seen)

    def add_many(connection: Connection) -> None:
        connection.executemany("INSERT INTO seen VALUES (?)", ((i,) for i in range(5000)))

    committed = 0
    with pytest.raises(StoreError, match="disk"):  # noqa: PT012 - how many fit is not known
        for _ in range(100):
            await database.write(add_many)
            committed += 5000
    assert await database.read(count_seen) == committed > 0
    await database.close()
    _make_read_only(disk)
    assert "read-only" in (await refusal(disk / "store.db")).lower()
    reader = await Database.open(disk / "store.db", read_only=True)
    assert await reader.read(count_seen) == committed
    await reader.close()


async def test_a_disk_that_fills_up_around_checkpoints_loses_nothing_acknowledged(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log is folded in every few rows, so that some of that meets the full disk; then there is room."""
    monkeypatch.setattr(writer, "CHECKPOINT_ROWS", 300)
    database = await Database.open(disk / "store.db")
    await database.write(make_seen)
    committed = refused = 0
    while refused < 5:
        first = 100 * (committed + refused)
        rows = [(number,) for number in range(first, first + 100)]

        def add(connection: Connection, rows: list[tuple[int]] = rows) -> None:
            connection.executemany("INSERT INTO seen VALUES (?)", rows)

        try:
            await database.write(add, durable=True)
            committed += 1
        except StoreError:
            refused += 1
    await database.close()
    reader = await Database.open(disk / "store.db")
    assert await reader.read(count_seen) == 100 * committed > 0
    await reader.close()
    _resize(disk, "20m")
    again = await Database.open(disk / "store.db")
    await again.write(add)
    assert await again.read(count_seen) == 100 * (committed + 1)
    check = "PRAGMA integrity_check"
    assert await again.read(lambda c: c.execute(check).fetchone()) == ("ok",)
    await again.close()


@pytest.mark.parametrize("room", ["4k", "16k", "64k", "200k"])
async def test_a_disk_that_is_full_before_there_is_a_store_is_said_in_one_line(
    disk: Path, room: str
) -> None:
    """Without room for the file, its log or its index; with room it is made."""
    _resize(disk, room)
    said = await refusal(disk / "store.db")
    assert "disk" in said
    assert "\n" not in said
    _resize(disk, "20m")
    database = await Database.open(disk / "store.db")
    await database.write(make_seen)
    await database.close()
