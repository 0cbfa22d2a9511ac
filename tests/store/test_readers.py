"""Reads that share a trip to a thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gonogo.errors import StoreError
from gonogo.store.engine import Connection, Work
from gonogo.store.sqlite.database import Database

pytestmark = pytest.mark.anyio


async def test_reads_of_one_turn_share_a_trip_and_not_a_fate(tmp_path: Path) -> None:
    """What is asked at once goes to one connection; what fails or is given up is alone in that."""
    database = await Database.open(tmp_path / "store.db")
    used: list[Connection] = []

    def numbered(number: int) -> Work[int]:
        def work(connection: Connection) -> int:
            used.append(connection)
            if number == 3:
                connection.execute("SELECT nothing FROM nowhere")
            if number == 5:
                raise LookupError("five")
            return number

        return work

    asked = [asyncio.create_task(database.read(numbered(number))) for number in range(8)]
    await asyncio.sleep(0)  # all have asked
    asked[7].cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [found[i] for i in (0, 1, 2, 4, 6)] == [0, 1, 2, 4, 6]
    assert [type(found[i]) for i in (3, 5, 7)] == [StoreError, LookupError, asyncio.CancelledError]
    assert len({id(connection) for connection in used}) == 1
    await database.close()
    with pytest.raises(StoreError, match="closed"):
        await database.read(numbered(0))
