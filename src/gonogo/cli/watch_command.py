"""Commands that stay until they are stopped: watch, dashboard and probe, which asks once or on a schedule."""

from __future__ import annotations

import os
import platform
import secrets
import signal
from functools import partial
from typing import Annotated

import anyio
import typer

from gonogo.answers import ProbeLine
from gonogo.cli.command import Session, command
from gonogo.text.forms import rate_text

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


@command(
    group,
    "probe",
    "gonogo probe --once",
    "gonogo probe sentiment-golden --once --json",
    panel="Act",
)
async def probe(
    session: Session,
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Default: every probe.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Ask once and exit with the verdict, as for cron.")
    ] = False,
) -> int | None:
    """Ask dependencies, check and record their answers: on their schedule, or once.

    With --once the exit status is the worst probe's: 0 all answered and right, 1 some failed or
    wrong, 2 one did not answer at all, 3 one could not be asked.
    """
    app = session.app
    app.refuse_read_only("record what probes find")
    if once:
        return session.show_verdict(await app.probe_once(names or ()))
    from gonogo.app.probing import probes_named
    from gonogo.watch.probe_schedule import keep_probing

    probes = probes_named(session.settings, names or ())
    session.screen.line(f"Probing: {', '.join(one.name for one in probes)}.")

    def told(line: ProbeLine) -> None:
        session.screen.line(
            line.model_dump_json(exclude_none=True) if session.screen.as_json else _words(line)
        )

    draw = secrets.SystemRandom().random
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(keep_probing, app, probes, draw=draw, told=told))
            async for _ in received:
                # What was asked by now is recorded before it ends.
                tasks.cancel_scope.cancel()
    return None


def _words(line: ProbeLine) -> str:
    said = f"{line.verdict}: {line.probe}: {line.answered} of {line.asked} answered"
    said += f", {rate_text(line.right)} right" if line.right is not None else ""
    return f"{said}; {line.why}" if line.why else said
