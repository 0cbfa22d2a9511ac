"""Writes that wait for what another session holds: said after a second, and given up together."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TypeVar

import anyio

from gonogo.errors import StoreError, plain
from gonogo.store.engine import Connection, Work
from gonogo.store.postgres.address import LockHeld, shown

T = TypeVar("T")

TELL_AFTER_S = 1.0
SHOWN_MAX = 3
_log = logging.getLogger("gonogo.store")

# Behind a pooler too a session bears the name of who uses it. Whoever waits for nobody comes first: the
# others stand in the same queue. Times of other users' sessions are shown to few.
_HOLDERS = """
SELECT DISTINCT a.pid, a.application_name, a.usename,
  CAST(extract(epoch FROM a.xact_start) AS BIGINT) AS since, cardinality(pg_blocking_pids(a.pid)) AS behind
FROM pg_stat_activity w JOIN pg_stat_activity a ON a.pid = ANY(pg_blocking_pids(w.pid))
WHERE w.application_name = current_setting('application_name') AND w.wait_event_type = 'Lock'
ORDER BY behind, a.pid LIMIT ?
"""


@cache
def _host() -> str:
    return socket.gethostname()[:32]


def session_name() -> str:
    """The name of this process's sessions, by which a waiting process knows whom to ask."""
    return f"gonogo, process {os.getpid()} on {_host()}"


class ShardTurn:
    """The writes of this process to one shard, one after the other.

    When one has waited for another session as long as it may, so have those that came before it gave up: they
    fail with it, and do not each begin to wait anew.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._gave_up: tuple[float, LockHeld] | None = None

    async def take(self, run: Callable[[], Awaitable[T]]) -> T:
        """Run when the turn has come.

        Raises:
            LockHeld: Another session held the shard for as long as a write waits.
        """
        came = time.monotonic()
        async with self._lock:
            if self._gave_up is not None and self._gave_up[0] >= came:
                raise LockHeld(str(self._gave_up[1]))
            try:
                return await run()
            except LockHeld as error:
                self._gave_up = time.monotonic(), error
                raise


class LockWaits:
    """Says whom the writes of a database wait for.

    Args:
        address: Of the database.
        look: Runs a read of one statement.
    """

    def __init__(self, address: str, look: Callable[[Work[str]], Awaitable[str]]) -> None:
        self._address = address
        self._look = look
        self._telling: asyncio.Task[None] | None = None
        self._waiting = 0
        self._held_by = ""
        self._gave_up: tuple[float, LockHeld] | None = None

    @contextmanager
    def told(self) -> Iterator[None]:
        """While the block, a write, waits longer than a second, it is said for whom.

        Raises:
            LockHeld: As the block raises it; with who that is, as far as it is known.
        """
        timer = asyncio.get_running_loop().call_later(TELL_AFTER_S, self._begin)
        self._waiting += 1
        try:
            yield
        except LockHeld as error:
            held_by = f" It is held by {self._held_by}." if self._held_by else ""
            self._gave_up = time.monotonic(), LockHeld(f"{error}{held_by}")
            raise self._gave_up[1] from None
        finally:
            timer.cancel()
            self._waiting -= 1
            if not self._waiting:
                self._held_by = ""

    def refuse_who_waited_with(self, came_s: float) -> None:
        """Have a write give up that waited for a connection while those that had them waited for a lock.

        Args:
            came_s: When it came, by the monotonic clock.

        Raises:
            LockHeld: One of those gave up, and this write had waited with it by then.
        """
        if self._gave_up is not None and self._gave_up[0] - came_s >= TELL_AFTER_S:
            raise LockHeld(str(self._gave_up[1]))

    def _begin(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="gonogo store waits")

    async def _tell(self) -> None:
        try:
            found = await self._look(_holders)
        except StoreError as error:
            # An engine may know nothing of who waits for whom.
            _log.info("whom a write waits for is not known: %s", error)
            return
        if found and found != self._held_by:
            self._held_by = found
            _log.warning("waiting for the store: '%s' is held by %s", shown(self._address), found)

    async def ended(self) -> None:
        """Wait until nothing is looked up any more."""
        if self._telling is not None:
            await self._telling


def _holders(connection: Connection) -> str:
    rows = connection.execute(_HOLDERS, (SHOWN_MAX,)).fetchall()
    return ", ".join(_named(*row[:4]) for row in rows)


def _named(pid: int, application: str | None, user: str | None, since_s: int | None) -> str:
    said = [f"'{plain(application, 80)}'"] if application else []
    said += [f"user {plain(user, 80)}"] if user else []
    if since_s is not None:
        said.append(f"since {datetime.fromtimestamp(since_s, tz=UTC):%Y-%m-%dT%H:%M:%SZ}")
    return f"session {pid} ({', '.join(said)})" if said else f"session {pid}"
