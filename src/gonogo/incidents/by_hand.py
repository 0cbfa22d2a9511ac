"""A person's work on an incident: acknowledge, assign, note, resolve.

Each is written with its log entry in one transaction where `entry_of` makes one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.ports.incidents import Event, IncidentChange, IncidentRecord, Incidents, TurnOf
from gonogo.records import Decision

# The log entry of what a person did, of the incident as it stands then.
EntryOf = Callable[["IncidentRecord"], "Decision"]
NOTE_CHARS_MAX = 1000
OWNER_CHARS_MAX = 100


async def acknowledge(
    incidents: Incidents,
    incident_id: str,
    *,
    actor: str,
    now_ms: int,
    entry_of: EntryOf | None = None,
) -> IncidentRecord:
    """Say that a person has seen it; the incident as it stands then.

    Where that changes it, the log entry that `entry_of` makes is written in the same transaction.

    Raises:
        UnknownTarget: There is no such incident.
    """

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        if found is None or found.status != "open":
            return IncidentChange()
        seen = replace(found, status="acknowledged", changed_ms=now_ms)
        return _by_hand(seen, Event(now_ms, "acknowledged", actor), entry_of)

    return await _amended(incidents, incident_id, turn)


async def resolve(
    incidents: Incidents,
    incident_id: str,
    *,
    false_alarm: bool,
    actor: str,
    now_ms: int,
    entry_of: EntryOf | None = None,
) -> IncidentRecord:
    """Close it by a person's word, as `acknowledge` does; a false alarm is labelled as one."""
    said = "resolved: false alarm" if false_alarm else "resolved"

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        if found is None or found.status == "resolved":
            return IncidentChange()
        closed = replace(found, status="resolved", changed_ms=now_ms, false_alarm=false_alarm)
        return _by_hand(closed, Event(now_ms, said, actor), entry_of)

    return await _amended(incidents, incident_id, turn)


async def _amended(incidents: Incidents, incident_id: str, turn: TurnOf) -> IncidentRecord:
    found = await incidents.amend(incident_id, turn)
    if found is None:
        raise await unknown_incident(incidents, incident_id)
    return found


def _by_hand(incident: IncidentRecord, event: Event, entry_of: EntryOf | None) -> IncidentChange:
    if entry_of is None:
        return IncidentChange(incident, (event,))
    entry = entry_of(incident)
    return IncidentChange(incident, (replace(event, decision_id=entry.id),), entry=entry)


async def note(
    incidents: Incidents,
    incident_id: str,
    *,
    text: str,
    actor: str,
    now_ms: int,
    entry_of: EntryOf | None = None,
) -> IncidentRecord:
    """Write a line into its timeline; it is told like any other.

    Raises:
        ParameterError: There is nothing to write.
        UnknownTarget: There is no such incident.
    """
    said = plain(text.strip(), NOTE_CHARS_MAX)
    if not said:
        raise ParameterError("A note needs a text: others will read it in the timeline.")

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        if found is None:
            return IncidentChange()
        return _by_hand(replace(found, changed_ms=now_ms), Event(now_ms, said, actor), entry_of)

    return await _amended(incidents, incident_id, turn)


async def assign(
    incidents: Incidents,
    incident_id: str,
    *,
    owner: str,
    actor: str,
    now_ms: int,
    entry_of: EntryOf | None = None,
) -> IncidentRecord:
    """Say whose it is.

    Raises:
        ParameterError: No name was given.
        UnknownTarget: There is no such incident.
    """
    name = plain(owner.strip(), OWNER_CHARS_MAX)
    if not name:
        raise ParameterError("An owner needs a name: whose is this incident?")

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        if found is None or found.owner == name:
            return IncidentChange()
        owned = replace(found, owner=name, changed_ms=now_ms)
        return _by_hand(owned, Event(now_ms, f"owned by {name}", actor), entry_of)

    return await _amended(incidents, incident_id, turn)


async def unknown_incident(incidents: Incidents, incident_id: str) -> UnknownTarget:
    """The error that names the incidents there are."""
    known = [incident.id for incident, _ in await incidents.incidents()]
    return UnknownTarget("incident", incident_id, known, "List the incidents first.")
