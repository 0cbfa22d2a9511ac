"""A connection to a store file, as SQLite makes it and as the store's works see it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gonogo.store.engine import Connection

__all__ = ["FileConnection", "FileWork"]

T = TypeVar("T")
ROWS_A_STATEMENT = 200


class FileConnection(sqlite3.Connection):
    """SQLite's own connection, with what the store's works ask beyond it."""

    has_shards = False

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add whole rows, in the order in which they come."""
        listed = rows if isinstance(rows, Sequence) else list(rows)
        if not listed:
            return
        # sqlite3 takes several times as long to bind a None as a number or a text, and half of a
        # row may be absent: a column that no row fills is left out.
        filled = [
            at
            for at, values in enumerate(zip(*listed, strict=True))
            if values.count(None) < len(listed)
        ]
        names = ", ".join(columns[at] for at in filled)
        marks = f"({', '.join('?' * len(filled))})"
        statement = f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608 - constant names
        values = map(itemgetter(*filled), listed)
        if many := len(listed) // ROWS_A_STATEMENT:
            # A sixth faster than row by row.
            together = statement + ", ".join([marks] * ROWS_A_STATEMENT)
            for _ in range(many):
                flat = chain.from_iterable(islice(values, ROWS_A_STATEMENT))
                self.execute(together, tuple(flat))
        self.executemany(statement + marks, values)

    def alone_in(self, shard: str) -> None:
        """Nothing to do: of transactions that write to a file there is one at a time."""

    def ahead(self, work: Callable[[Connection], None]) -> None:
        """Run a work within this transaction: whoever else writes waits for it anyway."""
        work(self)


# What SQLite alone can do takes this connection; a `Work` of both engines is one as well.
FileWork = Callable[[FileConnection], T]
