"""Group commit: everything queued goes into one transaction, one fsync, one lock."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from gonogo.errors import GonogoError, StoreError
from gonogo.store.lost_writes import LostWrites
from gonogo.store.sqlite.connection import FileConnection, FileWork, StoreConnection
from gonogo.store.sqlite.failures import store_error
from gonogo.store.sqlite.identity import OpenFile
from gonogo.store.sqlite.lock import FileLock, StoreHeld, holder_of
from gonogo.store.sqlite.log_ties import log_bytes
from gonogo.store.sqlite.migrate import latest_version, refuse_newer

T = TypeVar("T")

QUEUE_MAX = 4096
# How long closing waits for what is queued.
CLOSE_S = 1.0
BATCH_MAX = 512
# How long one transaction may take further work: the others wait for the lock meanwhile.
BATCH_MS_MAX = 10.0
# How long what nobody waits for may gather: log entries of many checks then share a transaction.
GATHER_S = 0.05
# Checkpoint after this many changed rows or commits of this process: a WAL of a few megabytes.
CHECKPOINT_ROWS = 10_000
CHECKPOINT_COMMITS = 1_000
# And where the log has grown by so much: short processes beside a long one never come to those counts,
# and the last to close, which folds the log in, closes never (50 MB over a store of 268 KiB).
CHECKPOINT_BYTES = 4 << 20

_log = logging.getLogger("gonogo.store")


@dataclass(slots=True, eq=False)
class _QueuedWrite(Generic[T]):
    work: FileWork[T]
    durable: bool
    done: asyncio.Future[T] | None


@dataclass(slots=True)
class _Outcome:
    """The outcome of one work: its result, or the error that it raised."""

    value: object = None
    problem: Exception | None = None


class _TransactionLost(Exception):
    """SQLite gave the whole transaction up (disk full, I/O error): nothing in it was kept."""


class Writer:
    """The one task that writes: takes what is queued, commits it together, then acknowledges.

    `synchronous` is switched ahead of each transaction: FULL where one of its works is durable,
    NORMAL else. One connection rather than two, since the fsync of a durable commit covers what
    lies ahead of it in the same WAL anyway, and one queue keeps the order of arrival.

    A work whose transaction was lost to another work, or which shares one with a work that fails, is
    run once more.
    """

    def __init__(
        self, opened: Callable[[], Awaitable[StoreConnection]], file: OpenFile, lock: FileLock
    ) -> None:
        self._opened = opened
        self._file = file
        self._lock = lock
        self._path = file.path
        self._schema = latest_version()
        self._ending = False
        self._queue: deque[_QueuedWrite[object]] = deque()
        self._wanted = asyncio.Event()
        self._awaited = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self._full = False
        self._rows_checkpointed = 0
        self._bytes_checkpointed = 0
        self._commits = 0
        self._lost = LostWrites()
        self._task = asyncio.create_task(self._serve(), name="gonogo store writer")

    async def write(self, work: FileWork[T], *, durable: bool) -> T:
        """Queue `work`, wait for its commit, return what it returned.

        Cancelled while it waits, the work may still be done.

        Raises:
            StoreError: The store failed or is closed.
            Exception: Whatever `work` raised; its changes are undone, those of others are not.
        """
        while len(self._queue) >= QUEUE_MAX and not self._closing:
            self._room.clear()
            await self._room.wait()
        if self._closing:
            raise StoreError(f"Store '{self._path}' is closed.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(_QueuedWrite(work, durable, done))
        return await done

    def submit(self, work: FileWork[object]) -> bool:
        """Queue `work` and return at once; False where the queue is full or closed."""
        if self._closing or len(self._queue) >= QUEUE_MAX:
            return False
        self._put(_QueuedWrite(work, durable=False, done=None))
        return True

    async def settled(self) -> None:
        """Wait until what is queued now has been written, or lost; not for what comes meanwhile."""
        if self._wanted.is_set() and not self._closing:
            # What fails is logged where it was submitted.
            with suppress(StoreError):
                await self.write(lambda _: None, durable=False)

    async def close(self) -> None:
        """Commit what is queued, then end the task.

        What cannot be committed in time, since another process holds the store, was not
        acknowledged, and fails.
        """
        self._closing = True
        self._wanted.set()
        self._awaited.set()
        self._room.set()
        done, _ = await asyncio.wait([self._task], timeout=CLOSE_S)
        if not done:
            self._ending = True
            self._lock.give_up()
        await self._task

    def _put(self, queued: _QueuedWrite[T]) -> None:
        self._queue.append(queued)  # type: ignore[arg-type]  # each future gets its own work's result
        self._wanted.set()
        if queued.done is not None or len(self._queue) >= BATCH_MAX:
            self._awaited.set()

    async def _serve(self) -> None:
        while True:
            await self._wanted.wait()
            if not self._awaited.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_S):
                        await self._awaited.wait()
            self._awaited.clear()
            while self._queue:
                await self._commit_next()
            self._wanted.clear()
            if self._closing:
                return

    async def _commit_next(self) -> None:
        batch: list[_QueuedWrite[object]] = []
        while self._queue and len(batch) < BATCH_MAX:
            queued = self._queue.popleft()
            if queued.done is None or not queued.done.cancelled():
                batch.append(queued)
        try:
            connection = await self._opened()
            outcomes = await connection.run(partial(self._commit, batch))
        except StoreHeld as held:
            # Whoever waits behind them waited for the same holder, and would for as long again.
            batch += self._queue
            self._queue.clear()
            outcomes = [_Outcome(problem=held) for _ in batch]
        except (GonogoError, ValueError, OSError, sqlite3.Error) as error:
            # The lock cannot be had, the connection is gone, or not even undoing succeeded.
            problem = error if isinstance(error, GonogoError) else StoreError(str(error))
            outcomes = [_Outcome(problem=problem) for _ in batch]
        self._queue.extendleft(reversed(batch[len(outcomes) :]))
        self._room.set()
        for queued, outcome in zip(batch, outcomes, strict=False):
            self._acknowledge(queued, outcome)

    def _acknowledge(self, queued: _QueuedWrite[object], outcome: _Outcome) -> None:
        if queued.done is None:
            if outcome.problem is not None:
                self._lost.note(outcome.problem)
        elif queued.done.cancelled():
            return
        elif outcome.problem is not None:
            queued.done.set_exception(outcome.problem)
        else:
            queued.done.set_result(outcome.value)

    # From here on in the connection's thread.

    def _commit(
        self, batch: list[_QueuedWrite[object]], connection: FileConnection
    ) -> list[_Outcome]:
        """Commit a prefix of `batch`; the outcomes of that prefix."""
        if not batch:
            return []
        with self._lock.held():
            self._file.refuse_other(connection)
            try:
                outcomes = self._transact(batch, connection)
            except _TransactionLost as lost:
                if isinstance(lost.__cause__, StoreHeld):
                    raise lost.__cause__ from None
                outcomes = (
                    self._one_by_one(batch, connection) if len(batch) > 1 else [_failed(lost)]
                )
            self._tie_log(connection)
            self._checkpoint_when_due(connection)
            # What was committed to a file that was moved meanwhile is not acknowledged.
            self._file.refuse_other()
        return outcomes

    def _tie_log(self, connection: FileConnection) -> None:
        try:
            self._file.tie_log(connection)
        except sqlite3.Error as error:
            # The commits stand; a log without a tie is believed, and the next commit tries again.
            _roll_back(connection)
            _log.warning("log not tied: %s", store_error(self._path, error))

    def _one_by_one(
        self, batch: list[_QueuedWrite[object]], connection: FileConnection
    ) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        for queued in batch:
            try:
                outcomes += self._transact([queued], connection)
            except _TransactionLost as lost:
                outcomes.append(_failed(lost))
        return outcomes

    def _transact(
        self, batch: list[_QueuedWrite[object]], connection: FileConnection
    ) -> list[_Outcome]:
        """Commit a prefix of `batch`. Only where a work fails is each given a savepoint.

        Savepoints take a seventh of the time of small writes, and have SQLite copy every page that
        a bulk load changes.
        """
        outcomes = self._run(batch, connection, guarded=False)
        if outcomes is None:
            outcomes = self._run(batch, connection, guarded=True)
        return outcomes or []

    def _run(
        self, batch: list[_QueuedWrite[object]], connection: FileConnection, *, guarded: bool
    ) -> list[_Outcome] | None:
        """The outcomes; None where a work failed that was not guarded, and nothing was kept."""
        started = time.perf_counter()
        outcomes: list[_Outcome] = []
        attempt = self._guarded if guarded else self._attempt
        try:
            self._synchronous(connection, full=any(queued.durable for queued in batch))
            self._begin(connection)
            found: int = connection.execute("PRAGMA user_version").fetchone()[0]
            refuse_newer(self._path, found, self._schema)
            for queued in batch:
                outcome = attempt(queued.work, connection)
                outcomes.append(outcome)
                if outcome.problem is not None and not guarded:
                    connection.execute("ROLLBACK")
                    return outcomes if len(batch) == 1 else None
                if (time.perf_counter() - started) * 1000 > BATCH_MS_MAX:
                    break
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            raise _TransactionLost from store_error(self._path, error)
        except StoreError as error:
            _roll_back(connection)
            raise _TransactionLost from error
        self._commits += 1
        return outcomes

    def _begin(self, connection: FileConnection) -> None:
        """Begin; another program that writes without our lock is waited for, as long as for it."""
        started = time.perf_counter()
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                waited_s = time.perf_counter() - started
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if self._ending or waited_s > self._lock.limit_s:
                    raise StoreHeld(
                        f"Store '{self._path}' is locked by {self._locker()}: after "
                        f"{waited_s:.2g} s of waiting nothing was written. End or resume that "
                        "process, and try again."
                    ) from error
            else:
                return

    def _locker(self) -> str:
        return holder_of(self._path.with_name(self._path.name + "-shm"), "POSIX")

    def _guarded(self, work: FileWork[object], connection: FileConnection) -> _Outcome:
        """Run one work so that its failure undoes its own changes alone."""
        connection.execute("SAVEPOINT work")
        outcome = self._attempt(work, connection)
        if outcome.problem is not None:
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return outcome

    def _attempt(self, work: FileWork[object], connection: FileConnection) -> _Outcome:
        try:
            return _Outcome(work(connection))
        except Exception as error:  # noqa: BLE001 - carried over to the caller who awaits it
            problem: Exception = error
            if isinstance(error, sqlite3.Error):
                problem = store_error(self._path, error)
            if not connection.in_transaction:
                raise _TransactionLost from problem
            return _Outcome(problem=problem)

    def _synchronous(self, connection: FileConnection, *, full: bool) -> None:
        if full != self._full:
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full

    def _checkpoint_when_due(self, connection: FileConnection) -> None:
        rows = connection.total_changes - self._rows_checkpointed
        size = log_bytes(self._path)
        if (
            rows < CHECKPOINT_ROWS
            and self._commits < CHECKPOINT_COMMITS
            # Beside a reader that was forgotten no checkpoint gets far: not again at each commit.
            and size - self._bytes_checkpointed < CHECKPOINT_BYTES
        ):
            return
        self._bytes_checkpointed = size
        self._rows_checkpointed, self._commits = connection.total_changes, 0
        try:
            self._file.fold_log_in(connection)
        except sqlite3.Error as error:
            # Every commit stands in the WAL; the next checkpoint tries again.
            _roll_back(connection)
            _log.warning("checkpoint failed: %s", store_error(self._path, error))


def _roll_back(connection: FileConnection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _failed(lost: _TransactionLost) -> _Outcome:
    cause = lost.__cause__
    return _Outcome(problem=cause if isinstance(cause, Exception) else lost)
