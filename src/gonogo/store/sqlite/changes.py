"""Hearing of writes to a store file, by this process and by others.

`PRAGMA data_version` differs from one read to the next where another connection has committed in
between (sqlite.org/pragma.html#pragma_data_version); a connection that only looks sees every
writer. A look reads the header of the WAL index, in memory that the processes share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from functools import partial

import anyio

from gonogo.store.sqlite.connection import StoreConnection
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.failures import store_error
from gonogo.store.sqlite.opening import connect_reader, open_reader

LOOK_EVERY_S = 0.5


class SqliteChanges:
    """The changes of one open store (`ports.telemetry.Changes`)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def changes(self) -> AsyncGenerator[None]:
        """Yield at once, and again after writes by any process."""
        path = self._db.path
        opener = open_reader if self._db.read_only else connect_reader
        with anyio.CancelScope(shield=True):  # a connection that is half open would not be closed
            eyes = await StoreConnection(partial(opener, path)).opened()
        try:
            seen = None
            while True:
                self._db.file.refuse_other()
                version = await eyes.run(_data_version)
                if version != seen:
                    seen = version
                    yield
                await anyio.sleep(LOOK_EVERY_S)
        except sqlite3.Error as error:
            raise store_error(path, error) from error
        finally:
            with anyio.CancelScope(shield=True):
                await eyes.close()


def _data_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
