"""The post-mortem: each of its claims names the decision that it rests on.

What nobody recorded is left blank, for a person to fill in; nothing is made up.
"""

from __future__ import annotations

import re

from gonogo.answers import rfc3339
from gonogo.errors import UnknownTarget, plain
from gonogo.ports.incidents import Event, IncidentRecord, Incidents
from gonogo.ports.telemetry import DecisionLog
from gonogo.records import Decision
from gonogo.text.forms import actor_name, span

# What was decided shortly before it opened or after it closed belongs to it: the looks that made it
# last, the baseline that a false alarm moved.
AROUND_MS = 3_600_000
DECISIONS_MAX = 2_000
BLANK = "_Not recorded._"
CLAIM_CHARS_MAX = 400
# The states that somebody brought about, as their events begin.
TURNS = ("acknowledged", "mitigated", "recovering")


async def post_mortem(
    incidents: Incidents, log: DecisionLog, incident_id: str, *, now_ms: int
) -> str:
    """A post-mortem in Markdown.

    Raises:
        UnknownTarget: There is no such incident.
    """
    found = await incidents.incidents(incident_id=incident_id)
    if not found:
        known = [incident.id for incident, _ in await incidents.incidents()]
        raise UnknownTarget("incident", incident_id, known, "List the incidents first.")
    [(incident, events)] = found
    newest = await log.decisions(dependency=incident.dependency, limit=DECISIONS_MAX)
    until_ms = incident.changed_ms if incident.status == "resolved" else now_ms
    since_ms = incident.opened_ms - AROUND_MS
    decided = [
        d for d in reversed(newest) if d.last_ts_ms >= since_ms and d.ts_ms <= until_ms + AROUND_MS
    ]
    # All that was read, and the oldest of it is of this incident still: there is more.
    is_cut = len(newest) == DECISIONS_MAX and newest[-1].last_ts_ms >= since_ms
    cited = {event.decision_id for event in events if event.decision_id}
    looks = [d for d in decided if not d.action and (d.id in cited or d.verdict == "no_go")]
    actions = [d for d in decided if d.action]
    return "\n".join(
        [
            *_head(incident, events, until_ms),
            *_section(
                "Timeline", [_line(e.ts_ms, e.event, e.actor, e.decision_id) for e in events]
            ),
            *_section(
                "What was seen",
                [
                    *(
                        [f"Only the newest {DECISIONS_MAX:,} decisions are told here."]
                        if is_cut
                        else []
                    ),
                    *(_folded(same) for same in _alike(looks)),
                ],
            ),
            *_section("What was done", [_folded([d]) for d in actions]),
            *_section("Where it may come from", _suspects(incident, events)),
            *_section("Root cause", []),
            *_section("What to change", []),
        ]
    )


def _head(incident: IncidentRecord, events: list[Event], until_ms: int) -> list[str]:
    over = incident.status == "resolved"
    label = " (false alarm)" if incident.false_alarm else ""
    opened_ms, onset_ms = incident.opened_ms, incident.onset_ms
    began_ms = opened_ms if onset_ms is None else onset_ms
    lasted = span(until_ms - began_ms)
    if onset_ms is not None:
        lasted += f", {span(until_ms - opened_ms)} of it known"
    rows = [
        ("Status", f"{incident.status}{label}"),
        ("Began (estimated)", "unknown" if onset_ms is None else rfc3339(onset_ms)),
        ("Noticed", _after(opened_ms, onset_ms, "it began")),
    ]
    for turn in TURNS:
        first = next((event for event in events if event.event.startswith(turn)), None)
        if first is not None:
            when = _after(first.ts_ms, opened_ms, "it was noticed")
            rows.append((turn.capitalize(), f"{when}, by {_escaped(actor_name(first.actor))}"))
    rows += [
        ("Resolved" if over else "As of", rfc3339(until_ms)),
        ("Lasted" if over else "Open for", lasted),
    ]
    return [
        f"# {_escaped(incident.dependency)}: {_escaped(incident.what)}, incident `{incident.id}`",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
    ]


def _after(ts_ms: int, since_ms: int | None, what: str) -> str:
    if since_ms is None or ts_ms <= since_ms:
        return rfc3339(ts_ms)
    return f"{rfc3339(ts_ms)}, {span(ts_ms - since_ms)} after {what}"


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(lines or [BLANK])]


def _suspects(incident: IncidentRecord, events: list[Event]) -> list[str]:
    if not incident.suspected:
        return []
    opened = next((event.decision_id for event in events if event.decision_id), None)
    return [f"- {_escaped(text)}{_cited(opened)}" for text in incident.suspected.split("; ")]


def _alike(looks: list[Decision]) -> list[list[Decision]]:
    """Looks of one kind by one actor together, in the order of their first."""
    found: dict[tuple[str, str, str | None], list[Decision]] = {}
    for look in looks:
        found.setdefault((look.kind, look.actor, look.verdict), []).append(look)
    return list(found.values())


def _folded(same: list[Decision]) -> str:
    """Fold repeated looks into one line: the first look, and the answer of the last."""
    first, last = same[0], same[-1]
    times = sum(decision.count for decision in same)
    said = plain(first.summary, CLAIM_CHARS_MAX)
    cited = first.id
    if times > 1:
        until_ms = last.last_ts_ms or last.ts_ms
        over = f" in {span(until_ms - first.ts_ms)}" if until_ms > first.ts_ms else ""
        said = f"{said.rstrip('.')}. Asked {times} times{over}"
        if last.summary != first.summary:
            said += f"; at the end: {plain(last.summary, CLAIM_CHARS_MAX)}"
            cited += f"`, `{last.id}"
    return _line(first.ts_ms, said, first.actor, cited)


def _line(ts_ms: int, claim: str, actor: str, decision_id: str | None) -> str:
    said = _escaped(plain(claim, 2 * CLAIM_CHARS_MAX))
    return f"- {rfc3339(ts_ms)} {said} ({_escaped(actor_name(actor))}){_cited(decision_id)}"


def _cited(decision_id: str | None) -> str:
    return f" [`{decision_id}`]" if decision_id else ""


def _escaped(text: str) -> str:
    """Stored text as text: no markup of its own, neither Markdown's nor HTML's."""
    return re.sub(r"([\\`*_{}\[\]<>|#!])", r"\\\1", text)
