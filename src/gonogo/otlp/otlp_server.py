"""Running the receiver until cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gonogo.http.guard import listening_socket, refuse_without_token
from gonogo.ingest.otlp.wire import need_protobuf

if TYPE_CHECKING:
    from gonogo.app import Gonogo
    from gonogo.http.guard import Place

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
    from gonogo.http.quiet_server import serve_quietly
    from gonogo.otlp.receiver import Receiver, site

    with listening_socket(place, option="--otlp") as listener:
        await app.stores()
        host = f"[{place.host}]" if ":" in place.host else place.host
        say(f"http://{host}:{listener.getsockname()[1]}")
        served = site(Receiver(app), place=place, token=token)
        await serve_quietly(served, listener, connections_max=CONNECTIONS_MAX)
