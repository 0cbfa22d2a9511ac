"""A person's actions on an incident: changed and logged in one transaction, then shown."""

from __future__ import annotations

from functools import partial

from gonogo.answers import IncidentList
from gonogo.app.parts import Stores
from gonogo.incidents.by_hand import EntryOf, acknowledge, assign, note, resolve
from gonogo.incidents.handle import get_incidents, incidents_named
from gonogo.ports.incidents import IncidentRecord
from gonogo.views.decision_log import incident_entry


async def acknowledge_incident(
    stores: Stores, named: str, *, alone: bool = False, now_ms: int
) -> IncidentList:
    """Say that a person has seen an incident, and all that is told on its page with it.

    `named`: the incident's id, or the key of a page. `alone`: only this incident.

    Raises:
        UnknownTarget: There is no such incident or page.
    """
    found = await stores.incidents.together(named)
    ids = [named] if alone or not found else [incident.id for incident in found]
    for incident_id in ids:
        await acknowledge(
            stores.incidents,
            incident_id,
            actor=stores.actor,
            now_ms=now_ms,
            entry_of=_entry_of(stores, "acknowledge", None, now_ms=now_ms),
        )
    books = stores.incidents, stores.decisions
    return await incidents_named(*books, stores.settings, ids, now_ms=now_ms)


async def resolve_incident(
    stores: Stores, incident_id: str, *, false_alarm: bool, now_ms: int
) -> IncidentRecord:
    """Close an incident by a person's word."""
    return await resolve(
        stores.incidents,
        incident_id,
        false_alarm=false_alarm,
        actor=stores.actor,
        now_ms=now_ms,
        entry_of=_entry_of(stores, "resolve", false_alarm, now_ms=now_ms),
    )


async def note_incident(
    stores: Stores, incident_id: str, text: str, *, now_ms: int
) -> IncidentList:
    """Write a line into an incident's timeline."""
    await note(
        stores.incidents,
        incident_id,
        text=text,
        actor=stores.actor,
        now_ms=now_ms,
        entry_of=_entry_of(stores, "note", None, said=text, now_ms=now_ms),
    )
    return await incident_now(stores, incident_id, now_ms=now_ms)


async def assign_incident(
    stores: Stores, incident_id: str, owner: str, *, now_ms: int
) -> IncidentList:
    """Say whose an incident is."""
    await assign(
        stores.incidents,
        incident_id,
        owner=owner,
        actor=stores.actor,
        now_ms=now_ms,
        entry_of=_entry_of(stores, "assign", None, said=owner, now_ms=now_ms),
    )
    return await incident_now(stores, incident_id, now_ms=now_ms)


async def incident_now(stores: Stores, incident_id: str, *, now_ms: int) -> IncidentList:
    """An incident as every surface lists it."""
    books = stores.incidents, stores.decisions
    return await get_incidents(*books, stores.settings, incident_id=incident_id, now_ms=now_ms)


def _entry_of(
    stores: Stores,
    what: str,
    false_alarm: bool | None,  # noqa: FBT001 - absent, true or false
    *,
    said: str | None = None,
    now_ms: int,
) -> EntryOf:
    return partial(
        incident_entry,
        what,
        false_alarm=false_alarm,
        said=said,
        entry_id=stores.new_id(now_ms),
        now_ms=now_ms,
        actor=stores.actor,
        digest=stores.settings.digest,
    )
