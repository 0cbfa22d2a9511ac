"""`gonogo dashboard`: the panel in a browser."""

from __future__ import annotations

import signal
from typing import Annotated

import anyio
import typer

from gonogo.cli.command import Session, command

group = typer.Typer()

DEFAULT_PLACE = "127.0.0.1:8484"


@command(
    group,
    "dashboard",
    "gonogo dashboard",
    "gonogo dashboard --host 127.0.0.1:0",
    panel="Look",
    actor="dashboard",
)
async def dashboard(
    session: Session,
    *,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="HOST:PORT", help="Where to listen; off loopback needs a token."
        ),
    ] = DEFAULT_PLACE,
) -> None:
    """Show the fleet, drift, budgets and incidents in a browser, live; reads only."""
    from gonogo.dashboard.dashboard_server import serve_dashboard
    from gonogo.http.guard import place_of

    place = place_of(host, option="--host")
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                await serve_dashboard(
                    session.app,
                    place,
                    say=lambda address: session.screen.line(f"Dashboard: {address}"),
                )

            tasks.start_soon(serve)
            async for _ in received:
                tasks.cancel_scope.cancel()
