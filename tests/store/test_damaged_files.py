"""A store of which bytes are gone is called damaged, with the way to restore it; so is a wrong number of its schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gonogo.errors import StoreError
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.migrate import latest_version

pytestmark = pytest.mark.anyio


# Where zeros stand, and how many: the name of the format, its header, the mark, the first page.
@pytest.mark.parametrize(("at", "n"), [(0, 16), (0, 100), (68, 4), (0, 4096)])
async def test_a_store_without_its_header_is_damaged(tmp_path: Path, at: int, n: int) -> None:
    """Neither another program's file nor none of SQLite's; it keeps every byte."""
    path = tmp_path / "store.db"
    await (await Database.open(path)).close()
    content = path.read_bytes()
    content = content[:at] + bytes(n) + content[at + n :]
    path.write_bytes(content)
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"damaged; .* gonogo restore FILE"):
            await Database.open(path, read_only=read_only)
    assert path.read_bytes() == content


@pytest.mark.parametrize("number", [0, 3, 14])
async def test_a_number_that_was_set_back_is_told_from_the_tables(
    tmp_path: Path, number: int
) -> None:
    """What it is and should be is said, nothing is changed, and doing as told opens the store."""
    path = tmp_path / "store.db"
    await (await Database.open(path)).close()
    _number(path, number)
    content = path.read_bytes()
    told = f"numbered schema {number}, .* those of schema {latest_version()}: .*user_version = {latest_version()}'"
    with pytest.raises(StoreError, match=told):
        await Database.open(path)
    assert path.read_bytes() == content
    _number(path, latest_version())
    await (await Database.open(path)).close()


async def test_a_number_without_its_tables_names_a_backup_alone(tmp_path: Path) -> None:
    """There is no number to set: a table was lost as well."""
    path = tmp_path / "store.db"
    await (await Database.open(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE grade")
    _number(path, 3)
    with pytest.raises(StoreError, match=r"of no schema .* changed; put a backup in its place"):
        await Database.open(path)


def _number(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")
