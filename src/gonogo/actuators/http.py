"""One HTTP exchange of an actuator: what came back, or in words why nothing can be said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonogo.errors import plain
from gonogo.services.ports_actions import Outcome, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

ANSWER_BYTES_MAX = 1024 * 1024
_SAID_CHARS_MAX = 120
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """What an exchange came to.

    `status` 0: no answer; then `sent` says whether the request may have been carried out.
    """

    status: int
    value: Any = None
    problem: str = ""
    sent: bool = True

    @property
    def is_ok(self) -> bool:
        """Answered with 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of HTTP statuses

    def as_step(self) -> Step:
        """A failed exchange as a step: a lost answer or a server's failure leaves it open."""
        open_end = self.sent and (self.status == 0 or self.status >= _SERVER_ERROR)
        outcome: Outcome = "unknown" if open_end else "failed"
        return Step(outcome, self.problem)


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request; never raises for what the peer or the network does."""
    import httpx

    try:
        answer = await client.request(method, url, content=content, headers=dict(headers or {}))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL) as error:
        said = plain(str(error), _SAID_CHARS_MAX) or type(error).__name__
        return Reply(0, problem=f"cannot be reached: {said}", sent=False)
    except httpx.TimeoutException:
        return Reply(0, problem="did not answer in time")
    except httpx.HTTPError as error:
        said = plain(str(error), _SAID_CHARS_MAX) or type(error).__name__
        return Reply(0, problem=f"the exchange broke off: {said}")
    value = None
    if len(answer.content) <= ANSWER_BYTES_MAX:
        try:
            value = json.loads(answer.content)
        except ValueError:
            value = None
    if answer.is_success:
        return Reply(answer.status_code, value)
    message = value.get("message") if isinstance(value, dict) else None
    told = f": {plain(str(message), _SAID_CHARS_MAX)}" if message else ""
    return Reply(answer.status_code, value, f"answered {answer.status_code}{told}")
