"""Who may come in over HTTP: the Host and Origin that are ours, and the tokens.

A page in a browser can send requests to loopback. Its Origin gives it away, and where it had its
own name point here (DNS rebinding) the Host does.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Surface = Literal["act", "read"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - told apart, not bound
OPEN_PATHS = frozenset({"/healthz"})
KNOWN_PATHS = frozenset({"/mcp", "/metrics", *OPEN_PATHS})


@dataclass(frozen=True, slots=True)
class Access:
    """What a request has to show.

    Attributes:
        hosts: Names and addresses that a Host header may give; None where any may.
        act: The token with which everything may be done.
        read: The token with which one may look and plan.
    """

    hosts: frozenset[str] | None
    act: str | None = None
    read: str | None = None

    def surface(self, authorization: str) -> Surface | None:
        """What an Authorization header opens; without tokens everything is open."""
        if self.act is None and self.read is None:
            return "act"
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        offered = _digest(shown.strip().encode("latin-1"))
        # Both are always compared, as digests: time tells neither which, nor how much was right.
        opened: Surface | None = None
        tokens: tuple[tuple[Surface, str | None], ...] = (("read", self.read), ("act", self.act))
        for name, token in tokens:
            if token is not None and hmac.compare_digest(offered, _digest(token.encode())):
                opened = name
        return opened

    def takes_host(self, host: str) -> bool:
        """Whether a Host header is one of ours."""
        return self.hosts is None or _name(f"//{host}") in self.hosts

    def takes_origin(self, origin: str, host: str) -> bool:
        """Whether a page may ask: one that was served from here."""
        names = {_name(f"//{host}")} if self.hosts is None else self.hosts
        return not origin or _name(origin) in names


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


class Gate:
    """Lets in what may come in, tells `app` which surface it opened, and counts every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self.requests: Counter[tuple[str, int]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.requests[path, message["status"]] += 1
            await send(message)

        await self._judged(scope)(scope, receive, counted)

    def _judged(self, scope: Scope) -> ASGIApp:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if not self._access.takes_host(host):
            return PlainTextResponse(
                "This Host is not served here; add it with --allow-host.\n", status_code=421
            )
        if not self._access.takes_origin(origin, host):
            return PlainTextResponse("This Origin may not ask.\n", status_code=403)
        surface = self._access.surface(headers.get("authorization", ""))
        if surface is None and scope["path"] not in OPEN_PATHS:
            return PlainTextResponse(
                "A token is needed: Authorization: Bearer TOKEN.\n",
                status_code=401,
                headers={"WWW-Authenticate": 'Bearer realm="gonogo"'},
            )
        scope["gonogo.surface"] = surface
        return self._app
