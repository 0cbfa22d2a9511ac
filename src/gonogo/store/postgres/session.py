"""One connection to PostgreSQL as the store's works see it: `execute` and `executemany`.

Works are written in SQL that both engines speak; only the marks of parameters differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from gonogo.store.engine import Connection, Parameters, Work

    Rows = psycopg.Cursor[tuple[Any, ...]]

# From here on COPY is worth its three messages.
_COPY_ROWS_MIN = 20
_LOCK = "SELECT 1 FROM shard_lock WHERE shard = ? FOR UPDATE"
_MARK = re.compile(r"\?(\d*)|(?<!:):([a-z_]\w*)")


@lru_cache(maxsize=512)
def _translated(statement: str) -> str:
    """`?`, `?1` and `:name` as psycopg writes them; `%` stands for itself."""

    def mark(found: re.Match[str]) -> str:
        number, name = found.groups()
        if name:
            return f"%({name})s"
        return f"%(p{number})s" if number else "%s"

    return _MARK.sub(mark, statement.replace("%", "%%"))


class Session:
    """A connection within a transaction (`store.engine.Connection`).

    Args:
        connection: Of psycopg.
        ahead: Runs a statement of its own transaction on another connection, and commits it.
    """

    has_shards = True

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        ahead: Callable[[Work[None]], None] | None = None,
    ) -> None:
        self.connection = connection
        self._ahead = ahead
        self._alone_in: set[str] = set()

    def execute(self, statement: str, parameters: Parameters = ()) -> Rows:
        """Run a statement; the cursor gives rows, and `rowcount`."""
        if "?1" in statement and not isinstance(parameters, Mapping):
            parameters = {f"p{i}": value for i, value in enumerate(parameters, 1)}
        return self.connection.execute(_translated(statement), parameters)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for every row, in one round trip."""
        listed = list(rows)
        if listed:
            with self.connection.cursor() as cursor:
                cursor.executemany(_translated(statement), listed)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add whole rows: many by COPY."""
        left = iter(rows)
        few = list(islice(left, _COPY_ROWS_MIN))
        names = ", ".join(columns)
        if len(few) < _COPY_ROWS_MIN:
            marks = ", ".join("?" * len(columns))
            self.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", few)  # noqa: S608 - constant names
            return
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copying,
        ):
            for row in chain(few, left):
                copying.write_row(row)

    def alone_in(self, shard: str) -> None:
        """Hold a shard's row until the transaction ends."""
        if shard in self._alone_in:
            return
        if self.execute(_LOCK, (shard,)).fetchone() is None:
            self.ahead(partial(_make_lock, shard=shard))
            self.execute(_LOCK, (shard,))
        self._alone_in.add(shard)

    def ahead(self, work: Callable[[Connection], None]) -> None:
        """Run a work that this transaction builds on in one of its own, committed at once."""
        if self._ahead is None:
            work(self)
        else:
            self._ahead(work)


def _make_lock(connection: Connection, *, shard: str) -> None:
    connection.execute("INSERT INTO shard_lock VALUES (?) ON CONFLICT (shard) DO NOTHING", (shard,))
