"""A store file: one writer with group commit, a few readers, each a thread hop away."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from gonogo.errors import StoreError
from gonogo.store.engine import Work
from gonogo.store.sqlite.backup import copy_to
from gonogo.store.sqlite.connection import FileConnection, FileWork, StoreConnection
from gonogo.store.sqlite.failures import store_error
from gonogo.store.sqlite.identity import OpenFile
from gonogo.store.sqlite.lock import FileLock
from gonogo.store.sqlite.opening import connect_reader, open_reader, open_writer
from gonogo.store.sqlite.writer import Writer

T = TypeVar("T")

READERS_MAX = 3
# How long a trip may take further reads; the rest goes on the next, beside a long one.
TRIP_MS_MAX = 5.0


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

    def skew_ms(self) -> int:
        """None: whoever shares a file is on one machine, and has its clock."""
        return 0

    def waited_s(self) -> float:
        """See `FileLock.waited_s`."""
        return self._lock.waited_s()

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot of the store.

        Raises:
            StoreError: The store failed or is closed.
            Exception: Whatever `work` raised.
        """
        return await self._readers.read(work)

    async def look(self, work: Work[T]) -> T:
        """See `Engine.look`: a file's trips cost the same."""
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


# Reads share trips: what is asked in one turn of the event loop goes to a thread together.
#
# A trip to a connection's thread and back costs more than most reads. One question needs few of
# them, but twenty that are asked at once, as in a preflight, would make sixty.


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
    """Carry out the first of `works`, as many as there is time for; at least one."""
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
