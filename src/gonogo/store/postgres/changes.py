"""Hearing of writes by LISTEN, and telling of them by NOTIFY a few times a second at most.

A NOTIFY in the transaction that writes would take a lock of the whole database at its commit, so
each process tells of its writes together, after them, in a statement of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio

from gonogo.errors import StoreError
from gonogo.store.postgres.address import connect_error

if TYPE_CHECKING:
    from gonogo.store.postgres.database import PostgresDatabase

# Writes within this are heard of together.
_TOGETHER_S = 0.2
# A restart or a failover is waited out.
_WAITS_S = (0.2, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0)


class PostgresChanges:
    """The changes of one open database (`ports.telemetry.Changes`).

    `direct`: its address without a pooler, where there is one.
    """

    def __init__(self, database: PostgresDatabase, direct: str | None = None) -> None:
        self._database = database
        # Through a pooler nobody hears: it gives each transaction another session.
        self._direct = direct or database.address

    async def changes(self) -> AsyncGenerator[None]:
        """Yield at once, and again after writes by any process.

        Raises:
            StoreError: The server stayed away.
        """
        import psycopg
        from psycopg import sql

        waits = iter(_WAITS_S)
        while True:
            try:
                eyes = await psycopg.AsyncConnection.connect(self._direct, autocommit=True)
                async with eyes:
                    listen = sql.SQL("LISTEN {}").format(sql.Identifier(self._database.channel))
                    await eyes.execute(listen)
                    waits = iter(_WAITS_S)
                    while True:
                        yield
                        await anyio.sleep(_TOGETHER_S)
                        async for _ in eyes.notifies(stop_after=1):
                            pass
            except psycopg.OperationalError as error:
                wait_s = next(waits, None)
                if wait_s is None:
                    told: StoreError = connect_error(self._database.address, error)
                    raise told from None
                await anyio.sleep(wait_s)
