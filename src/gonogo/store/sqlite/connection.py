"""One SQLite connection with a thread of its own, through aiosqlite."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain, islice
from operator import itemgetter
from typing import Self, TypeVar

import aiosqlite

from gonogo.errors import StoreError
from gonogo.store.engine import Connection
from gonogo.store.sqlite.identity import OpenFile
from gonogo.store.sqlite.lock import FileLock

T = TypeVar("T")

# How long closing waits for the lock; without it the log stays, and whoever comes next folds it in.
CLOSE_S = 1.0

_log = logging.getLogger("gonogo.store")

ROWS_A_STATEMENT = 200


class StoreConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole unit of work in one hop to its thread.

    Args:
        connector: Opens the connection; runs in the thread.
        lock: Held while the connection closes, since closing checkpoints; None where the
            connection cannot write.
        file: What is closed; where its path names another file by then, nothing is folded into it.
    """

    def __init__(
        self,
        connector: Callable[[], FileConnection],
        lock: FileLock | None = None,
        file: OpenFile | None = None,
    ) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._lock = lock
        self._file = file
        self._ended: asyncio.Future[object] | None = None
        # A process that fails before it closes the store must still be able to end.
        self._thread.daemon = True

    async def opened(self) -> Self:
        """Start the thread and open; what the connector raises is raised here."""
        try:
            await self
        except BaseException:
            # aiosqlite does not wait for the thread of a connection that failed to open.
            if self._ended is not None:
                await self._ended
            raise
        return self

    def stop(self) -> asyncio.Future[object] | None:
        """End the thread once its queue is done."""
        self._ended = super().stop()
        return self._ended

    async def run(self, work: FileWork[T]) -> T:
        """Run `work` on the connection, in its thread; what it raises is raised here."""
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result

    async def close(self) -> None:
        """Close under the store's lock, after the work that is queued.

        Where the lock cannot be had in time, or the path names another file by now, the connection
        is left as it is: closing folds the log into the file and removes it by name.
        """
        if self._lock is not None and self._connection is not None:
            try:
                await self.run(self._close_locked)
            except StoreError as error:
                _log.info("not closed: %s", error)
                await self.run(_leave_open)
                self._connection = None
                if (ended := self.stop()) is not None:
                    await ended
                return
        await super().close()

    def _close_locked(self, connection: FileConnection) -> None:
        if self._lock is not None:
            with self._lock.held(CLOSE_S):
                if self._file is not None and self._file.log_is_gone:
                    # Whoever else has the removed log open cannot fold it in once there is another.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                elif self._file is not None:
                    self._file.refuse_other(connection)
                    # On a full disk, or beside another program's transaction, the log stays as it is.
                    with suppress(sqlite3.Error):
                        self._file.tie_before_closing(connection)
                connection.close()


def _leave_open(connection: FileConnection) -> None:
    """Keep a connection from being closed, also when the interpreter ends; the kernel frees it."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


class FileConnection(sqlite3.Connection):
    """SQLite's own connection, with what the store's works ask beyond it."""

    has_shards = False

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add whole rows, in the order in which they come."""
        listed = rows if isinstance(rows, Sequence) else list(rows)
        if not listed:
            return
        # sqlite3 takes several times as long to bind a None as a number or a text, and half of a
        # row may be absent: a column that no row fills is left out.
        filled = [
            at
            for at, values in enumerate(zip(*listed, strict=True))
            if values.count(None) < len(listed)
        ]
        names = ", ".join(columns[at] for at in filled)
        marks = f"({', '.join('?' * len(filled))})"
        statement = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608 - constant names
        values = map(itemgetter(*filled), listed)
        if many := len(listed) // ROWS_A_STATEMENT:
            # A sixth faster than row by row.
            together = statement + ", ".join([marks] * ROWS_A_STATEMENT)
            for _ in range(many):
                flat = chain.from_iterable(islice(values, ROWS_A_STATEMENT))
                self.execute(together, tuple(flat))
        self.executemany(statement + marks, values)

    def alone_in(self, shard: str) -> None:
        """Nothing to do: of transactions that write to a file there is one at a time."""

    def ahead(self, work: Callable[[Connection], None]) -> None:
        """Run a work within this transaction: whoever else writes waits for it anyway."""
        work(self)


# What SQLite alone can do takes this connection; a `Work` of both engines is one as well.
FileWork = Callable[[FileConnection], T]
