"""`gonogo forget`: observations that should not be there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gonogo.cli.command import Session, command
from gonogo.errors import ParameterError

group = typer.Typer()


@command(
    group,
    "forget",
    "gonogo forget triage --run 2026-04-02",
    "gonogo forget gpt-4 --since 2026-05-01 --until 2026-05-02 --yes",
    panel="Record",
)
async def forget(
    session: Session,
    *,
    dependency: Annotated[str, typer.Argument(help="Its name, as recorded.")],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From this day or time on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Up to this day, whole, or time.")
    ] = None,
    writer: Annotated[
        str | None, typer.Option(help="What this user, agent or recorder wrote.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="What came with this run of an import.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take observations back, and all that was made of them; it is logged."""
    from gonogo.app.taking_back import forget as take_back
    from gonogo.app.taking_back import forgettable, selection_of

    selection = selection_of(
        since=since, until=until, writer=writer, run=run, zone=session.settings.timezone
    )
    if not yes:
        session.app.refuse_read_only("forget observations")
        found = await forgettable(session.app, dependency, selection)
        if not sys.stdin.isatty():
            raise ParameterError(f"{found.summary[:300]} Pass --yes to do it.")
        sys.stderr.write(f"{found.summary}\nForget them? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            session.screen.line("Nothing was removed.")
            return
    given = {"since": since, "until": until, "writer": writer, "run": run}
    asked = {name: value for name, value in given.items() if value is not None}
    session.show(await take_back(session.app, dependency, selection, asked))
