"""Running the receiver until cancelled."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from gonogo.http_guard import listening_socket, refuse_without_token
from gonogo.ingest.otlp.wire import need_protobuf

if TYPE_CHECKING:
    from gonogo.app import Gonogo
    from gonogo.http_guard import Place

LAST_WORDS_S = 2
CONNECTIONS_MAX = 64


async def serve_otlp(
    app: Gonogo, place: Place, *, token: str | None, say: Callable[[str], None]
) -> None:
    """Receive until cancelled.

    Args:
        app: Its store takes what comes.
        place: Where to listen.
        token: What exporters must send; needed off loopback.
        say: Told once where exporters are to send.

    Raises:
        ParameterError: The place is taken, or off loopback without a token, or an extra is missing.
        StoreError: The store cannot be opened.
    """
    need_protobuf()
    refuse_without_token(place, token, what="The OTLP receiver")
    import uvicorn

    from gonogo.otlp.receiver import Receiver, site
    from gonogo.patience import Patience

    class Server(uvicorn.Server):
        """Signals are the command's to hear."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    with listening_socket(place, option="--otlp") as listener:
        await app.stores()
        server = Server(
            uvicorn.Config(
                site(Receiver(app), place=place, token=token),
                http=Patience,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=LAST_WORDS_S,
            )
        )
        host = f"[{place.host}]" if ":" in place.host else place.host
        say(f"http://{host}:{listener.getsockname()[1]}")
        try:
            await server.serve(sockets=[listener])
        finally:
            with anyio.CancelScope(shield=True):
                await server.shutdown(sockets=[listener])
