"""The server over streamable HTTP, for both eras, with a health check and metrics beside it.

Two surfaces are made by one factory: one that may act, and a read-only one for the reading token.
A session belongs to the surface that opened it.
"""

from __future__ import annotations

import math
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from gonogo.app import Gonogo
from gonogo.errors import GonogoError
from gonogo.http.quiet_server import RequestDeadline
from gonogo.server.gate import Access, Gate, Surface
from gonogo.server.metrics import CONTENT_TYPE, exposition
from gonogo.server.surface import GonogoServer, build_server
from gonogo.settings import OAuthSettings, Settings

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gonogo.views.gauges import Gauges

BODY_BYTES_MAX = 4 * 1024 * 1024
HEAD_BYTES_MAX = 16 * 1024
CONNECTIONS_MAX = 512
SESSIONS_MAX = 1_000
KEEP_ALIVE_S = 15
LEAVE_S = 1
HEALTH_S = 5.0
GAUGES_S = 10.0
GAUGES_KEPT_S = 5.0


@dataclass(frozen=True, slots=True)
class ServedSurface:
    """One surface: its application, its server, and both as ASGI."""

    app: Gonogo
    server: GonogoServer
    asgi: ASGIApp


def serve_surface(app: Gonogo) -> ServedSurface:
    """A surface over an application. Host, Origin and token are the gate's to check."""
    server = build_server(app)
    asgi = server.streamable_http_app(
        max_request_body_size=BODY_BYTES_MAX,
        max_sessions=SESSIONS_MAX,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return ServedSurface(app, server, asgi)


def http_app(settings: Settings, access: Access) -> Gate:
    """Everything that is served over HTTP, behind its gate."""
    surfaces: dict[Surface, ServedSurface] = {"act": serve_surface(Gonogo(settings))}
    if access.read is not None or access.oauth is not None:
        reading = Gonogo(replace(settings, read_only=True), actor="reader")
        surfaces["read"] = serve_surface(reading)
    return behind_gate(surfaces, access, oauth=settings.oauth)


def behind_gate(
    surfaces: Mapping[Surface, ServedSurface], access: Access, *, oauth: OAuthSettings | None = None
) -> Gate:
    """The surfaces by name, with `/healthz` and `/metrics`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for served in surfaces.values():
                await stack.enter_async_context(served.server.session_manager.run())
            yield

    async def opened(scope: Scope, receive: Receive, send: Send) -> None:
        surface: Surface = scope["gonogo.surface"]
        await make_room(surfaces[surface].server.session_manager, scope)
        await surfaces[surface].asgi(scope, receive, send)

    async def health(_: Request) -> Response:
        well = await vitals.answers()
        return PlainTextResponse("ok\n" if well else "store\n", status_code=200 if well else 503)

    async def metrics(_: Request) -> Response:
        calls: Counter[tuple[str, str]] = Counter()
        for served in surfaces.values():
            calls.update(served.server.calls)
        text = exposition(await vitals.gauges(), calls=calls, requests=gate.requests)
        return Response(text, media_type=CONTENT_TYPE)

    vitals = _Vitals(surfaces["act"].app)
    routes: list[BaseRoute] = [Route("/healthz", health), Route("/metrics", metrics)]
    if oauth is not None:
        from gonogo.server.oauth import metadata_routes

        routes += metadata_routes(oauth)
    routes.append(Mount("/", app=opened))
    gate = Gate(Starlette(routes=routes, lifespan=lifespan), access)
    return gate


async def make_room(manager: StreamableHTTPSessionManager, scope: Scope) -> None:
    """End the session that is idle the longest where a request would open one too many.

    Clients that end without DELETE leave theirs open; the SDK refuses everybody else for the half
    hour until those expire. One that is answering, or is listened to, is never idle.
    """
    headers = dict(scope["headers"])
    version = headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    # From 2026-07-28 on there are no sessions; before, some clients name their version already on the handshake.
    is_of_later_era = version and version not in HANDSHAKE_PROTOCOL_VERSIONS
    if scope["method"] != "POST" or b"mcp-session-id" in headers or is_of_later_era:
        return
    sessions = manager._server_instances  # noqa: SLF001 - the SDK has no public way (mcp 2.3)
    if manager.max_sessions is None or len(sessions) < manager.max_sessions:
        return
    idle = [
        (open_session.idle_scope.deadline, name)
        for name, open_session in sessions.items()
        if open_session.idle_scope is not None and open_session.idle_scope.deadline < math.inf
    ]
    if idle:
        _, longest = min(idle)
        await manager._discard_session(longest, sessions[longest])  # noqa: SLF001 - as above


class _Vitals:
    """Answers for probes and scrapers, cached for a few seconds because they ask again and again."""

    def __init__(self, app: Gonogo) -> None:
        self._app = app
        self._lock = anyio.Lock()
        self._read_at = -math.inf
        self._gauges: Gauges | None = None

    async def gauges(self) -> Gauges | None:
        """The gauges, at most 5 s old; None where the store could not be read in time."""
        async with self._lock:
            if anyio.current_time() - self._read_at > GAUGES_KEPT_S:
                self._gauges = None
                with suppress(GonogoError), anyio.move_on_after(GAUGES_S):
                    self._gauges = await self._app.gauges()
                self._read_at = anyio.current_time()
            return self._gauges

    async def answers(self) -> bool:
        """Whether the store answers in time."""
        with suppress(GonogoError), anyio.move_on_after(HEALTH_S):
            await self._app.actions(limit=1)
            return True
        return False


async def serve_gate(gate: Gate, listener: socket.socket) -> int:
    """Serve on a socket until a signal ends it; says on standard error where.

    Returns:
        The signal's number; 0 where none came.
    """
    config = uvicorn.Config(
        gate,
        http=RequestDeadline,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=LEAVE_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )
    server = _Server(config)
    await server.serve(sockets=[listener])
    return server.ended_by


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it is once it answers and a signal ends it in order."""

    ended_by = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave; at once where it is the second signal.

        uvicorn's own raises the signal again once everything is closed. SIGINT then cancels a task
        that may have ended already, and the exit status was 0 in some runs.
        """
        del frame
        self.force_exit = self.should_exit
        self.should_exit, self.ended_by = True, sig

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            sys.stderr.write(f"gonogo: serving http://{shown}:{port}/mcp\n")
            sys.stderr.flush()
