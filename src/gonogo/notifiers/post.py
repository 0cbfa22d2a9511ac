"""One POST of JSON, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gonogo.errors import plain
from gonogo.http.bounded_exchange import ask
from gonogo.ports.actuators import Step

TIMEOUT_S = 10.0
ANSWER_CHARS_MAX = 120


def encoded(message: object) -> bytes:
    """A message as it is sent, and signed."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


async def post(
    url: str, body: bytes, headers: Mapping[str, str] | None = None, *, secrets: Sequence[str] = ()
) -> Step:
    """Send a body once; redirects are not followed, since who is told was chosen by a person.

    A receiver that sends a secret back does not bring it into what is told.

    Returns:
        `done` where the receiver took it, `failed` where it refused or was not there, `unknown`
        where it may or may not have taken it. The address is not in it: it may be a secret.
    """
    import httpx

    sent = {"Content-Type": "application/json", **(headers or {})}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await ask(
                client,
                "POST",
                url,
                content=body,
                headers=sent,
                deadline_s=TIMEOUT_S,
                secrets=secrets,
            )
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
        return Step("failed", f"could not connect ({type(error).__name__})")
    except httpx.InvalidURL:
        return Step("failed", "its address is no URL")
    except httpx.HTTPError as error:
        return Step("unknown", f"no answer ({type(error).__name__})")
    if answer.is_success:
        return Step("done", f"HTTP {answer.status}")
    said = plain(answer.body.decode(errors="replace"), ANSWER_CHARS_MAX)
    return Step("failed", f"HTTP {answer.status}: {said}")
