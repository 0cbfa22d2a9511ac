"""Changes that people and pipelines record: a deployment, a prompt, a configuration, beside an onset.

A change at about the same time may have nothing to do with a degradation, so each is checked against
the evidence: whether calls of the version that it names began then, and whether the slice that it
names is one that fell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from gonogo.answers import DriftReport, rfc3339
from gonogo.ports.change_event import ChangeEvent
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import DAY_MS, HOUR_MS, Decision, Dependency
from gonogo.text.forms import minute

# The kind of its entry in the decision log.
CHANGE = "change_event"
# Entries read at first; more where these do not reach back to the period that is asked about.
READ_FIRST = 500
# An onset is known to the hour, and what is rolled out acts with some delay.
BEFORE_MS = 6 * HOUR_MS
# Calls of a version that begin so long after its event are its own.
BEGINS_WITHIN_MS = DAY_MS
TOLD_MAX = 3

Bearing = Literal["supported", "unknown", "against"]


def entry_of_change(
    event: ChangeEvent, *, entry_id: str, now_ms: int, actor: str, digest: str
) -> Decision:
    """Make the change's log entry; the entry's own time is when it was recorded."""
    stated = {
        "what": event.what,
        "at_ms": event.at_ms,
        "dependency": event.dependency,
        "version": event.version,
        "segment": event.segment,
        "note": event.note,
    }
    text = json.dumps({name: value for name, value in stated.items() if value is not None})
    return Decision(
        id=entry_id,
        ts_ms=now_ms,
        kind=CHANGE,
        verdict=None,
        summary=f"{event.dependency or 'everything'}: {event.told}",
        inputs=text,
        answer=text,
        action=True,
        dependency=event.dependency,
        actor=actor,
        settings_digest=digest,
    )


async def recorded_changes(
    log: DecisionLog, dependency: str | None, *, start_ms: int, end_ms: int
) -> list[ChangeEvent]:
    """The changes of a period that may touch a dependency (None: all), the newest first."""
    limit = READ_FIRST
    while True:
        entries = await log.decisions(kind=CHANGE, limit=limit)
        # A change is recorded at most a day before it takes place: entries before that are of other periods.
        if len(entries) < limit or entries[-1].last_ts_ms < start_ms - DAY_MS:
            break
        limit *= 4
    found = [
        ChangeEvent(**json.loads(entry.answer))
        for entry in entries
        if entry.dependency in (None, dependency)
    ]
    within = [event for event in found if start_ms <= event.at_ms <= end_ms]
    return sorted(within, key=lambda event: -event.at_ms)


async def changes_in_words(
    log: DecisionLog, report: DriftReport, known: Dependency | None
) -> list[str]:
    """The changes recorded near an onset, those that evidence supports first; contradicted ones are left out."""
    if report.onset is None:
        return []
    start_ms, end_ms = (_epoch_ms(at) for at in (report.onset.earliest, report.onset.latest))
    found = await recorded_changes(
        log, report.dependency, start_ms=start_ms - BEFORE_MS, end_ms=end_ms + HOUR_MS
    )
    return _ranked(found, report, known)


def _ranked(
    found: Sequence[ChangeEvent], report: DriftReport, known: Dependency | None
) -> list[str]:
    plausible: list[tuple[Bearing, str]] = []
    for event in found:
        bearing, why = _bearing(event, report, known)
        if bearing != "against":
            plausible.append((bearing, f"{event.told}, {why}"))
    return [told for _, told in sorted(plausible, key=lambda one: one[0] != "supported")][:TOLD_MAX]


def _bearing(
    event: ChangeEvent, report: DriftReport, known: Dependency | None
) -> tuple[Bearing, str]:
    """Judge whether evidence ties a change to the incident, and say which evidence."""
    if event.version is not None and known is not None:
        first = [v.first_ts_ms for v in known.versions if v.version == event.version]
        if first and first[0] > event.at_ms + BEGINS_WITHIN_MS:
            return "against", "its calls began later"
        if first and first[0] >= event.at_ms - HOUR_MS and first[0] > known.first_ts_ms:
            return "supported", f"its calls began {minute(rfc3339(first[0]))}"
        if known.versions and not first:
            return "unknown", "no call names this version; near in time alone"
    slices = {one.segment: one.drifted for one in report.segments or ()}
    if event.segment is not None and slices:
        if slices.get(event.segment):
            return "supported", "this slice fell"
        if event.segment in slices or any(slices.values()):
            return "against", "this slice did not fall"
    return "unknown", "near in time alone"


def _epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
