"""Leases in the store: work that is claimed until a time, which whoever dies loses then."""

from __future__ import annotations

from gonogo.store.books.hold_clock import CLAIM_MS_MAX, date_anew, dating_of
from gonogo.store.engine import Connection, Engine

# A row is one statement's to change, so that of two claims at once one finds it taken.
_CLAIM = """
INSERT INTO lease AS held (name, holder, epoch, expires_ms) VALUES (?1, ?2, 1, ?4)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_ms = excluded.expires_ms,
  epoch = held.epoch + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END
WHERE held.holder = excluded.holder OR held.expires_ms <= ?3 OR held.expires_ms > ?5
"""


class StoredLeases:
    """The leases of one store, as every process that shares it sees them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim(self, name: str, holder: str, *, now_ms: int, until_ms: int) -> bool:
        """Claim a work, or hold it longer; False while somebody else holds it."""

        def work(connection: Connection) -> bool:
            date_anew(connection, now_ms=now_ms)
            bound = (name, holder, now_ms, until_ms, now_ms + CLAIM_MS_MAX)
            return connection.execute(_CLAIM, bound).rowcount > 0

        return await self._engine.write(work, shard=None, kept=lambda _: None)

    async def release(self, name: str, holder: str) -> None:
        """Let go of a work that `holder` holds; nothing where it does not."""

        def work(connection: Connection) -> None:
            connection.execute(
                "UPDATE lease SET expires_ms = 0 WHERE name = ? AND holder = ?", (name, holder)
            )

        await self._engine.write(work, shard=None)

    async def held(self, *, now_ms: int) -> list[str]:
        """The works that somebody holds now, sorted."""

        def work(connection: Connection) -> list[str]:
            dated_now_ms = now_ms - dating_of(connection).ahead_ms
            rows = connection.execute(
                "SELECT name FROM lease WHERE expires_ms > ? AND expires_ms <= ? ORDER BY name",
                (dated_now_ms, dated_now_ms + CLAIM_MS_MAX),
            )
            return [name for (name,) in rows]

        return await self._engine.read(work)
