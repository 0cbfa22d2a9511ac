"""Reads share trips: what is asked in one turn of the event loop goes to a thread together.

A trip to a connection's thread and back costs more than most reads. One question needs few of
them, but twenty that are asked at once, as in a preflight, would make sixty.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gonogo.errors import StoreError
from gonogo.store.sqlite.connection import StoreConnection
from gonogo.store.sqlite.failures import store_error

if TYPE_CHECKING:
    from pathlib import Path

    from gonogo.store.sqlite.file_connection import FileConnection, FileWork
    from gonogo.store.sqlite.identity import OpenFile

__all__ = ["Readers"]

T = TypeVar("T")

READERS_MAX = 3
# How long a trip may take further reads; the rest goes on the next, beside a long one.
TRIP_MS_MAX = 5.0


class Readers:
    """A few connections for reading, opened as they are needed.

    Args:
        path: The store.
        opener: Opens one connection for reading; runs in its thread.
        file: What is read, while its path names it.
    """

    def __init__(self, path: Path, opener: Callable[[], FileConnection], file: OpenFile) -> None:
        self._path = path
        self._file = file
        self._opener = opener
        self._all: list[StoreConnection] = []
        self._idle: list[StoreConnection] = []
        self._free = asyncio.Semaphore(READERS_MAX)
        self._asked: list[tuple[FileWork[object], asyncio.Future[object]]] = []
        self._trips: set[asyncio.Task[None]] = set()
        self._closed = False

    async def read(self, work: FileWork[T]) -> T:
        """Run `work` on one snapshot of the store.

        Raises:
            StoreError: The store failed or is closed.
            Exception: Whatever `work` raised.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.append((work, done))  # type: ignore[arg-type]  # each gets its own work's result
        if len(self._asked) == 1:
            self._set_out()
        return await done

    async def open(self, opener: Callable[[], FileConnection]) -> None:
        """Open the first connection now, so that a store that cannot be read is refused here.

        Raises:
            StoreError: It cannot be opened.
        """
        self._all.append(await StoreConnection(opener).opened())
        self._idle.append(self._all[-1])

    async def close(self) -> None:
        """Close every connection, after what it is at."""
        self._closed = True
        self._idle.clear()
        for reader in self._all:
            await reader.close()

    def _set_out(self) -> None:
        trip = asyncio.create_task(self._trip(), name="gonogo store read")
        self._trips.add(trip)
        trip.add_done_callback(self._trips.discard)

    async def _trip(self) -> None:
        async with self._free:
            asked = [(work, done) for work, done in self._asked if not done.cancelled()]
            self._asked = []
            if not asked:
                return
            try:
                reader = self._idle.pop() if self._idle else await self._opened()
                try:
                    works = [work for work, _ in asked]
                    outcomes = await reader.run(partial(self._answer, works))
                finally:
                    self._idle.append(reader)
            except (StoreError, ValueError, OSError) as error:  # it cannot be opened, or is closed
                problem = error if isinstance(error, StoreError) else StoreError(str(error))
                outcomes = [(None, problem)] * len(asked)
        if rest := asked[len(outcomes) :]:
            self._asked = rest + self._asked
            self._set_out()
        for (_, done), (value, raised) in zip(asked, outcomes, strict=False):
            if done.cancelled():
                continue
            if isinstance(raised, sqlite3.Error):
                failed = store_error(self._path, raised)
                failed.__cause__ = raised
                done.set_exception(failed)
            elif raised is not None:
                done.set_exception(raised)
            else:
                done.set_result(value)

    def _answer(
        self, works: list[FileWork[object]], connection: FileConnection
    ) -> list[tuple[object, Exception | None]]:
        self._file.refuse_other(connection)
        return _answer(works, connection)

    async def _opened(self) -> StoreConnection:
        if self._closed:
            raise StoreError(f"Store '{self._path}' is closed.")
        reader = await StoreConnection(self._opener).opened()
        self._all.append(reader)
        return reader


def _answer(
    works: list[FileWork[object]], connection: FileConnection
) -> list[tuple[object, Exception | None]]:
    """What became of the first of `works`, as many as there was time for; at least one."""
    started = time.perf_counter()
    outcomes: list[tuple[object, Exception | None]] = []
    for work in works:
        try:
            outcomes.append((_on_snapshot(work, connection), None))
        except Exception as error:  # noqa: BLE001 - carried over to the caller who awaits it
            outcomes.append((None, error))
        if (time.perf_counter() - started) * 1000 > TRIP_MS_MAX:
            break
    return outcomes


def _on_snapshot(work: FileWork[T], connection: FileConnection) -> T:
    connection.execute("BEGIN")
    try:
        return work(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
