"""`gonogo doctor --coherence`: asks the store everything, and names what disagrees."""

from __future__ import annotations

from gonogo.cli.command import Session
from gonogo.cli.doctor.findings import Finding
from gonogo.coherence import MOMENT_RULES, RULES, look, moment_disagreements
from gonogo.dashboard.dashboard_server import Onlooker
from gonogo.errors import GonogoError

# Asked about one by one, the worst of the fleet first; lists and counts are of all.
DEPENDENCIES_MAX = 50


async def coherent(session: Session) -> list[Finding]:
    """Whether every answer of the store holds together; nothing is written."""
    now_ms = session.app.clock()  # time stands still meanwhile: it decides verdicts, too
    try:
        async with Onlooker(session.settings, clock=lambda: now_ms, actor="doctor") as onlooker:
            moment = await look(onlooker, names_max=DEPENDENCIES_MAX)
    except GonogoError as error:
        return [Finding("coherence", "broken", str(error))]
    found = moment_disagreements(moment)
    if found:
        return [Finding(each.rule, "broken", each.found) for each in dict.fromkeys(found)]
    asked = f"{len(moment.said)} answers about {len(moment.asked)} of {len(moment.rows)}"
    rules = len(RULES) + len(MOMENT_RULES)
    return [Finding("coherence", "ok", f"{asked} dependencies agree by {rules} rules")]
