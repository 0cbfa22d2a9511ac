"""The contract of an engine, a store file or a database; `app/parts.py` chooses one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
# How often it is looked whether another process holds the store, and how long in all.
_LOOK_S, _LOOKS_MAX = 0.01, 100
Parameters = Sequence[object] | Mapping[str, object]


class Rows(Protocol):
    """The result of a statement: rows as tuples, and how many it changed."""

    @property
    def rowcount(self) -> int:
        """The number of rows that were changed."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 - each statement has its own columns
        """The next row, None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection in a transaction, as the store's works see it: to a file or to PostgreSQL.

    Statements are in SQL that both engines speak, with `?`, `?1` or `:name` for parameters.
    """

    @property
    def has_shards(self) -> bool:
        """Whether what is written lies in shards, each with an order of its own; a file is one."""
        ...

    def execute(self, statement: str, parameters: Parameters = (), /) -> Rows:
        """Run a statement."""
        ...

    def executemany(self, statement: str, rows: Iterable[Sequence[object]], /) -> object:
        """Run a statement for every row."""
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add whole rows in the quickest way the engine has."""
        ...

    def alone_in(self, shard: str) -> None:
        """Let no other transaction into a shard until this one ends: a dependency, a budget, ''."""
        ...

    def ahead(self, work: Callable[[Connection], None]) -> None:
        """Run what this transaction builds on, committed at once where others must not wait for it."""
        ...


# A function of a connection in a transaction. It neither commits nor rolls back, and may be run a
# second time where a first run was undone, so it changes nothing but the store.
Work = Callable[[Connection], T]


class Engine(Protocol):
    """Runs works in transactions: `store.database.Database`, `store.postgres.PostgresDatabase`."""

    @property
    def read_only(self) -> bool:
        """Whether nothing may be written."""
        ...

    @property
    def is_replaced(self) -> bool:
        """Whether the store's name means another store by now: whoever goes on opens it anew."""
        ...

    def skew_ms(self) -> int:
        """The correction of this process's clock where the store has another; else 0."""
        ...

    def waited_s(self) -> float:
        """How long the write that is next has waited for another process by now."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot of the store."""
        ...

    async def look(self, work: Work[T]) -> T:
        """Run a work of few statements that need not see one snapshot, in the fewest trips."""
        ...

    async def write(
        self,
        work: Work[T],
        durable: bool = False,  # noqa: FBT001, FBT002 - reads well as a keyword
        *,
        shard: str | None = "",
        kept: Work[T | None] | None = None,
    ) -> T:
        """Run `work` in a write transaction and wait for its commit.

        Args:
            work: Its failure undoes its own changes alone.
            durable: The commit survives a power cut, not only a killed process.
            shard: What the work must be alone in: a dependency, a budget, '' for the store; None
                where its statements keep order by themselves. A file is one shard.
            kept: Finds the result of an earlier run, where it cannot be known whether that run
                was committed.
        """
        ...

    def submit(self, work: Work[object], *, shard: str = "") -> bool:
        """Queue a write without waiting for it; False where it cannot be taken."""
        ...

    async def settled(self) -> None:
        """Wait until what is queued now has been written, or lost; not for what comes meanwhile."""
        ...

    async def backup(self, to: Path, *, now_ms: int) -> int:
        """Copy the store as it is now into a new file; its size in bytes."""
        ...

    async def close(self) -> None:
        """Commit what is queued and let go."""
        ...


async def unless_held(engine: Engine, write: Coroutine[object, object, T]) -> T | None:
    """The result of a write; None where it is left to itself, since another process holds the store.

    An answer that only looks does not wait for whoever holds it. That a machine is slow is no such
    wait, or what it finds would never be written there; nor is it waited for without an end.
    """
    task = asyncio.ensure_future(write)
    try:
        for _ in range(_LOOKS_MAX):
            done, _ = await asyncio.wait([task], timeout=_LOOK_S)
            if done:
                return task.result()
            if engine.waited_s() > _LOOK_S:
                break
        return None
    finally:
        task.cancel()


def read(
    query: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """A method that runs a query, a plain function of a connection, on one snapshot of its store."""

    @wraps(query)
    async def method(self: Any, /, *args: P.args, **named: P.kwargs) -> T:  # noqa: ANN401 - whatever has a `_database`
        found: T = await self._database.read(lambda connection: query(connection, *args, **named))
        return found

    return method


def in_shard(connection: Connection, column: str, same: str) -> str:
    """The condition that ties a rollup table to its shard, where the engine's keys begin with it.

    A file's rollups are found by their series alone, and have no such column.

    Args:
        connection: Of either engine.
        column: Before it a table's alias and a dot, where there is one.
        same: What stands for the dependency's id.
    """
    return f" AND {column}dependency_id = {same}" if connection.has_shards else ""
