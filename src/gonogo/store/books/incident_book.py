"""Incidents in SQLite: one unresolved for each dependency and cause, whoever saw it first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

from gonogo.ports.incidents import Event, IncidentChange, IncidentRecord, Kind, Status, TurnOf
from gonogo.store.books.audit import append_action
from gonogo.store.engine import Connection, Engine, unless_held
from gonogo.store.readable import readable

_COLUMNS = (
    "id, dependency, cause, status, opened_ms, changed_ms, why, verdict, onset_ms, false_alarm,"
    " bad_signals, well_since_ms, suspected, kind, provider, page, owner"
)

# One person says at once that they have seen so many.
TOGETHER_MAX = 10_000


def select_incidents(conn: Connection, rest: str, *values: object) -> list[IncidentRecord]:
    """Incidents by a clause of the project's own."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM incident {rest}", values)  # noqa: S608 - constant clauses
    return [_incident_of(row) for row in rows]


def _incident_of(row: tuple[Any, ...]) -> IncidentRecord:
    with readable(f"Incident {row[0]}"):
        signals = tuple(json.loads(row[10]))
    return replace(IncidentRecord(*row), false_alarm=bool(row[9]), bad_signals=signals)


def _write(conn: Connection, turn: IncidentChange) -> None:
    incident = turn.incident
    if incident is None:
        return
    conn.execute(
        f"INSERT INTO incident ({_COLUMNS}) VALUES ({', '.join('?' * 17)})"  # noqa: S608 - constant columns
        " ON CONFLICT (dependency, id) DO UPDATE SET status = excluded.status,"
        " changed_ms = excluded.changed_ms, why = excluded.why, verdict = excluded.verdict,"
        " onset_ms = excluded.onset_ms, false_alarm = excluded.false_alarm,"
        " bad_signals = excluded.bad_signals, well_since_ms = excluded.well_since_ms,"
        " kind = excluded.kind, owner = excluded.owner",
        (
            incident.id,
            incident.dependency,
            incident.cause,
            incident.status,
            incident.opened_ms,
            incident.changed_ms,
            incident.why,
            incident.verdict,
            incident.onset_ms,
            int(incident.false_alarm),
            json.dumps(incident.bad_signals),
            incident.well_since_ms,
            incident.suspected,
            incident.kind,
            incident.provider,
            incident.page,
            incident.owner,
        ),
    )
    if turn.entry is not None:
        append_action(conn, turn.entry)
    for event in turn.events:
        conn.execute(
            "INSERT INTO incident_event"
            " (dependency, incident_id, seq, ts_ms, event, actor, decision_id)"
            " SELECT ?1, ?2, coalesce(max(seq), 0) + 1, ?3, ?4, ?5, ?6"
            " FROM incident_event WHERE dependency = ?1 AND incident_id = ?2",
            (incident.dependency, incident.id, *astuple(event)),
        )


def _standing(
    conn: Connection, dependency: str, cause: str, signal: str
) -> tuple[IncidentRecord | None, int | None]:
    found = select_incidents(
        conn, "WHERE dependency = ? AND cause = ? AND status <> 'resolved'", dependency, cause
    )
    suspected = conn.execute(
        "SELECT first_ms FROM suspicion WHERE dependency = ? AND cause = ? AND signal = ?",
        (dependency, cause, signal),
    ).fetchone()
    return found[0] if found else None, suspected[0] if suspected else None


def _change(
    conn: Connection, dependency: str, cause: str, signal: str, turn_of: TurnOf
) -> IncidentRecord | None:
    found, suspected_ms = _standing(conn, dependency, cause, signal)
    turn = turn_of(found, suspected_ms)
    _write(conn, turn)
    if turn.suspected_ms is None:
        conn.execute(
            "DELETE FROM suspicion WHERE dependency = ? AND cause = ? AND signal = ?",
            (dependency, cause, signal),
        )
    else:
        conn.execute(
            "INSERT INTO suspicion VALUES (?, ?, ?, ?)"
            " ON CONFLICT (dependency, cause, signal) DO UPDATE SET first_ms = excluded.first_ms",
            (dependency, cause, signal, turn.suspected_ms),
        )
    return turn.incident or found


def events_of(conn: Connection, incident_id: str) -> list[Event]:
    """The timeline of one incident."""
    rows = conn.execute(
        "SELECT ts_ms, event, actor, decision_id FROM incident_event"
        " WHERE incident_id = ? ORDER BY seq",
        (incident_id,),
    )
    return [Event(*row) for row in rows]


