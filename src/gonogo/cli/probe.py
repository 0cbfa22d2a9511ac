"""`gonogo probe`: asks dependencies, once or on their schedule."""

from __future__ import annotations

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
