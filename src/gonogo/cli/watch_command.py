"""Commands that stay until they are stopped: `gonogo watch` does what nobody has to ask for, `gonogo dashboard` shows."""

from __future__ import annotations

import os
import platform
import secrets
import signal
from functools import partial
from typing import Annotated

import anyio
import typer

from gonogo.cli.command import Session, command

group = typer.Typer()
DEFAULT_PLACE = "127.0.0.1:8484"


@command(
    group,
    "watch",
    "gonogo watch",
    "gonogo watch --dashboard 127.0.0.1:8484 --otlp 127.0.0.1:4318",
    panel="Act",
    actor="watch",
)
async def watch(
    session: Session,
    *,
    dashboard: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Show the dashboard there as well; off loopback needs a token.",
        ),
    ] = None,
    otlp: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Receive OpenTelemetry there (OTLP over HTTP); off loopback needs GONOGO_TOKEN.",
        ),
    ] = None,
) -> None:
    """Stay until interrupted: probe, look at what changed, tell people, keep and bring back routes."""
    from gonogo.http.guard import place_of
    from gonogo.watch.duties import keep_all
    from gonogo.watch.roster import roster

    duties = roster(
        session.settings,
        dashboard=None if dashboard is None else place_of(dashboard, option="--dashboard"),
        otlp=None if otlp is None else place_of(otlp, option="--otlp"),
        say=session.screen.line,
    )
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        session.screen.line(f"Watching: {', '.join(duty.name for duty in duties) or 'nothing'}.")
        async with anyio.create_task_group() as tasks:
            holder = f"{platform.node()} {os.getpid()} {secrets.token_hex(8)}"
            tasks.start_soon(partial(keep_all, duties, session.app, holder=holder))
            async for _ in received:
                tasks.cancel_scope.cancel()


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
