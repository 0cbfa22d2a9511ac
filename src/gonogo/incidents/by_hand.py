"""A person's work on an incident: acknowledge, assign, note, resolve.

Each is written with its log entry, in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.ports.incidents import Event, IncidentChange, IncidentRecord, Incidents
from gonogo.records import Decision

NOTE_CHARS_MAX = 1000
OWNER_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class HandChange:
    """A change that a person makes to an incident.

    Attributes:
        kind: Its kind in the decision log.
        done: What the person did, as the log's summary says it before the incident's name.
        event: Its line in the timeline.
        change: The incident afterwards; None where it is so already.
        stated: What the person gave with it.
    """

    kind: str
    done: str
    event: str
    change: Callable[[IncidentRecord], IncidentRecord | None]
    stated: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


def acknowledge() -> HandChange:
    """Say that a person has seen it."""

    def change(found: IncidentRecord) -> IncidentRecord | None:
        return replace(found, status="acknowledged") if found.status == "open" else None

    return HandChange("acknowledge_incident", "acknowledged", "acknowledged", change)


def resolve(*, false_alarm: bool) -> HandChange:
    """Close it by a person's word; a false alarm is labelled as one."""

    def change(found: IncidentRecord) -> IncidentRecord | None:
        if found.status == "resolved":
            return None
        return replace(found, status="resolved", false_alarm=false_alarm)

    event = "resolved: false alarm" if false_alarm else "resolved"
    stated = {"false_alarm": false_alarm}
    return HandChange("resolve_incident", "resolved", event, change, stated)


def note(text: str) -> HandChange:
    """Write a line into its timeline; it is told like any other.

    Raises:
        ParameterError: There is nothing to write.
    """
    event = plain(text.strip(), NOTE_CHARS_MAX)
    if not event:
        raise ParameterError("A note needs a text: others will read it in the timeline.")
    return HandChange("note_incident", "wrote on", event, lambda found: found, {"said": text})


def assign(owner: str) -> HandChange:
    """Say whose it is.

    Raises:
        ParameterError: No name was given.
    """
    name = plain(owner.strip(), OWNER_CHARS_MAX)
    if not name:
        raise ParameterError("An owner needs a name: whose is this incident?")

    def change(found: IncidentRecord) -> IncidentRecord | None:
        return None if found.owner == name else replace(found, owner=name)

    event, stated = f"owned by {name}", {"said": owner}
    return HandChange("assign_incident", "gave an owner to", event, change, stated)


async def change_by_hand(
    incidents: Incidents,
    incident_id: str,
    hand: HandChange,
    *,
    actor: str,
    now_ms: int,
    entry_id: str | None = None,
    digest: str = "",
) -> IncidentRecord:
    """Make a person's change; the incident as it stands then.

    Where that changes it, a log entry of the id `entry_id` is written in the same transaction.

    Raises:
        UnknownTarget: There is no such incident.
    """

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        after = None if found is None else hand.change(found)
        if after is None:
            return IncidentChange()
        entry = None
        if entry_id is not None:
            entry = _entry(after, hand, entry_id, actor=actor, now_ms=now_ms, digest=digest)
        event = Event(now_ms, hand.event, actor, entry_id)
        return IncidentChange(replace(after, changed_ms=now_ms), (event,), entry=entry)

    found = await incidents.amend(incident_id, turn)
    if found is None:
        raise await unknown_incident(incidents, incident_id)
    return found


def _entry(
    incident: IncidentRecord,
    hand: HandChange,
    entry_id: str,
    *,
    actor: str,
    now_ms: int,
    digest: str,
) -> Decision:
    asked = {"dependency": incident.dependency, "incident_id": incident.id, **hand.stated}
    told = json.dumps(asked, sort_keys=True)
    as_what = " as a false alarm" if hand.stated.get("false_alarm") else ""
    return Decision(
        id=entry_id,
        ts_ms=now_ms,
        kind=hand.kind,
        verdict=None,
        summary=f"{actor} {hand.done} incident {incident.id} of {incident.dependency}{as_what}.",
        inputs=told,
        answer=told,
        action=True,
        dependency=incident.dependency,
        actor=actor,
        settings_digest=digest,
        last_ts_ms=now_ms,
    )


async def unknown_incident(incidents: Incidents, incident_id: str) -> UnknownTarget:
    """The error that names the incidents there are."""
    known = [incident.id for incident, _ in await incidents.incidents()]
    return UnknownTarget("incident", incident_id, known, "List the incidents first.")
