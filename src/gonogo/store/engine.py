"""What runs the store's works: a store file or a database, which `stores.py` chooses between."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

__all__ = ["Engine", "Work", "in_shard"]

T = TypeVar("T")
# A function of a connection in a transaction. It uses `execute` and `executemany`, in SQL that
# SQLite and PostgreSQL both speak, neither commits nor rolls back, and may be run a second time
# where a first run was undone, so it changes nothing but the store.
Work = Callable[[sqlite3.Connection], T]


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

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot of the store."""
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

    async def backup(self, to: Path, *, now_ms: int) -> int:
        """Copy the store as it is now into a new file; its size in bytes."""
        ...

    async def close(self) -> None:
        """Commit what is queued and let go."""
        ...


def in_shard(connection: sqlite3.Connection, column: str, same: str) -> str:
    """What ties a rollup table to its shard in a condition, where the engine's keys begin with it.

    A file's rollups are found by their series alone, and have no such column.

    Args:
        connection: Of either engine.
        column: Before it a table's alias and a dot, where there is one.
        same: What stands for the dependency's id.
    """
    return f" AND {column}dependency_id = {same}" if has_shards(connection) else ""


def has_shards(connection: sqlite3.Connection) -> bool:
    """Whether what is written lies in shards, each with an order of its own; a file is one."""
    found: bool = getattr(connection, "has_shards", False)
    return found
