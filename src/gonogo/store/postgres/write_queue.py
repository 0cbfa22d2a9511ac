"""Writes that nobody waits for, one after the other in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from gonogo.store.engine import Work
from gonogo.store.lost_writes import LostWrites

QUEUE_MAX = 4096


class WriteQueue:
    """A queue of works and their shards.

    Args:
        write: Runs one of them in a transaction.
    """

    def __init__(self, write: Callable[[Work[object], str], Awaitable[object]]) -> None:
        self._write = write
        self._queue: deque[tuple[Work[object], str] | asyncio.Future[None]] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._lost = LostWrites()

    def put(self, work: Work[object], shard: str) -> bool:
        """Queue a work; False where there is no room."""
        if len(self._queue) >= QUEUE_MAX:
            return False
        self._queue.append((work, shard))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._write_all(), name="gonogo store writer")
        return True

    async def settled(self) -> None:
        """Wait until what is queued now has been written; not for what comes meanwhile."""
        if self._drain is not None and not self._drain.done():
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(reached)
            await reached

    async def _write_all(self) -> None:
        while self._queue:
            queued = self._queue.popleft()
            if not isinstance(queued, tuple):
                if not queued.done():
                    queued.set_result(None)
                continue
            try:
                await self._write(*queued)
            except Exception as error:  # noqa: BLE001 - nobody awaits it; it is told as a warning
                self._lost.note(error)
