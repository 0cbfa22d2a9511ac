"""Access over HTTP: the Host and Origin that are ours, and the tokens.

A page in a browser can send requests to loopback. Its Origin gives it away, and where it had its
own name point here (DNS rebinding) the Host does.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Admission = Callable[[str], Awaitable["TokenGrant | Response"]]

Surface = Literal["act", "read"]

# RFC 9728, 3.1.
WELL_KNOWN = "/.well-known/oauth-protected-resource"

# Of a request's scope: who the token that came with it was given to.
SUBJECT = "gonogo.subject"

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - told apart, not bound
OPEN_PATHS = frozenset({"/healthz"})
EXPOSED_HEADERS = b"Mcp-Session-Id, WWW-Authenticate"
KNOWN_PATHS = frozenset({"/mcp", "/metrics", *OPEN_PATHS})


class TokenGrant(NamedTuple):
    """The surface that a token opens, and its holder's name; empty where the token has none."""

    surface: Surface
    subject: str


@dataclass(frozen=True, slots=True)
class Access:
    """The access rules: hosts, origins and tokens that are let in.

    Attributes:
        hosts: Names and addresses that a Host header may give; None where any may.
        act: The token with which everything may be done.
        read: The token with which one may look and plan.
        origins: Of pages elsewhere that may ask, as `http://localhost:6274`.
        oauth: What an Authorization header with an issuer's token opens, or the refusal.
    """

    hosts: frozenset[str] | None
    act: str | None = None
    read: str | None = None
    origins: frozenset[str] = frozenset()
    oauth: Admission | None = None

    def surface(self, authorization: str) -> Surface | None:
        """The surface that an Authorization header opens; without configured tokens, everything."""
        if self.act is None and self.read is None and self.oauth is None:
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
        """Whether a Host header names this server."""
        return self.hosts is None or _name(f"//{host}") in self.hosts

    def takes_origin(self, origin: str, host: str) -> bool:
        """Whether a page may ask: one that was served from here, port included, or is allowed.

        Any other port of this machine is another program, whose pages anybody may have written.
        """
        return not origin or origin in self.origins or _place(origin) == _place(f"//{host}")


def _place(url: str) -> tuple[str | None, int | None]:
    """Host and port; the port that goes without saying is left out."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    return parts.hostname, None if port in (80, 443) else port


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""


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

        origin = _header(scope, b"origin")
        if origin in self._access.origins:
            await self._across(origin, scope, receive, counted)
        else:
            await (await self._judged(scope))(scope, receive, counted)

    async def _across(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page of another origin that may ask, so that its browser lets it read (CORS)."""
        allowed = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]

        async def readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                exposed = (b"access-control-expose-headers", EXPOSED_HEADERS)
                message = {**message, "headers": [*message["headers"], *allowed, exposed]}
            await send(message)

        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            # The browser asks first, and shows no token when it does.
            asked = _header(scope, b"access-control-request-headers").encode("latin-1")
            told = [
                *allowed,
                (b"access-control-allow-methods", b"GET, POST, DELETE"),
                (b"access-control-allow-headers", asked or b"Content-Type"),
                (b"access-control-max-age", b"600"),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": told})
            await send({"type": "http.response.body", "body": b""})
            return
        await (await self._judged(scope))(scope, receive, readable)

    async def _judged(self, scope: Scope) -> ASGIApp:
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
        shown = headers.get("authorization", "")
        surface = self._access.surface(shown)
        if surface is None and scope["path"] not in OPEN_PATHS:
            if self._access.oauth is None:
                return refused(401, "A token is needed: Authorization: Bearer TOKEN.", {})
            if not scope["path"].startswith(WELL_KNOWN):
                opened = await self._access.oauth(shown)
                if not isinstance(opened, TokenGrant):
                    return opened
                surface = opened.surface
                scope[SUBJECT] = opened.subject
        scope["gonogo.surface"] = surface
        return self._app


def refused(status: int, said: str, told: Mapping[str, str]) -> Response:
    """A refusal whose challenge says what a token needs (RFC 6750)."""
    from starlette.responses import PlainTextResponse

    parts = ['Bearer realm="gonogo"', *(f'{name}="{value}"' for name, value in told.items())]
    challenge = {"WWW-Authenticate": ", ".join(parts)}
    return PlainTextResponse(f"{said}\n", status_code=status, headers=challenge)
