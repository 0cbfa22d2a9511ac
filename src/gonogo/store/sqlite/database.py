"""A store file: one writer with group commit, a few readers, each a thread hop away."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TypeVar

from gonogo.errors import StoreError
from gonogo.store.engine import Work
from gonogo.store.sqlite.backup import copy_to
from gonogo.store.sqlite.connection import StoreConnection
from gonogo.store.sqlite.identity import OpenFile
from gonogo.store.sqlite.lock import FileLock
from gonogo.store.sqlite.opening import connect_reader, open_reader, open_writer
from gonogo.store.sqlite.readers import Readers
from gonogo.store.sqlite.writer import Writer

__all__ = ["Database"]

T = TypeVar("T")


class Database:
    """An open store. Make one with `Database.open`, end it with `close`.

    Works are plain functions of a connection. They neither commit nor roll back, and
    may be run a second time where a first run was undone, so they change nothing but the store.
    """

    def __init__(self, path: Path, *, read_only: bool, lock_wait_s: float) -> None:
        self.path = path
        self.read_only = read_only
        self.file = OpenFile(path)
        self._lock = FileLock(path.with_name(path.name + ".lock"), limit_s=lock_wait_s)
        self._connection: StoreConnection | None = None
        self._writer: Writer | None = None
        opener = partial(open_reader if read_only else connect_reader, path)
        self._readers = Readers(path, opener, self.file)
        self._closed = False

    @classmethod
    async def open(
        cls, path: Path, *, read_only: bool = False, lock_wait_s: float = 10.0
    ) -> Database:
        """Open the store at `path`, making it or bringing its schema up to date where needed.

        Raises:
            StoreError: It cannot be opened, or is refused (foreign, newer, damaged, on a network
                file system); the file keeps every byte.
        """
        database = cls(_resolved(path), read_only=read_only, lock_wait_s=lock_wait_s)
        try:
            looked = (read_only or database._is_held()) and await database._looked(read_only)
            if not looked:
                await database._writing()
        except BaseException:
            await database.close()
            raise
        if not read_only:
            database._writer = Writer(database._writing, database.file, database._lock)
        return database

    async def _looked(self, needed: bool) -> bool:  # noqa: FBT001 - one word of its one caller
        """Open for reading, which needs no lock; whoever writes opens the store for that, later.

        False where it cannot be read yet, being made or brought up to date by the one who holds it.
        """
        try:
            await self._readers.open(partial(open_reader, self.path))
        except StoreError:
            if needed:
                raise
            return False
        # Who may not write beside it reads the file alone; a log that comes and goes is not theirs.
        self.file.opened(has_log=os.access(self.path.parent, os.W_OK))
        return True

    def _is_held(self) -> bool:
        """Whether there is a store and another process holds its lock just now."""
        return self.path.exists() and not self._lock.is_free()

    async def _writing(self) -> StoreConnection:
        """The connection that writes, opened by the first who needs it."""
        if self._connection is None:
            opener = partial(open_writer, self.path, self._lock, self.file)
            self._connection = await StoreConnection(opener, self._lock, self.file).opened()
        return self._connection

    @property
    def is_replaced(self) -> bool:
        """Whether the path names another file by now: whoever goes on must open it anew.

        Where it names none, nobody goes on: a new store would know nothing of what is held in this one.
        """
        try:
            self.file.refuse_other()
        except StoreError:
            return self.file.can_be_opened_anew
        return False

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

    async def settled(self) -> None:
        """Wait until what is queued now has been written, or lost; not for what comes meanwhile."""
        if self._writer is not None:
            await self._writer.settled()

    async def backup(self, to: Path, *, now_ms: int) -> int:
        """Copy the store as it is now into a new file, while it is in use; its size in bytes.

        Raises:
            StoreError: The file is there already or cannot be written.
        """
        return await self._readers.read(partial(copy_to, target=to, now_ms=now_ms))

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


def _resolved(path: Path) -> Path:
    """The file itself: a link is followed once, so that lock and log lie beside it for everyone."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise StoreError(f"Store '{path}' is a link that leads nowhere: {error}.") from None
