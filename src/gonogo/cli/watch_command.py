"""`gonogo watch`: stays and does what nobody has to ask for."""

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
