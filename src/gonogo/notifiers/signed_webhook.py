"""Any receiver: signed JSON (`gonogo.http.signatures`), an idempotency key for each state."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256

from gonogo.answers import rfc3339
from gonogo.http.signatures import HEADER, sign
from gonogo.notifiers.post import encoded, post
from gonogo.ports.actuators import Step
from gonogo.ports.notices import Page


class Webhook:
    """Tells one receiver.

    Args:
        name: Its name in the configuration.
        url: Where it listens.
        secret: What its messages are signed with.
    """

    repeats = False

    def __init__(self, name: str, url: str, secret: str) -> None:
        self.name = name
        self._url = url
        self._secret = secret

    async def tell(self, page: Page, *, now_ms: int) -> Step:
        """The page as it stands, and what is new in its timeline."""
        incident = page.first
        body = encoded(
            {
                "incident": incident.id,
                "key": page.key,
                "dependency": incident.dependency,
                "cause": incident.cause,
                "status": page.status,
                "verdict": incident.verdict,
                "summary": page.headline,
                "suspected": incident.suspected,
                "false_alarm": incident.false_alarm,
                "opened_at": rfc3339(incident.opened_ms),
                "changed_at": rfc3339(incident.changed_ms),
                "kind": page.kind,
                "severity": page.severity,
                "group": page.group,
                "dependencies": page.dependencies,
                "incidents": [part.incident.id for part in page.parts],
                "next": page.command,
                "url": page.link,
                "news": [asdict(e) | {"ts": rfc3339(e.ts_ms)} for e in page.news],
            }
        )
        headers = {
            HEADER: sign(self._secret, body, now_s=now_ms // 1000),
            "Idempotency-Key": _idempotency_key(page),
        }
        return await post(self._url, body, headers, secrets=(self._secret,), by_status=True)


def _idempotency_key(page: Page) -> str:
    """A key that is equal for the same state of the same parts, so that a repeat can be dropped.

    How many lines there are in all would not do: a part that is over leaves the page, others write
    as many lines, and the receiver would take news for a repeat.
    """
    parts = [(part.incident, len(part.events)) for part in page.parts]
    # A metric that shifts once more has the same subject: when it was found is part of its state.
    state = "\n".join(
        f"{one.id} {n}" + (f" {one.opened_ms}" if one.kind == "shift" else "") for one, n in parts
    )
    return f"{page.parts[0].incident.id}-{sha256(state.encode()).hexdigest()[:16]}"
