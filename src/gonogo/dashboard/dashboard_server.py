"""Running the dashboard: a look at the store that cannot write, and a server until cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import anyio

from gonogo.app import Gonogo
from gonogo.app.parts import Stores
from gonogo.clock import wall_clock_ms
from gonogo.http.guard import Place, listening_socket, refuse_without_token, tokens_of
from gonogo.settings import Settings

CONNECTIONS_MAX = 256


class Onlooker(Gonogo):
    """An application that only looks: it logs nothing, opens no incident and makes no route real."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = wall_clock_ms,
        actor: str = "dashboard",
    ) -> None:
        super().__init__(replace(settings, read_only=True), clock=clock, actor=actor)

    async def _open(self) -> Stores:
        from gonogo.app.parts import open_stores

        return await open_stores(self.settings, actor=self.actor, clock=self.clock, looks_only=True)


async def serve_dashboard(app: Gonogo, place: Place, *, say: Callable[[str], None]) -> None:
    """Serve until cancelled; off loopback to holders of a token alone.

    Args:
        app: Its store is opened, and made where it is absent, before anybody looks.
        place: Where to listen.
        say: Told once where the page is.

    Raises:
        ParameterError: The place is taken, or off loopback without a token.
        StoreError: The store cannot be opened.
    """
    from gonogo.dashboard.pulse import Pulse
    from gonogo.dashboard.site import site
    from gonogo.http.quiet_server import serve_quietly

    tokens = tokens_of(app.settings.environ)
    refuse_without_token(place, next(iter(tokens), None), what="The dashboard")
    with listening_socket(place, option="dashboard") as listener:
        await app.stores()
        pulse = Pulse()
        async with Onlooker(app.settings) as onlooker, anyio.create_task_group() as tasks:
            tasks.start_soon(pulse.follow, onlooker)
            say(_address(place, listener.getsockname()[1], with_token=bool(tokens)))
            served = site(onlooker, pulse, place=place, tokens=tokens, acting=app)
            await serve_quietly(served, listener, connections_max=CONNECTIONS_MAX, ending=pulse.end)


def _address(place: Place, port: int, *, with_token: bool) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"http://{host}:{port}/" + ("?token=…" if with_token else "")
