"""PagerDuty, by its Events API v2 (PagerDuty/developer-docs, 02-Trigger-Events.md).

Triggers of one key are one alert until it is resolved; a trigger after that opens a new one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gonogo.answers import rfc3339
from gonogo.notifiers.post import encoded, post

if TYPE_CHECKING:
    from gonogo.ports.actuators import Step
    from gonogo.ports.notices import Notice

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
KEY_CHARS_MAX = 255
SUMMARY_CHARS_MAX = 1024


class PagerDuty:
    """Pages through one integration.

    Args:
        name: Its name in the configuration.
        routing_key: The integration's key.
        url: Where events go.
    """

    repeats = False

    def __init__(self, name: str, routing_key: str, url: str = EVENTS_URL) -> None:
        self.name = name
        self._routing_key = routing_key
        self._url = url

    async def tell(self, notice: Notice, *, now_ms: int) -> Step:
        """Trigger, acknowledge or resolve, by the state the incident is in."""
        incident = notice.incident
        event: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": {"open": "trigger", "resolved": "resolve"}.get(
                incident.status, "acknowledge"
            ),
            "dedup_key": dedup_key(notice.key),
        }
        if event["event_action"] == "trigger":
            event["payload"] = {
                "summary": notice.headline[:SUMMARY_CHARS_MAX],
                "source": incident.dependency,
                "severity": "critical",
                "timestamp": rfc3339(incident.opened_ms),
                "component": incident.dependency,
                "class": incident.cause,
                "custom_details": {
                    "incident": incident.id,
                    "told_at": rfc3339(now_ms),
                    "timeline": [f"{rfc3339(e.ts_ms)} {e.event}" for e in notice.events[-5:]],
                },
            }
        return await post(self._url, encoded(event), secrets=(self._routing_key,))


def dedup_key(key: str) -> str:
    """A key as PagerDuty takes it: one that is too long keeps its beginning and gets a hash."""
    if len(key) <= KEY_CHARS_MAX:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: KEY_CHARS_MAX - 17]}-{digest}"
