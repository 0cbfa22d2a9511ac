"""POST of JSON to a receiver, and the outcome in words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from gonogo.border.foreign import foreign_json
from gonogo.errors import plain
from gonogo.http.bounded_exchange import ask
from gonogo.ports.actuators import Step

TIMEOUT_S = 10.0
ANSWER_CHARS_MAX = 120
# Too many requests, and unavailable: both may say for how long.
BUSY = (429, 503)
RETRY_S, RETRY_S_MAX = 60.0, 86_400.0
REDIRECTS = (301, 302, 303, 307, 308)
# How APIs of chat and paging begin a status by which a message was not taken, in the body of a success: also
# {"ok": false, "error": "channel_not_found"} and {"success": false}.
_NO = ("error", "fail", "invalid", "denied", "unauthorized", "forbidden", "reject")


def encoded(message: object) -> bytes:
    """A message as it is sent, and signed."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    secrets: Sequence[str] = (),
    by_status: bool = False,
) -> Step:
    """Send a body once; redirects are not followed, since who is told was chosen by a person.

    A receiver that sends a secret back does not bring it into what is told.

    Returns:
        `done` where the receiver took it, `failed` where it refused or was not there, `unknown`
        where it may or may not have taken it. A success whose body says otherwise is a refusal, but
        `by_status`. The address is not in it: it may be a secret.
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
    refusal = refused_in(answer.body) if answer.is_success and not by_status else ""
    if answer.is_success and not refusal:
        return Step("done", f"HTTP {answer.status}")
    said = refusal or plain(answer.body.decode(errors="replace"), ANSWER_CHARS_MAX)
    if answer.status in REDIRECTS:
        said = "it redirects, which is not followed; configure the address that it redirects to"
    wait_s = retry_after_s(answer.retry_after) if answer.status in BUSY else None
    later = "" if wait_s is None else f"; it wants to be left alone for {wait_s:.0f} s"
    because = f": {said}" if said else ""
    return Step("failed", f"HTTP {answer.status}{because}{later}", wait_s)


def refused_in(body: bytes) -> str:
    """The refusal in the body of a successful answer; "" where there is none.

    A web page is none of a receiver: it is the sign-in of a proxy before it, or of another address.
    """
    text = body.decode(errors="replace").strip()
    if text[:1] == "<":
        return (
            "a web page answered, not the receiver: look at its address and what stands before it"
        )
    try:
        said = foreign_json(text)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    status = said.get("status")
    denies = (
        said.get("ok") is False
        or said.get("success") is False
        or (isinstance(status, str) and status.lower().startswith(_NO))
        or bool(said.get("error") or said.get("errors"))
    )
    return plain(text, ANSWER_CHARS_MAX) if denies else ""


def retry_after_s(header: str | None, *, now: datetime | None = None) -> float:
    """The time that a busy receiver asks to be left alone (RFC 9110, 10.2.3).

    A number of seconds or a date; where it says nothing that can be read, a minute. A day at most.
    """
    try:
        wait_s = float(header or RETRY_S)
    except ValueError:
        try:
            at = parsedate_to_datetime(header or "")
        except ValueError:
            return RETRY_S
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        wait_s = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait_s, 1.0), RETRY_S_MAX) if math.isfinite(wait_s) else RETRY_S
