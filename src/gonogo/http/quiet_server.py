"""A quiet HTTP server beside other work: it logs nothing, and whoever started it ends it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import uvicorn

from gonogo.http.retries import RequestDeadline

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# How long a response under way may hold up the end of the server.
LAST_WORDS_S = 2


class _Server(uvicorn.Server):
    """Signals are the command's to hear."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve_quietly(
    site: ASGIApp,
    listener: socket.socket,
    *,
    connections_max: int,
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a socket until cancelled.

    Args:
        site: What is served.
        listener: Where; it is closed at the end.
        connections_max: More at once are refused.
        ending: Called before open responses are waited for.
    """
    config = uvicorn.Config(
        site,
        http=RequestDeadline,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=connections_max,
        timeout_graceful_shutdown=LAST_WORDS_S,
    )
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        ending()
        with anyio.CancelScope(shield=True):
            await server.shutdown(sockets=[listener])
