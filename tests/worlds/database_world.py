"""A table to write to, and how an opening is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.errors import StoreError
from gonogo.store.engine import Connection
from gonogo.store.sqlite.database import Database


def make_seen(connection: Connection) -> None:
    """A table to write to."""
    connection.execute("CREATE TABLE IF NOT EXISTS seen (value INTEGER NOT NULL)")


def count_seen(connection: Connection) -> int:
    """Rows in it."""
    count: int = connection.execute("SELECT count(*) FROM seen").fetchone()[0]
    return count


async def refusal(path: Path, *, read_only: bool = False) -> str:
    """The one line with which opening is refused."""
    with pytest.raises(StoreError) as caught:
        await Database.open(path, read_only=read_only)
    message = str(caught.value)
    assert "\n" not in message
    return message
