"""An HTTP exchange that ends: by a deadline for all of it, and by a limit on what is read.

Who answers may be broken or hostile: it drips, sends without end, sends a small body that unpacks
into a large one, or sends back the secret that it was shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import httpx

ANSWER_BYTES_MAX = 1024 * 1024
HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP reply. The body is cut at 1 MiB, and empty where it is compressed.

    `retry_after` is the header of that name, as it came.
    """

    status: int
    body: bytes
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        """Answered with 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of HTTP statuses


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    deadline_s: float,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
) -> Answer:
    """Send one request and read what comes back, without what is secret in it.

    Raises:
        httpx.ReadTimeout: There was no whole answer within `deadline_s` seconds.
        httpx.HTTPError: As the client raises it.
        httpx.InvalidURL: The same.
    """
    import httpx

    sent = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        with anyio.fail_after(deadline_s):
            async with client.stream(method, url, content=content, headers=sent) as response:
                body = await _read(response)
    except TimeoutError:
        raise httpx.ReadTimeout(f"no whole answer within {deadline_s:g} s") from None
    for secret in filter(None, secrets):
        body = body.replace(secret.encode(), HIDDEN.encode())
    return Answer(response.status_code, body, response.headers.get("retry-after"))


async def _read(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        return b""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            del body[ANSWER_BYTES_MAX:]
            break
    return bytes(body)
