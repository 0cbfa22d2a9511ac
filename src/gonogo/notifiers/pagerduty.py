"""PagerDuty, by its Events API v2 (PagerDuty/developer-docs, 02-Trigger-Events.md).

Triggers of one key are one alert until it is resolved; a trigger after that opens a new one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gonogo.answers import rfc3339
from gonogo.notifiers.post import encoded, post
from gonogo.ports.actuators import Step

if TYPE_CHECKING:
    from gonogo.ports.notices import Page

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
KEY_CHARS_MAX = 255
SUMMARY_CHARS_MAX = 1024
NAMES_MAX = 200


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

    async def tell(self, page: Page, *, now_ms: int) -> Step:
        """Trigger, acknowledge or resolve, by the state that the page is in.

        PagerDuty drops what is acknowledged and was never triggered: what was mitigated before it was told is both.
        """
        action = {"open": "trigger", "resolved": "resolve"}.get(page.status, "acknowledge")
        if action == "acknowledge" and page.is_new:
            step = await self._send("trigger", page, now_ms)
            if step.status != "done":
                return step
        return await self._send(action, page, now_ms)

    async def _send(self, action: str, page: Page, now_ms: int) -> Step:
        event: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": action,
            "dedup_key": dedup_key(page.key),
        }
        if action == "trigger":
            event["payload"] = self._payload(page, now_ms)
            if page.link:
                event["links"] = [{"href": page.link, "text": "dashboard"}]
        return await post(self._url, encoded(event), secrets=(self._routing_key,))

    def _payload(self, page: Page, now_ms: int) -> dict[str, object]:
        first = page.first
        names = page.dependencies
        payload: dict[str, object] = {
            "summary": page.headline[:SUMMARY_CHARS_MAX],
            "source": first.dependency,
            "severity": page.severity,
            "timestamp": rfc3339(page.parts[0].incident.opened_ms),
            "component": first.dependency,
            "class": page.kind,
            "custom_details": {
                "incident": first.id,
                "next": page.command,
                "dependencies": list(names[:NAMES_MAX]),
                "dependencies_in_all": len(names),
                "told_at": rfc3339(now_ms),
                "timeline": [f"{rfc3339(e.ts_ms)} {e.event}" for e in page.events[-5:]],
            },
        }
        if page.group:
            payload["group"] = page.group
        return payload


def dedup_key(key: str) -> str:
    """A key as PagerDuty takes it: one that is too long keeps its beginning and gets a hash."""
    if len(key) <= KEY_CHARS_MAX:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: KEY_CHARS_MAX - 17]}-{digest}"
