"""A quiet HTTP server beside other work: it logs nothing, and whoever started it ends it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import anyio
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# How long a response under way may hold up the end of the server.
LAST_WORDS_S = 2
REQUEST_S = 20.0


class _BrokenRequests(logging.Filter):
    """Keeps out of the log what uvicorn meets where it answers a request that broke off against HTTP's rules.

    Who sent it has been answered by 400, and the connection is closed: else any stranger writes forty lines there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged."""
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, h11.LocalProtocolError) and "state=MUST_CLOSE" in str(error))


logging.getLogger("uvicorn.error").addFilter(_BrokenRequests())


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


# A connection that has to send its requests in time: uvicorn itself would wait for ever.
#
# uvicorn bounds the wait between two requests, not a head or a body that comes a byte a minute
# (slowloris), nor a connection that never says anything.


class RequestDeadline(H11Protocol):
    """uvicorn's connection, closed where a request is not whole `request_s` after it began."""

    request_s: ClassVar[float] = REQUEST_S

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Wait for a first request, but not for ever."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; the time runs on while the request is not whole."""
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._wait_no_longer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_s, self.transport.close)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
