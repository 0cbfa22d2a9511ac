"""The fate of a transaction whose connection was lost while its commit was under way.

PostgreSQL remembers for each transaction id whether it was committed, over a crash as well. After
a failover to a standby that had not everything, ids are given out again: an answer counts only on
the timeline on which the transaction began. Engines that know no such ids leave it unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import anyio

from gonogo.errors import StoreError

if TYPE_CHECKING:
    from gonogo.store.engine import Connection
    from gonogo.store.postgres.connecting import PsycopgConnection

Fate = Literal["committed", "aborted", "in progress"]

# One round trip; `prepare` is refused for two statements at once.
_MARK = b"; SELECT pg_current_xact_id()::text, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
_FATE = (
    "SELECT CASE WHEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) = ? "
    "THEN pg_xact_status(CAST(CAST(? AS text) AS xid8)) END"
)


class Mark(NamedTuple):
    """A transaction's id, and the timeline on which it began."""

    xid: str
    timeline: str


class UndoneError(Exception):
    """The transaction was undone whole; `conflict` says that another one won."""

    def __init__(self, error: StoreError, *, conflict: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.conflict = conflict


class UnknownFateError(Exception):
    """The connection was lost while a commit was on its way: of `result`, under `mark`."""

    def __init__(self, mark: Mark | None = None, result: object = None) -> None:
        super().__init__()
        self.mark, self.result, self.error = mark, result, StoreError("")


class Beginnings:
    """Begins the transactions of one database, and remembers whether its engine gives marks."""

    def __init__(self) -> None:
        self._has_marks = True

    def begin(
        self, connection: PsycopgConnection, *, writes: bool, told: bytes = b""
    ) -> Mark | None:
        """Begin a transaction; its mark, where it writes and the engine gives one.

        One that does not write sees one snapshot, and is as good run again. `told` is run with it:
        what a pooled session does not know.
        """
        import psycopg

        if not writes:
            connection.execute(
                b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" + told, prepare=False
            )
            return None
        if self._has_marks:
            try:
                cursor = connection.execute(b"BEGIN" + told + _MARK, prepare=False)
                while cursor.nextset():
                    pass
                [found] = cursor.fetchall()
            except (psycopg.errors.UndefinedFunction, psycopg.errors.FeatureNotSupported):
                connection.rollback()
                self._has_marks = False
            else:
                return Mark(*found)
        connection.execute(b"BEGIN" + told, prepare=False)
        return None


def fate_of(connection: Connection, mark: Mark) -> Fate | None:
    """Ask the server whether a transaction was committed; None where that cannot be known."""
    found: Fate | None
    (found,) = connection.execute(_FATE, (mark.timeline, mark.xid)).fetchone()
    return found


async def decided(
    look: Callable[[], Awaitable[Fate | None]], waits_s: Iterable[float]
) -> Fate | None:
    """Wait until the fate of a transaction is decided; None as for `fate_of`, or where it takes too long."""
    for wait_s in waits_s:
        fate = await look()
        if fate != "in progress":
            return fate
        await anyio.sleep(wait_s)
    return None
