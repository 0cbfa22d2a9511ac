"""A real small disk: full, then read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from database_world import count_seen, make_seen, refusal
from gonogo.errors import StoreError
from gonogo.store.engine import Connection
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
    subprocess.run(["umount", str(folder)], check=True)


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
