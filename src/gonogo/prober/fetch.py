"""One HTTP exchange that always ends: by a deadline for all of it, by a limit on what is read.

A redirect within the origin (scheme, host and port) is followed; to another one never, so that
neither a request nor its secrets reach an address that nobody configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from gonogo.errors import ProbeError

if TYPE_CHECKING:
    import httpx

REDIRECTS_MAX = 3


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its limits: bytes of the reply's body, seconds for everything together."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    bytes_max: int
    deadline_s: float


def http_client(connections_max: int) -> httpx.AsyncClient:
    """A client to share: making one costs as much as dozens of requests."""
    import httpx

    # The deadline of a request stands in for every time-out of its parts.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=connections_max)
    return httpx.AsyncClient(timeout=None, follow_redirects=False, limits=limits)  # noqa: S113


async def fetch(client: httpx.AsyncClient, request: Request) -> bytes:
    """The body of an answer with a status of success.

    Raises:
        ProbeError: there is none; its code says why, its message nothing that the server said.
    """
    import httpx

    try:
        with anyio.fail_after(request.deadline_s):
            return await _fetched(client, request)
    except TimeoutError:
        told = f"No whole answer within {request.deadline_s:g} s."
        raise ProbeError(told, "timeout") from None
    except httpx.ConnectError:
        raise ProbeError(
            "The connection was refused, or the host is not known.", "connect"
        ) from None
    except (httpx.LocalProtocolError, httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise ProbeError("The request cannot be sent as it is configured.", "request") from None
    except httpx.RemoteProtocolError:
        raise ProbeError("The server broke off, or does not speak HTTP.", "protocol") from None
    except httpx.TransportError:
        raise ProbeError("The connection broke.", "reset") from None


async def _fetched(client: httpx.AsyncClient, request: Request) -> bytes:
    # Compressed bodies are not asked for: a small one can become gigabytes.
    headers = {"Accept-Encoding": "identity"} | dict(request.headers)
    asked = client.build_request(
        request.method, request.url, headers=headers, content=request.content
    )
    for _ in range(REDIRECTS_MAX + 1):
        response = await client.send(asked, stream=True)
        try:
            if response.next_request is None:
                return await _body(response, request.bytes_max)
            _refuse_other_origin(asked.url, response.next_request.url)
            asked = response.next_request
        finally:
            await response.aclose()
    raise ProbeError(f"More than {REDIRECTS_MAX} redirects.", "redirect")


def _refuse_other_origin(here: httpx.URL, there: httpx.URL) -> None:
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
        raise ProbeError(other_host(f"{there.scheme}://{there.netloc.decode()}"), "redirect")


def other_host(origin: str) -> str:
    """The error for a redirect that leaves the configured host."""
    return f"Redirected to another host ({origin}), not followed; configure it if it is right."


async def _body(response: httpx.Response, bytes_max: int) -> bytes:
    if not response.is_success:
        raise ProbeError(f"HTTP status {response.status_code}.", f"http_{response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ProbeError("The body is compressed, which was not asked for.", "encoding")
    parts, size = [], 0
    async for chunk in response.aiter_raw():
        parts.append(chunk)
        size += len(chunk)
        if size > bytes_max:
            told = f"The body is larger than max_bytes = {bytes_max:,}; reading stopped there."
            raise ProbeError(told, "too_large")
    return b"".join(parts)
