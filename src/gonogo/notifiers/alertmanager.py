"""Prometheus Alertmanager, by its API v2 (openapi.yaml of prometheus/alertmanager, /alerts).

Alertmanager forgets an alert past its end, so an incident that is not over is told each turn; the
same labels are one alert however often they come.
"""

from __future__ import annotations

from dataclasses import replace

from gonogo.answers import rfc3339
from gonogo.notifiers.post import encoded, post
from gonogo.ports.actuators import Step
from gonogo.ports.notices import Notice, Page

# How long an alert outlives the watcher that repeats it.
OUTLIVES_MS = 5 * 60_000


class Alertmanager:
    """Tells one Alertmanager.

    Args:
        name: Its name in the configuration.
        url: Where it is, without `/api/v2`.
    """

    repeats = True

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = f"{url.rstrip('/')}/api/v2/alerts"

    async def tell(self, page: Page, *, now_ms: int) -> Step:
        """Fire the alert of each part, or let it end: Alertmanager groups by itself."""
        return await post(self._url, encoded([_alert(page, p, now_ms) for p in page.parts]))


def _alert(page: Page, part: Notice, now_ms: int) -> dict[str, object]:
    incident, alone = part.incident, replace(page, parts=(part,))
    over = incident.status == "resolved"
    labels = {
        "alertname": "GonogoIncident",
        "dependency": incident.dependency,
        "cause": incident.cause,
        "kind": incident.kind,
        "severity": alone.severity,
        "provider": incident.provider,
    }
    annotations = {
        "summary": alone.headline,
        "status": incident.status,
        "incident": incident.id,
        "next": alone.command,
    }
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": annotations,
        "startsAt": rfc3339(incident.opened_ms),
        "endsAt": rfc3339(incident.changed_ms if over else now_ms + OUTLIVES_MS),
        **({"generatorURL": page.link} if page.link else {}),
    }