class StoredIncidents:
    """Incidents of one store (`ports.routes.Incidents`)."""

    def __init__(self, db: Engine) -> None:
        self._db = db

    async def standing(
        self, dependency: str, cause: str, signal: str
    ) -> tuple[IncidentRecord | None, int | None]:
        """The unresolved incident, and since when this signal suspects one."""
        return await self._db.read(lambda conn: _standing(conn, dependency, cause, signal))

    async def change(
        self, dependency: str, cause: str, signal: str, turn: TurnOf
    ) -> IncidentRecord | None:
        """Show `turn` the unresolved incident and the suspicion, and write what it decides."""
        return await self._db.write(
            lambda conn: _change(conn, dependency, cause, signal, turn), shard=dependency
        )

    async def note(
        self, dependency: str, cause: str, signal: str, turn: TurnOf
    ) -> IncidentRecord | None:
        """Do as `change`, for an answer that only looks; None where another process holds the store."""
        return await unless_held(self._db, self.change(dependency, cause, signal, turn))

    async def amend(self, incident_id: str, turn: TurnOf) -> IncidentRecord | None:
        """Change one incident by its id, resolved or not, as `change` does; None if absent."""

        def named(conn: Connection) -> list[IncidentRecord]:
            return select_incidents(conn, "WHERE id = ?", incident_id)

        def work(conn: Connection) -> IncidentRecord | None:
            found = named(conn)
            if not found:
                return None
            turned = turn(found[0], None)
            _write(conn, turned)
            return turned.incident or found[0]

        known = await self._db.read(named)
        if not known:
            return None
        return await self._db.write(work, durable=True, shard=known[0].dependency)

    async def incidents(
        self,
        *,
        dependency: str | None = None,
        status: Status | None = None,
        incident_id: str | None = None,
        limit: int = 50,
    ) -> list[tuple[IncidentRecord, list[Event]]]:
        """Incidents with their timelines: unresolved first, then the newest."""

        def work(conn: Connection) -> list[tuple[IncidentRecord, list[Event]]]:
            found = select_incidents(
                conn,
                "WHERE dependency = coalesce(?, dependency) AND status = coalesce(?, status)"
                " AND id = coalesce(?, id)"
                " ORDER BY status = 'resolved', opened_ms DESC, id LIMIT ?",
                dependency,
                status,
                incident_id,
                limit,
            )
            return [(incident, events_of(conn, incident.id)) for incident in found]

        return await self._db.read(work)

    async def counts(
        self, *, dependency: str | None = None, status: Status | None = None
    ) -> dict[tuple[str, Status], int]:
        """Count incidents by dependency and status; dependencies without any are left out."""

        def work(conn: Connection) -> dict[tuple[str, Status], int]:
            rows = conn.execute(
                "SELECT dependency, status, count(*) FROM incident"
                " WHERE dependency = coalesce(?, dependency) AND status = coalesce(?, status)"
                " GROUP BY dependency, status",
                (dependency, status),
            )
            return {(name, found): n for name, found, n in rows}

        return await self._db.read(work)

    async def unresolved(self, dependencies: Sequence[str]) -> list[IncidentRecord]:
        """Every incident of these that is not resolved, the newest first, without timelines."""
        marks = ", ".join("?" * len(dependencies))
        which = (
            f"WHERE status <> 'resolved' AND dependency IN ({marks}) ORDER BY opened_ms DESC, id"
        )
        return await self._db.read(lambda conn: select_incidents(conn, which, *dependencies))

    async def together(self, named: str) -> list[IncidentRecord]:
        """The incidents told on the page of one id, or of a page's key; the oldest first.

        Of one that is resolved that one alone, since the next of its cause has the same key.
        """

        def work(conn: Connection) -> list[IncidentRecord]:
            unresolved = select_incidents(
                conn, "WHERE status <> 'resolved' ORDER BY opened_ms, id LIMIT ?", TOGETHER_MAX
            )
            found = select_incidents(conn, "WHERE id = ?", named)
            key = found[0].key if found else named
            beside = [each for each in unresolved if each.key == key]
            return [each for each in found if each.status == "resolved"] or beside or found

        return await self._db.read(work)

    async def open_page(self, provider: str, kind: Kind, *, since_ms: int) -> str | None:
        """The key of the page that unresolved incidents of a provider since then are told under."""
        which = (
            "WHERE status <> 'resolved' AND provider = ? AND kind = ? AND opened_ms >= ?"
            " ORDER BY opened_ms, id LIMIT 1"
        )
        found = await self._db.read(
            lambda conn: select_incidents(conn, which, provider, kind, since_ms)
        )
        return found[0].key if found else None

    async def changed(self, *, limit: int) -> list[IncidentRecord]:
        """Incidents without their timelines, those that changed last first."""
        which = "ORDER BY changed_ms DESC, id LIMIT ?"
        return await self._db.read(lambda conn: select_incidents(conn, which, limit))
