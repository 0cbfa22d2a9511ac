"""The record of who was told of which incident, and of silences, in the store."""

from __future__ import annotations

from gonogo.ports.notices import Notice, Silence
from gonogo.store.books.incident_book import events_of, select_incidents
from gonogo.store.engine import Connection, Engine

_DUE = """
WHERE status <> 'resolved' OR EXISTS (
  SELECT 1 FROM notice n WHERE n.notifier = ?1 AND n.incident_id = incident.id
  AND n.seq < (SELECT max(seq) FROM incident_event e WHERE e.incident_id = incident.id)
) ORDER BY opened_ms, id
"""


class StoredNotices:
    """The notices of one store (`ports.notices.Notices`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def due(self, notifier: str) -> list[Notice]:
        """Incidents that are not over, and those that a notifier was told of and has to hear more."""

        def work(conn: Connection) -> list[Notice]:
            told: dict[str, int] = dict(
                conn.execute("SELECT incident_id, seq FROM notice WHERE notifier = ?", (notifier,))
            )
            return [
                Notice(found, tuple(events_of(conn, found.id)), told.get(found.id, 0))
                for found in select_incidents(conn, _DUE, notifier)
            ]

        return await self._engine.read(work)

    async def mark_told(self, notifier: str, incident_id: str, seq: int) -> None:
        """Remember that a notifier has seen the first `seq` lines of a timeline."""

        def work(conn: Connection) -> None:
            conn.execute(
                "INSERT INTO notice AS kept (dependency, notifier, incident_id, seq)"
                " SELECT dependency, ?1, id, ?3 FROM incident WHERE id = ?2"
                " ON CONFLICT (dependency, notifier, incident_id)"
                " DO UPDATE SET seq = excluded.seq WHERE excluded.seq > kept.seq",
                (notifier, incident_id, seq),
            )

        await self._engine.write(work, shard=None)

    async def messages(self, notifier: str) -> dict[str, int]:
        """Count the messages sent to a notifier about matters other than incidents, by subject."""

        def work(conn: Connection) -> dict[str, int]:
            return dict(
                conn.execute(
                    "SELECT subject, seq FROM message_told WHERE notifier = ?", (notifier,)
                )
            )

        return await self._engine.read(work)

    async def mark_message(self, notifier: str, subject: str, seq: int) -> None:
        """Remember that; 0 forgets it."""

        def work(conn: Connection) -> None:
            conn.execute(
                "DELETE FROM message_told WHERE notifier = ? AND subject = ?", (notifier, subject)
            )
            if seq:
                conn.execute(
                    "INSERT INTO message_told (notifier, subject, seq) VALUES (?, ?, ?)",
                    (notifier, subject, seq),
                )

        await self._engine.write(work)


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
