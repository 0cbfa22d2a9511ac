"""A switch that nothing bad was measured before still has an incident, to be followed by."""

from __future__ import annotations

from pathlib import Path

import pytest

from fallback_world import world
from gonogo.answers import FallbackResult

pytestmark = pytest.mark.anyio


async def test_a_switch_without_an_incident_opens_one(tmp_path: Path) -> None:
    """Mitigated, with the reason that was given; on the way back it is followed like any other."""
    async with world(tmp_path) as w:
        result = await w.switched()
        [(incident, events)] = await w.ports.incidents.incidents(dependency="m")
        assert (incident.id, incident.status) == (result.incident_id, "mitigated")
        route_now = await w.routes.route("m")
        assert route_now is not None
        assert route_now.incident_id == incident.id
        assert (incident.why, incident.verdict) == (route_now.why, "unknown")
        assert [event.event for event in events] == [
            f"mitigated; opened by a switch: {route_now.why}"
        ]
        back = await w.undo(result.audit_id)
        assert isinstance(back, FallbackResult)
        assert back.incident_id == incident.id
        [(incident, _)] = await w.ports.incidents.incidents(dependency="m")
        assert incident.status == "recovering"
