"""A PostgreSQL database as the store: a few connections, works run in transactions on them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from gonogo.errors import StoreError
from gonogo.store.engine import Connection, Work
from gonogo.store.postgres.address import shown, store_error
from gonogo.store.postgres.connecting import Terms, connect, is_conflict, is_lost
from gonogo.store.postgres.fate import Beginnings, UndoneError, UnknownFateError, decided, fate_of
from gonogo.store.postgres.lock_waits import LockWaits, ShardTurn
from gonogo.store.postgres.migrate import migrate
from gonogo.store.postgres.session import Session
from gonogo.store.postgres.write_queue import WriteQueue

if TYPE_CHECKING:
    import psycopg

    from gonogo.store.postgres.connecting import PsycopgConnection

T = TypeVar("T")

SCHEMA = "gonogo"
WRITERS_MAX = 8
READERS_MAX = 4
# How long money and actions wait for what was queued before them.
QUEUE_WAIT_S = 1.0
# A lost connection is tried again over about 12 s: a restart or a failover takes a few.
_LOST_WAITS_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0)
_CONFLICT_WAITS_S = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_TELL_EVERY_S = 0.2

_log = logging.getLogger("gonogo.store")


class PostgresDatabase:
    """An open database. Make one with `PostgresDatabase.open`, end it with `close`.

    It runs the works that `store.database.Database` runs. A write is exclusive in its shard: it
    holds that row of `shard_lock` until it commits. A work whose transaction lost against another
    (40001, 40P01), or whose connection was lost before its commit, is run again.
    """

    is_replaced = False  # an address names one database

    def __init__(self, address: str, terms: Terms, *, read_only: bool) -> None:
        self.address = address
        self.read_only = read_only
        self.schema_version = 0
        self._terms = terms
        self._idle: deque[PsycopgConnection] = deque()
        # Reads have connections of their own: writes that wait for a lock keep nobody from an answer.
        self._free = {True: anyio.Semaphore(WRITERS_MAX), False: anyio.Semaphore(READERS_MAX)}
        # Of writes to one shard one is under way: they would only wait for each other over there.
        self._shards: WeakValueDictionary[str, ShardTurn] = WeakValueDictionary()
        self._waits = LockWaits(address, self.look)
        self._beginnings = Beginnings()
        self._side: PsycopgConnection | None = None
        self._side_lock = threading.Lock()
        self._queue = WriteQueue(lambda work, shard: self._write_alone(work, shard, None))
        self._telling: asyncio.Task[None] | None = None
        self._unheard = False
        self._reached = False
        self._closed = False

    @property
    def channel(self) -> str:
        """The channel on which writes are announced; each schema has its own."""
        return f"{self._terms.schema}_changed"

    @classmethod
    async def open(
        cls,
        address: str,
        *,
        read_only: bool = False,
        schema: str = SCHEMA,
        lock_wait_s: float = 10.0,
    ) -> PostgresDatabase:
        """Open the store, making its schema or bringing it up to date where needed.

        Raises:
            StoreError: It cannot be reached, or is refused (too old, newer, no rights).
        """
        database = cls(address, Terms(schema, lock_wait_s), read_only=read_only)
        try:
            await database._persist(database._begin)
        except BaseException:
            database._close()
            raise
        return database

    def waited_s(self) -> float:
        """None: each write waits by itself, for a row that another holds."""
        return 0.0

    def skew_ms(self) -> int:
        """See `Terms.skew_ms`."""
        return self._terms.skew_ms()

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot of the store.

        Raises:
            StoreError: The store failed or is closed.
            Exception: Whatever `work` raised.
        """
        return await self._persist(partial(self._read, work))

    async def look(self, work: Work[T]) -> T:
        """Run a work of one statement, which sees one snapshot by itself: one round trip."""
        return await self._persist(partial(self._alone, work, writes=False))

    async def once(self, work: Work[T], *, kept: Work[T | None] | None = None) -> T:
        """Run a work of one statement that writes, which is a transaction by itself.

        Without `kept`, running it twice must do no harm.
        """
        self._refuse_read_only()
        again = kept or (lambda _: None)
        return await self._write_surely(partial(self._alone, work, writes=True), again)

    async def write(
        self,
        work: Work[T],
        durable: bool = False,  # noqa: FBT001, FBT002 - as in store.database
        *,
        shard: str | None = "",
        kept: Work[T | None] | None = None,
    ) -> T:
        """Run `work` in a transaction of its own; returns after a durable commit.

        Args:
            work: Its failure undoes its changes.
            durable: Money and actions: it comes after what is queued, but does not wait for long
                where that is kept waiting. Every commit is kept by a server that is restarted.
            shard: What the work is alone in; None where its statements keep order by themselves.
            kept: Finds the result of an earlier run, asked where a connection was lost while a
                commit was on its way; None is a run that left nothing.

        Raises:
            StoreError: The store failed, is closed or is open for reading only.
            Exception: Whatever `work` raised.
        """
        self._refuse_read_only()
        with anyio.move_on_after(QUEUE_WAIT_S if durable else None):
            await self.settled()
        return await self._write_alone(work, shard, kept)

    def submit(self, work: Work[object], *, shard: str = "") -> bool:
        """Queue a write without waiting for it; False where it cannot be taken."""
        return not (self.read_only or self._closed) and self._queue.put(work, shard)

    async def settled(self) -> None:
        """Wait until what is queued now has been written, or lost; not for what comes meanwhile."""
        await self._queue.settled()

    async def backup(self, to: Path, *, now_ms: int) -> int:
        """Refuse: the server's own tools copy a database while it is in use.

        Raises:
            StoreError: Always.
        """
        del now_ms
        raise StoreError(
            f"Store '{shown(self.address)}' is a PostgreSQL database; '{to.name}' was not written. "
            f"Use pg_dump --schema={self._terms.schema}, or the server's own backup."
        )

    async def close(self) -> None:
        """Commit what is queued and close every connection. Closing twice does nothing."""
        if self._closed:
            return
        await self.settled()
        if self._telling is not None:
            await self._telling
        await self._waits.ended()
        self._closed = True
        await anyio.to_thread.run_sync(self._close)

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise StoreError(
                f"Store '{shown(self.address)}' is open for reading only; nothing was written."
            )

    async def _write_alone(
        self, work: Work[T], shard: str | None, kept: Work[T | None] | None
    ) -> T:
        run = partial(self._write, work, shard)
        if shard is None:
            return await self._write_surely(run, kept)
        turn = self._shards.get(shard) or self._shards.setdefault(shard, ShardTurn())
        return await turn.take(partial(self._write_surely, run, kept))

    async def _write_surely(self, run: Callable[[], T], kept: Work[T | None] | None) -> T:
        try:
            written = await self._persist(run, writes=True)
        except UnknownFateError as unknown:
            if kept is not None:
                found = await self._persist(partial(self._read, kept))
                return await self._write_surely(run, kept) if found is None else found
            if not await self._was_committed(unknown):
                return await self._write_surely(run, kept)
            written = cast("T", unknown.result)
        self._tell()
        return written

    async def _was_committed(self, unknown: UnknownFateError) -> bool:
        if unknown.mark is not None:
            look = partial(self._alone, partial(fate_of, mark=unknown.mark), writes=False)
            if (fate := await decided(partial(self._persist, look), _LOST_WAITS_S)) is not None:
                return fate == "committed"
        told = "Whether this write was kept is not known: look, or send it again with its ids."
        raise StoreError(f"{unknown.error} {told}") from None

    async def _persist(self, run: Callable[[], T], *, writes: bool = False) -> T:
        """Run in a thread, again where the transaction was undone through no fault of its own."""
        waits = {True: iter(_CONFLICT_WAITS_S), False: iter(_LOST_WAITS_S)}
        while True:
            came_s = time.monotonic()
            try:
                async with self._free[writes]:
                    if writes:
                        self._waits.refuse_who_waited_with(came_s)
                    with self._waits.told() if writes else nullcontext():
                        return await anyio.to_thread.run_sync(run)
            except UndoneError as again:
                wait_s = next(waits[again.conflict], None)
                if wait_s is None:
                    raise again.error from None
                await anyio.sleep(wait_s)

    def _tell(self) -> None:
        """Tell those who listen of what was written, soon, and of what follows with it."""
        self._unheard = True
        if self._telling is None or self._telling.done():
            import asyncio

            self._telling = asyncio.create_task(self._tell_soon(), name="gonogo store teller")

    async def _tell_soon(self) -> None:
        while self._unheard:
            await anyio.sleep(_TELL_EVERY_S)
            self._unheard = False
            try:
                await self._persist(
                    partial(self._alone, partial(_notify, channel=self.channel), writes=False)
                )
            except StoreError as error:
                # Who listens looks again when it connects; an engine may know no NOTIFY at all.
                _log.info("a change was not told: %s", error)

    # From here on in a thread.

    def _begin(self) -> None:
        # A server that cannot be reached is said at once; one that was, and is lost, may be restarting.
        connection = self._connected() if self._reached else connect(self.address, self._terms)
        import psycopg

        self._reached = True
        try:
            self.schema_version = migrate(
                connection, self.address, self._terms.schema, read_only=self.read_only
            )
        except psycopg.Error as error:
            raise self._undone(connection, error, None) from error
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _read(self, work: Work[T]) -> T:
        return self._transact(work, None, writes=False)

    def _write(self, work: Work[T], shard: str | None) -> T:
        return self._transact(work, shard, writes=True)

    def _transact(self, work: Work[T], shard: str | None, *, writes: bool) -> T:
        import psycopg

        connection = self._taken()
        unknown: UnknownFateError | None = None
        try:
            mark = self._beginnings.begin(
                connection, writes=writes, told=self._terms.of_transaction
            )
            # Behind a pooler a second session may never come: every one may wait for a second.
            session = Session(connection, None if self._terms.is_pooled else self._run_ahead)
            if shard is not None:
                session.alone_in(shard)
            result = work(session)
            unknown = UnknownFateError(mark, result) if writes else None
            connection.execute(b"COMMIT")
        except psycopg.Error as error:
            raise self._undone(connection, error, unknown) from error
        except BaseException:
            self._abandon(connection)
            raise
        self._idle.append(connection)
        return result

    def _alone(self, work: Work[T], *, writes: bool) -> T:
        import psycopg

        connection = self._taken()
        try:
            if told := self._terms.of_transaction:
                connection.execute(b"BEGIN" + told, prepare=False)
            result = work(Session(connection))
            if told:
                connection.execute(b"COMMIT")
        except psycopg.Error as error:
            raise self._undone(connection, error, UnknownFateError() if writes else None) from error
        except BaseException:
            self._abandon(connection)
            raise
        self._idle.append(connection)
        return result

    def _undone(
        self, connection: PsycopgConnection, error: psycopg.Error, unknown: UnknownFateError | None
    ) -> Exception:
        """The error to raise for a failed transaction; `unknown`: its commit may have been under way."""
        lost = is_lost(error, connection)
        self._abandon(connection)
        told = store_error(self.address, error)
        if is_conflict(error):
            return UndoneError(told, conflict=True)
        if not lost:
            return told
        if unknown is None:
            return UndoneError(told, conflict=False)
        unknown.error = told
        return unknown

    def _taken(self) -> PsycopgConnection:
        """An idle connection, or a new one."""
        if self._closed:
            raise StoreError(f"Store '{shown(self.address)}' is closed.")
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return self._connected()

    def _connected(self) -> PsycopgConnection:
        try:
            return connect(self.address, self._terms)
        except StoreError as error:
            raise UndoneError(error, conflict=False) from None

    def _abandon(self, connection: PsycopgConnection) -> None:
        """Undo the transaction; keep the connection where it still works."""
        import psycopg

        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()
        if not connection.closed:
            self._idle.append(connection)
            return
        # What took one of them away, a restart or a failover, has taken the others too.
        while self._idle:
            self._idle.pop().close()

    def _run_ahead(self, work: Work[None]) -> None:
        with self._side_lock:
            if self._side is None or self._side.closed:
                self._side = self._connected()
            with self._side.transaction():
                if told := self._terms.of_transaction:
                    self._side.execute(told.removeprefix(b"; "), prepare=False)
                work(Session(self._side))

    def _close(self) -> None:
        for connection in self._idle:
            connection.close()
        if self._side is not None:
            self._side.close()


def _notify(connection: Connection, *, channel: str) -> None:
    connection.execute("SELECT pg_notify(?, '')", (channel,))
