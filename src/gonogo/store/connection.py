"""One SQLite connection with a thread of its own, through aiosqlite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeVar

import aiosqlite

if TYPE_CHECKING:
    from gonogo.store.engine import Work
    from gonogo.store.lock import FileLock

__all__ = ["StoreConnection"]

T = TypeVar("T")


class StoreConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole unit of work in one hop to its thread.

    Args:
        connector: Opens the connection; runs in the thread.
        lock: Held while the connection closes, since closing checkpoints; None where the
            connection cannot write.
    """

    def __init__(
        self, connector: Callable[[], sqlite3.Connection], lock: FileLock | None = None
    ) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._lock = lock
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

    async def run(self, work: Work[T]) -> T:
        """Run `work` on the connection, in its thread; what it raises is raised here."""
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result

    async def close(self) -> None:
        """Close under the store's lock, after the work that is queued."""
        if self._lock is not None and self._connection is not None:
            await self.run(self._close_locked)
        await super().close()

    def _close_locked(self, connection: sqlite3.Connection) -> None:
        if self._lock is not None:
            with self._lock.held():
                connection.close()
