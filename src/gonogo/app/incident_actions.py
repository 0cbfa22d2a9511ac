"""A person's actions on incidents, and the changes they record: logged in one transaction, then shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from gonogo.answers import IncidentList
from gonogo.app.parts import Stores
from gonogo.border.characters import name_of
from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.hours.periods import moment
from gonogo.incidents.by_hand import HandChange, acknowledge, change_by_hand
from gonogo.incidents.change_events import entry_of_change, recorded_changes
from gonogo.incidents.handle import get_incidents, incidents_named
from gonogo.ports.change_event import ChangeEvent, What
from gonogo.ports.incidents import IncidentRecord
from gonogo.records import DAY_MS, Decision

TEXT_CHARS_MAX = 200


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
        await changed_by_hand(stores, incident_id, acknowledge(), now_ms=now_ms)
    books = stores.incidents, stores.decisions
    return await incidents_named(*books, stores.settings, ids, now_ms=now_ms)


async def change_incident(
    stores: Stores, incident_id: str, hand: HandChange, *, now_ms: int
) -> IncidentList:
    """Make a person's change of an incident; the incident as every surface lists it."""
    await changed_by_hand(stores, incident_id, hand, now_ms=now_ms)
    return await incident_now(stores, incident_id, now_ms=now_ms)


async def changed_by_hand(
    stores: Stores, incident_id: str, hand: HandChange, *, now_ms: int
) -> IncidentRecord:
    """Make and log a person's change of an incident; the incident as it stands then."""
    return await change_by_hand(
        stores.incidents,
        incident_id,
        hand,
        actor=stores.actor,
        now_ms=now_ms,
        entry_id=stores.new_id(now_ms),
        digest=stores.settings.digest,
    )


async def incident_now(stores: Stores, incident_id: str, *, now_ms: int) -> IncidentList:
    """An incident as every surface lists it."""
    books = stores.incidents, stores.decisions
    return await get_incidents(*books, stores.settings, incident_id=incident_id, now_ms=now_ms)


async def record_change(
    stores: Stores,
    what: str,
    names: Sequence[str],
    *,
    version: str | None = None,
    segment: str | None = None,
    note: str | None = None,
    at: str | None = None,
    now_ms: int,
    actor: str | None = None,
) -> list[Decision]:
    """Record a change of these dependencies, or of all; the new entries of the decision log.

    A change that is told again, as a pipeline does that got no answer, is one change.

    Raises:
        UnknownTarget: A name is neither recorded nor configured.
        ParameterError: It is no kind of change, the time is none or lies over a day ahead, or a slice is not
            KEY=VALUE.
    """
    if what not in get_args(What):
        raise ParameterError(
            f"'{plain(what, 60)}' is no kind of change: {', '.join(get_args(What))}."
        )
    meant = await _known_names(stores, names)
    if segment is not None and "=" not in segment:
        raise ParameterError(f"segment '{plain(segment, 60)}' is not KEY=VALUE.")
    zone = stores.settings.timezone
    at_ms = now_ms if at is None else moment(at, name="at", zone=zone).start_ms
    if at_ms > now_ms + DAY_MS:
        raise ParameterError(f"at '{plain(at or '', 60)}' is more than a day ahead of the clock.")
    made = []
    touched: list[str | None] = [*dict.fromkeys(meant)] or [None]
    for one in touched:
        event = ChangeEvent(
            what,
            at_ms,
            dependency=one,
            version=_short(version),
            segment=_short(segment),
            note=_short(note),
        )
        told = await recorded_changes(stores.decisions, one, start_ms=at_ms, end_ms=at_ms)
        if event in told:
            continue
        entry = entry_of_change(
            event,
            entry_id=stores.new_id(now_ms),
            now_ms=now_ms,
            actor=actor or stores.actor,
            digest=stores.settings.digest,
        )
        await stores.decisions.append(entry)
        made.append(entry)
    return made


async def _known_names(stores: Stores, names: Sequence[str]) -> list[str]:
    known = {*await stores.telemetry.names(), *stores.settings.dependencies}
    meant = [name_of(name) for name in names]
    for name in meant:
        if name not in known:
            raise UnknownTarget(
                "dependency", name, sorted(known), "Record observations first, or check the name."
            )
    return meant


def _short(text: str | None) -> str | None:
    # Suspects are told one after another with "; " between them.
    return None if text is None else plain(text.strip(), TEXT_CHARS_MAX).replace(";", ",") or None
