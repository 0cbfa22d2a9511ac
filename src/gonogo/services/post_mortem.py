"""What happened, as a person would write it down: each claim with the decision that it rests on.

What nobody recorded is left blank, for a person to fill in; nothing is made up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gonogo.answers import rfc3339
from gonogo.errors import UnknownTarget, plain

if TYPE_CHECKING:
    from gonogo.records import Decision
    from gonogo.services.ports import DecisionLog
    from gonogo.services.ports_actions import Event, Handled, Incidents

# What was decided shortly before it opened or after it closed belongs to it: the looks that made it
# last, the baseline that a false alarm moved.
AROUND_MS = 3_600_000
DECISIONS_MAX = 2_000
BLANK = "_Not recorded._"
CLAIM_CHARS_MAX = 400


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
    cited = {event.decision_id for event in events if event.decision_id}
    looks = [d for d in decided if not d.action and (d.id in cited or d.verdict == "no_go")]
    actions = [d for d in decided if d.action]
    return "\n".join(
        [
            *_head(incident, until_ms),
            *_section(
                "Timeline", [_line(e.ts_ms, e.event, e.actor, e.decision_id) for e in events]
            ),
            *_section("What was seen", [_decision(d) for d in looks]),
            *_section("What was done", [_decision(d) for d in actions]),
            *_section("Where it may come from", _suspects(incident, events)),
            *_section("Root cause", []),
            *_section("What to change", []),
        ]
    )


def _head(incident: Handled, until_ms: int) -> list[str]:
    over = incident.status == "resolved"
    label = " (false alarm)" if incident.false_alarm else ""
    began = rfc3339(incident.onset_ms) if incident.onset_ms else "unknown"
    return [
        f"# {_escaped(incident.dependency)}: {_escaped(incident.cause)}, incident `{incident.id}`",
        "",
        "| | |",
        "|---|---|",
        f"| Status | {incident.status}{label} |",
        f"| Began (estimated) | {began} |",
        f"| Opened | {rfc3339(incident.opened_ms)} |",
        f"| {'Resolved' if over else 'As of'} | {rfc3339(until_ms)} |",
        f"| {'Lasted' if over else 'Open for'} | {_duration(until_ms - incident.opened_ms)} |",
    ]


def _duration(ms: int) -> str:
    minutes = max(ms, 0) // 60_000
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(lines or [BLANK])]


def _suspects(incident: Handled, events: list[Event]) -> list[str]:
    if not incident.suspected:
        return []
    opened = next((event.decision_id for event in events if event.decision_id), None)
    return [f"- {_escaped(text)}{_cited(opened)}" for text in incident.suspected.split("; ")]


def _decision(decision: Decision) -> str:
    times = f" (asked {decision.count} times)" if decision.count > 1 else ""
    return _line(decision.ts_ms, decision.summary + times, decision.actor, decision.id)


def _line(ts_ms: int, claim: str, actor: str, decision_id: str | None) -> str:
    who = f" ({_escaped(actor)})"
    return f"- {rfc3339(ts_ms)} {_escaped(plain(claim, CLAIM_CHARS_MAX))}{who}{_cited(decision_id)}"


def _cited(decision_id: str | None) -> str:
    return f" [`{decision_id}`]" if decision_id else ""


def _escaped(text: str) -> str:
    """Stored text as text: no markup of its own, neither Markdown's nor HTML's."""
    return re.sub(r"([\\`*_{}\[\]<>|#!])", r"\\\1", text)
