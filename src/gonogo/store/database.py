"""A store file: one writer with group commit, a few readers, each a thread hop away."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

from gonogo.errors import StoreError
from gonogo.store.backup import copy_to
from gonogo.store.connection import StoreConnection
from gonogo.store.engine import Work
from gonogo.store.lock import FileLock
from gonogo.store.migrate import latest_version
from gonogo.store.opening import connect_reader, open_reader, open_writer
from gonogo.store.readers import Readers
from gonogo.store.writer import Writer

__all__ = ["Database"]

T = TypeVar("T")


class Database:
    """An open store. Make one with `Database.open`, end it with `close`.

    Works are plain functions of a `sqlite3.Connection`. They neither commit nor roll back, and
    may be run a second time where a first run was undone, so they change nothing but the store.
    """

    def __init__(self, path: Path, lock: FileLock, writer: StoreConnection | None) -> None:
        self.path = path
        self.read_only = writer is None
        self._lock = lock
        self._connection = writer
        self._writer = None if writer is None else Writer(writer, lock, path, latest_version())
        self._readers = Readers(
            path, partial(open_reader if writer is None else connect_reader, path)
        )
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, read_only: bool = False) -> Database:
        """Open the store at `path`, making it or bringing its schema up to date where needed.

        Raises:
            StoreError: It cannot be opened, or is refused (foreign, newer, damaged, on a network
                file system); the file keeps every byte.
        """
        lock = FileLock(path.with_name(path.name + ".lock"))
        if read_only:
            database = cls(path, lock, None)
            await database._readers.open()
            return database
        try:
            writer = StoreConnection(partial(open_writer, path, lock), lock)
            return cls(path, lock, await writer.opened())
        except BaseException:
            lock.close()
            raise

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot of the store.

        Raises:
            StoreError: The store failed or is closed.
            Exception: Whatever `work` raised.
        """
        return await self._readers.read(work)

    async def write(
        self,
        work: Work[T],
        durable: bool = False,  # noqa: FBT001, FBT002 - reads well as a keyword
        *,
        shard: str | None = "",
        kept: Work[T | None] | None = None,
    ) -> T:
        """Run `work` in a write transaction shared with what else is queued; wait for its commit.

        Args:
            work: Its failure undoes its own changes alone.
            durable: The commit survives a power cut (money, routes), not only a killed process.
            shard: A file is one shard: every write is alone in it.
            kept: Not needed: whether a file's commit stands is always known.

        Raises:
            StoreError: The store failed, is closed or is open for reading only.
            Exception: Whatever `work` raised.
        """
        del shard, kept
        if self._writer is None:
            raise StoreError(f"Store '{self.path}' is open for reading only; nothing was written.")
        return await self._writer.write(work, durable=durable)

    def submit(self, work: Work[object], *, shard: str = "") -> bool:
        """Queue a write without waiting for it; False where it cannot be taken.

        It is lost where the process is killed first; a failure is logged as a warning.
        """
        del shard
        return self._writer is not None and self._writer.submit(work)

    async def backup(self, to: Path) -> int:
        """Copy the store as it is now into a new file, while it is in use; its size in bytes.

        Raises:
            StoreError: The file is there already or cannot be written.
        """
        return await self.read(partial(copy_to, target=to))

    async def close(self) -> None:
        """Commit what is queued and close every connection. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            await self._writer.close()
        await self._readers.close()
        if self._connection is not None:
            await self._connection.close()
        self._lock.close()
