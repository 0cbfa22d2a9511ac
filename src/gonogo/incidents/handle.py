"""Incidents: a degradation that lasts is opened once, followed, and closed when it is over.

A no_go opens an incident when it lasts: two looks at least 10 minutes apart with no go between
them by the same signal, or at once where the evidence is twice what an alarm needs. Drift and
trust of one dependency are signals of one cause, `quality`. It is resolved when no signal has said
no_go for 10 minutes and one says go again, while the traffic is on the primary; mitigated is not
resolved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from gonogo.answers import Incident, IncidentList, NextAction, TimelineEvent, rfc3339
from gonogo.answers.work_report import listed_of
from gonogo.errors import ParameterError, plain
from gonogo.incidents.by_hand import unknown_incident
from gonogo.ports.incidents import (
    Event,
    IncidentChange,
    IncidentRecord,
    Incidents,
    Kind,
    Status,
    TurnOf,
)
from gonogo.ports.standing_verdicts import NEVER_ASKED, verdicts_now
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import Verdict
from gonogo.settings import Settings
from gonogo.text.forms import counted, minute

LASTS_MS = 10 * 60_000
STRONG_FACTOR = 2.0
# Incidents of one provider and kind that open within this time are told on one page.
TOGETHER_MS = 60 * 60_000
QUALITY = "quality"
WHY_CHARS_MAX = 300
WATCHER = "gonogo"
# Incidents that a summary names.
NAMED = 3


@dataclass(frozen=True, slots=True)
class VerdictReading:
    """One verdict on a dependency as it is now; `on_primary`: no fallback is active.

    `goes_to`: where its calls go instead, in words, where they have left it. `signal` is who says it: one
    that says go does not speak for another that says no_go. `page` is the key that the provider's
    other incidents of the last hour are told under.
    """

    dependency: str
    verdict: Verdict
    why: str
    ts_ms: int
    decision_id: str | None = None
    e_value: float | None = None
    needed: float | None = None
    onset_ms: int | None = None
    on_primary: bool = True
    goes_to: str | None = None
    cause: str = QUALITY
    signal: str = "drift"
    suspected: str | None = None
    kind: Kind = "decline"
    provider: str | None = None
    page: str | None = None

    @property
    def is_strong(self) -> bool:
        """Evidence so strong that one look is enough."""
        if self.e_value is None or self.needed is None:
            return False
        return self.e_value >= STRONG_FACTOR * self.needed


async def note_verdict(
    incidents: Incidents,
    look: VerdictReading,
    *,
    new_id: Callable[[], str],
    suspect: Callable[[], Awaitable[str | None]] | None = None,
) -> str | None:
    """Let a verdict open, follow or close the incident of its dependency and cause.

    Any process may say it, at any time and again: only what changes is written. `suspect` is asked
    what it may come from when one is opened.

    Returns:
        The id of the unresolved incident, or of the one just resolved; None where there is none.
    """
    incident_id = new_id()
    turn = _turn_of(look, incident_id)
    found, suspected_ms = await incidents.standing(look.dependency, look.cause, look.signal)
    planned = turn(found, suspected_ms)
    if found is None and planned.incident is not None:
        look = replace(look, page=await _page(incidents, look))
        if suspect is not None:
            look = replace(look, suspected=await suspect())
        turn = _turn_of(look, incident_id)
    if planned.incident is not None or planned.suspected_ms != suspected_ms:
        noted = await incidents.note(look.dependency, look.cause, look.signal, turn)
        found = noted or found
    return found.id if found else None


async def _page(incidents: Incidents, look: VerdictReading) -> str | None:
    if look.provider is None:
        return None
    since_ms = look.ts_ms - TOGETHER_MS
    return await incidents.open_page(look.provider, look.kind, since_ms=since_ms)


def _turn_of(look: VerdictReading, incident_id: str) -> TurnOf:
    def turn(found: IncidentRecord | None, suspected_ms: int | None) -> IncidentChange:
        if look.verdict == "no_go":
            return _bad(found, suspected_ms, look, incident_id)
        if look.verdict == "go":
            return IncidentChange() if found is None else _well(found, look)
        return IncidentChange(suspected_ms=suspected_ms)

    return turn


def _bad(
    found: IncidentRecord | None, suspected_ms: int | None, look: VerdictReading, incident_id: str
) -> IncidentChange:
    why = plain(look.why, WHY_CHARS_MAX)
    if found is None:
        lasts = suspected_ms is not None and look.ts_ms - suspected_ms >= LASTS_MS
        if not (lasts or look.is_strong):
            return IncidentChange(suspected_ms=look.ts_ms if suspected_ms is None else suspected_ms)
        opened = IncidentRecord(
            id=incident_id,
            dependency=look.dependency,
            cause=look.cause,
            status="open" if look.goes_to is None else "mitigated",
            opened_ms=look.ts_ms,
            changed_ms=look.ts_ms,
            why=why,
            verdict="no_go",
            onset_ms=look.onset_ms,
            bad_signals=(look.signal,),
            suspected=look.suspected,
            kind=look.kind,
            provider=look.provider,
            page=look.page,
        )
        told = f"; suspected: {look.suspected}" if look.suspected else ""
        said = f"{why.removesuffix('.')}{told}" if told else why
        lead = "opened"
        if look.goes_to is not None:
            lead = f"mitigated; opened while its calls go to {look.goes_to}"
        return IncidentChange(opened, (_event(look, f"{lead}: {said}"),))
    signals = tuple(sorted({*found.bad_signals, look.signal}))
    again = found.well_since_ms is not None or found.status == "recovering"
    worse_kind = look.kind == "outage" and found.kind != "outage"
    if signals == found.bad_signals and not again and not worse_kind:
        return IncidentChange()
    status: Status = "open" if found.status == "recovering" and look.on_primary else found.status
    worse = replace(
        found,
        status=status,
        verdict="no_go",
        why=why,
        kind="outage" if worse_kind else found.kind,
        changed_ms=look.ts_ms,
        bad_signals=signals,
        well_since_ms=None,
    )
    seen = "bad again" if again else f"{look.signal} says so as well"
    seen = "an outage now" if worse_kind else seen
    return IncidentChange(worse, (_event(look, f"{seen}: {why}"),))


def _well(found: IncidentRecord, look: VerdictReading) -> IncidentChange:
    left = tuple(signal for signal in found.bad_signals if signal != look.signal)
    if left:
        return (
            IncidentChange()
            if left == found.bad_signals
            else IncidentChange(replace(found, bad_signals=left))
        )
    if found.well_since_ms is None:
        status: Status = "recovering" if look.on_primary else found.status
        advice = "" if look.on_primary else "; the fallback is still active"
        better = replace(
            found,
            status=status,
            verdict="go",
            changed_ms=look.ts_ms,
            bad_signals=(),
            well_since_ms=look.ts_ms,
        )
        return IncidentChange(better, (_event(look, f"well again{advice}"),))
    if not look.on_primary or look.ts_ms - found.well_since_ms < LASTS_MS:
        return IncidentChange()
    over = replace(found, status="resolved", changed_ms=look.ts_ms)
    return IncidentChange(over, (_event(look, "resolved: it stayed well"),))


def _event(look: VerdictReading, text: str) -> Event:
    return Event(look.ts_ms, text, WATCHER, look.decision_id)


def moved(before: tuple[Status, ...], after: Status, event: Event) -> TurnOf:
    """Let an event carry an incident from one of these states to another."""

    def turn(found: IncidentRecord | None, _: int | None) -> IncidentChange:
        if found is None or found.status not in before:
            return IncidentChange()
        return IncidentChange(replace(found, status=after, changed_ms=event.ts_ms), (event,))

    return turn


async def get_incidents(
    incidents: Incidents,
    log: DecisionLog,
    settings: Settings,
    *,
    dependency: str | None = None,
    status: str | None = None,
    incident_id: str | None = None,
    now_ms: int,
) -> IncidentList:
    """List incidents with their timelines, the resolved ones last.

    Counts are of all that there are; the newest 50 are listed. Each carries the standing verdict
    of its dependency.

    Raises:
        ParameterError: `status` is none of the five.
        UnknownTarget: There is no incident with this id.
    """
    known: tuple[Status, ...] = get_args(Status)
    wanted = next((name for name in known if name == status), None)
    if status is not None and wanted is None:
        raise ParameterError(f"status '{plain(status, 60)}' is none of: {', '.join(known)}.")
    found = await incidents.incidents(dependency=dependency, status=wanted, incident_id=incident_id)
    if incident_id is not None and not found:
        raise await unknown_incident(incidents, incident_id)
    counts = Counter(incident.status for incident, _ in found)
    if incident_id is None:
        counts.clear()
        for (_, each), n in (await incidents.counts(dependency=dependency, status=wanted)).items():
            counts[each] += n
    listed = await _listed(found, counts, log, settings, now_ms=now_ms)
    if dependency is None and wanted is None:
        return listed
    summary = _summary(listed.incidents, counts, dependency, wanted)
    asked = {"dependency": dependency, "status": wanted, "summary": summary}
    return listed.model_copy(update=asked)


async def incidents_named(
    incidents: Incidents,
    log: DecisionLog,
    settings: Settings,
    incident_ids: Sequence[str],
    *,
    now_ms: int,
) -> IncidentList:
    """Some incidents by their ids, each with its timeline; nothing else is counted."""
    found = [
        each
        for incident_id in incident_ids
        for each in await incidents.incidents(incident_id=incident_id)
    ]
    counts = Counter(incident.status for incident, _ in found)
    return await _listed(found, counts, log, settings, now_ms=now_ms)


async def _listed(
    found: Sequence[tuple[IncidentRecord, list[Event]]],
    counts: Counter[Status],
    log: DecisionLog,
    settings: Settings,
    *,
    now_ms: int,
) -> IncidentList:
    names = sorted({incident.dependency for incident, _ in found})
    standing = await verdicts_now(log, settings, now_ms=now_ms, names=names)
    lines = [
        _answer(incident, events, standing.get(incident.dependency, NEVER_ASKED).verdict)
        for incident, events in found
    ]
    unhandled = counts["open"] + counts["acknowledged"]
    verdict: Verdict = (
        "no_go" if unhandled else "caution" if counts.total() > counts["resolved"] else "go"
    )
    first = [line for line in lines if line.status in ("open", "acknowledged")][:1]
    return IncidentList(
        verdict=verdict,
        summary=_summary(lines, counts),
        as_of=rfc3339(now_ms),
        next_actions=[_next(line) for line in first],
        incidents=lines,
        active=counts.total() - counts["resolved"] or None,
        counts={each: counts[each] for each in get_args(Status) if counts[each]} or None,
    )


def _answer(incident: IncidentRecord, events: list[Event], verdict: Verdict) -> Incident:
    return Incident(
        id=incident.id,
        dependency=incident.dependency,
        status=incident.status,
        opened_at=rfc3339(incident.opened_ms),
        cause=f"{incident.what}: {incident.why.removeprefix('outage: ')}"
        + (" (false alarm)" if incident.false_alarm else ""),
        suspected=incident.suspected,
        onset=None if incident.onset_ms is None else rfc3339(incident.onset_ms),
        verdict=verdict,
        owner=incident.owner,
        timeline=[
            TimelineEvent(
                ts=rfc3339(e.ts_ms),
                event=e.event.replace(f": {incident.why}", "", 1),  # the cause says it
                actor=e.actor,
            )
            for e in events
        ],
    )


def _summary(
    lines: list[Incident],
    counts: Counter[Status],
    dependency: str | None = None,
    status: Status | None = None,
) -> str:
    """Count the open incidents and name the first few, of the dependency and status that were asked for."""
    of = "" if dependency is None else f" of {plain(dependency, 80)}"
    resolved, total = counts["resolved"], counts.total()
    listed = listed_of(len(lines)) if total > len(lines) else ""
    if not total:
        return f"No {status} incident{of}." if status else f"No incident{of}."
    active = total - (resolved if status is None else 0)
    if not active:
        return f"No incident{of} is being handled; {resolved:,} resolved.{listed}"
    shown = [line for line in lines if status or line.status != "resolved"][:NAMED]
    told = "; ".join(f"{line.dependency} {line.status}, {_since(line)}" for line in shown)
    among = ", among them" if active > len(shown) else ""
    if status is not None:
        return f"{counted(active, f'{status} incident')}{of}{among}: {told}.{listed}"
    return f"{counted(active, 'incident')}{of} being handled{among}: {told}.{listed}"


def _since(line: Incident) -> str:
    """The times when it began and when it was noticed; only the latter where the former is unknown."""
    noticed = f"noticed {minute(line.opened_at)}"
    return noticed if line.onset is None else f"bad since {minute(line.onset)}, {noticed}"


def _next(line: Incident) -> NextAction:
    return NextAction(
        tool="check_model_drift",
        arguments={"dependency": line.dependency},
        reason="how it stands now, and the way back where there is one",
    )
