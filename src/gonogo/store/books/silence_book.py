"""The silences that people have said, in the store."""

from __future__ import annotations

from gonogo.ports.silences import Silence
from gonogo.store.engine import Connection, Engine


class StoredSilences:
    """The silences that people have said, in one store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, silence: Silence) -> None:
        """Keep one."""
        row = (
            silence.id,
            silence.dependency,
            silence.reason,
            silence.actor,
            silence.start_ms,
            silence.until_ms,
        )

        def work(conn: Connection) -> None:
            conn.execute("INSERT INTO silence VALUES (?, ?, ?, ?, ?, ?)", row)

        await self._engine.write(work, durable=True, shard=silence.dependency)

    async def end(self, dependency: str, *, now_ms: int) -> int:
        """End those of this name that hold now; how many."""

        def work(conn: Connection) -> int:
            return conn.execute(
                "UPDATE silence SET until_ms = ?1 WHERE dependency = ?2 AND until_ms > ?1",
                (now_ms, dependency),
            ).rowcount

        return await self._engine.write(work, durable=True, shard=dependency)

    async def standing(self, *, now_ms: int) -> list[Silence]:
        """The silences that are not over, the first to end first."""

        def work(conn: Connection) -> list[Silence]:
            rows = conn.execute(
                "SELECT id, dependency, reason, actor, start_ms, until_ms FROM silence"
                " WHERE until_ms > ? ORDER BY until_ms, id",
                (now_ms,),
            )
            return [Silence(*row) for row in rows]

        return await self._engine.read(work)
