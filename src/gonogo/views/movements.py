"""Changes while somebody listens: standing verdicts, incidents, the last action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.records import Verdict, worst_verdict

if TYPE_CHECKING:
    from gonogo.ports.incidents import Incidents
    from gonogo.ports.telemetry import DecisionLog

# Those that changed last: more than change between two looks.
INCIDENTS_FOLLOWED = 200


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one look. `incidents` are (dependency, when it last changed, epoch ms) by id."""

    verdicts: Mapping[str, Verdict]
    incidents: Mapping[str, tuple[str, int]]
    last_action: str | None


@dataclass(frozen=True, slots=True)
class Movements:
    """The differences between two looks: names of dependencies, ids of incidents, the chain's end."""

    dependencies: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    actions: bool = False


async def look(log: DecisionLog, incidents: Incidents) -> Snapshot:
    """Take one look; three small reads, whatever the history."""
    standing = await log.standing()
    changed = await incidents.changed(limit=INCIDENTS_FOLLOWED)
    newest = await log.actions(limit=1)
    return Snapshot(
        verdicts={
            name: worst_verdict([part.verdict for part in found.parts])
            for name, found in standing.items()
        },
        incidents={found.id: (found.dependency, found.changed_ms) for found in changed},
        last_action=newest[0].id if newest else None,
    )


def moved(before: Snapshot, after: Snapshot) -> Movements:
    """The differences, sorted; a dependency counts where its verdict or an incident of it changed."""
    incidents = {
        found for found, what in after.incidents.items() if before.incidents.get(found) != what
    }
    dependencies = {
        name for name, verdict in after.verdicts.items() if before.verdicts.get(name) != verdict
    } | {after.incidents[found][0] for found in incidents}
    return Movements(
        tuple(sorted(dependencies)),
        tuple(sorted(incidents)),
        actions=before.last_action != after.last_action,
    )
