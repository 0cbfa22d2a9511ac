"""The effect of a changed route on incidents: mitigated, recovering, stuck, opened by a switch."""

from __future__ import annotations

from dataclasses import replace

from gonogo.errors import plain
from gonogo.incidents.handle import QUALITY, WHY_CHARS_MAX, moved
from gonogo.ports.incidents import Event, IncidentChange, IncidentRecord, Incidents, Status, TurnOf


async def note_route(
    incidents: Incidents,
    dependency: str,
    *,
    on_primary: bool,
    why: str,
    actor: str,
    decision_id: str,
    now_ms: int,
    is_step: bool = False,
    opens: str | None = None,
) -> str | None:
    """Carry a route change into the dependency's unresolved incidents; the id of the first, or the last.

    `is_step`: one of several on the way back, told also where the state stays the same. `opens`:
    the id of the incident that a switch opens where there is none: away from the primary, or home
    from a candidate on trial.
    """
    first = last = None
    for incident, _ in await incidents.incidents(dependency=dependency):
        last = last or incident.id
        if incident.status == "resolved":
            continue
        first = first or incident.id
        before: tuple[Status, ...] = (
            ("mitigated",) if on_primary else ("open", "acknowledged", "recovering")
        )
        after: Status = "recovering" if on_primary else "mitigated"
        if incident.status in before:
            event = Event(now_ms, f"{after}: {plain(why, WHY_CHARS_MAX)}", actor, decision_id)
            await incidents.amend(incident.id, moved(before, after, event))
        elif is_step:
            event = Event(now_ms, plain(why, WHY_CHARS_MAX), actor, decision_id)
            same = (incident.status,)
            await incidents.amend(incident.id, moved(same, incident.status, event))
    if first is None and opens is not None and not (on_primary and (last or is_step)):
        status: Status = "recovering" if on_primary else "mitigated"
        said = f"{status}; opened by a switch: {plain(why, WHY_CHARS_MAX)}"
        event = Event(now_ms, said, actor, decision_id)
        opened = await incidents.change(
            dependency, QUALITY, "switch", _switched(opens, dependency, status, event, why)
        )
        first = opened.id if opened else None
    return first or last


def _switched(incident_id: str, dependency: str, status: Status, event: Event, why: str) -> TurnOf:
    """Open what somebody has mitigated already: no signal has said anything bad of it."""

    def turn(found: IncidentRecord | None, suspected_ms: int | None) -> IncidentChange:
        if found is not None:
            return IncidentChange(suspected_ms=suspected_ms)
        return IncidentChange(
            IncidentRecord(
                id=incident_id,
                dependency=dependency,
                cause=QUALITY,
                status=status,
                opened_ms=event.ts_ms,
                changed_ms=event.ts_ms,
                why=plain(why, WHY_CHARS_MAX),
                verdict="unknown",
            ),
            (event,),
        )

    return turn


async def note_stuck(
    incidents: Incidents, dependency: str, *, why: str, actor: str, decision_id: str, now_ms: int
) -> None:
    """Put mitigated incidents before people again, once: their fallback cannot go on by itself."""
    why = plain(why, WHY_CHARS_MAX)
    event = Event(now_ms, f"open again: {why}", actor, decision_id)

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        if found is None or found.status != "mitigated" or found.why == why:
            return IncidentChange()
        return IncidentChange(replace(found, status="open", why=why, changed_ms=now_ms), (event,))

    for incident, _ in await incidents.incidents(dependency=dependency, status="mitigated"):
        await incidents.amend(incident.id, turn)
