"""One HTTP exchange of an actuator: what came back, or in words why nothing can be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonogo.border.foreign import foreign_json
from gonogo.errors import plain
from gonogo.http.bounded_exchange import ask
from gonogo.ports.actuators import Outcome, Step

if TYPE_CHECKING:
    import httpx

    from gonogo.settings import Secret

_SAID_CHARS_MAX = 120
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of an exchange.

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
    deadline_s: float,
    secret: Secret | None = None,
) -> Reply:
    """Send one request; never raises for what the peer or the network does.

    A peer that sends the secret back does not bring it into what is told of the exchange.
    """
    import httpx

    secrets = () if secret is None else (secret.value,)
    try:
        answer = await ask(
            client,
            method,
            url,
            content=content,
            headers=headers,
            deadline_s=deadline_s,
            secrets=secrets,
        )
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL) as error:
        said = plain(str(error), _SAID_CHARS_MAX) or type(error).__name__
        return Reply(0, problem=f"cannot be reached: {said}", sent=False)
    except httpx.TimeoutException:
        return Reply(0, problem="did not answer in time")
    except httpx.HTTPError as error:
        said = plain(str(error), _SAID_CHARS_MAX) or type(error).__name__
        return Reply(0, problem=f"the exchange broke off: {said}")
    value = _json(answer.body)
    if answer.is_success:
        return Reply(answer.status, value)
    message = value.get("message") if isinstance(value, dict) else None
    told = f": {plain(str(message), _SAID_CHARS_MAX)}" if message else ""
    return Reply(answer.status, value, f"answered {answer.status}{told}")


def _json(body: bytes) -> Any:  # noqa: ANN401 - whatever a peer answers
    """Parse a body; None where it is no JSON, or none that can be kept as text."""
    try:
        return foreign_json(body)
    except ValueError:
        return None
