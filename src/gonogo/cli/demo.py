"""The demo as a command: where it is played, and where it may be kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gonogo.cli.command import START, Session, command
from gonogo.errors import ParameterError

group = typer.Typer()


@command(group, "demo", "gonogo demo", "gonogo demo --folder demo", panel=START)
async def demo(
    session: Session,
    *,
    folder: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Keep its data and stores in a new folder.")
    ] = None,
) -> None:
    """See it work: three simulated weeks and an agent's questions; changes nothing of yours."""
    from rich.console import Console

    from gonogo.clock import wall_clock_ms
    from gonogo.demo.paper import Paper
    from gonogo.demo.story import play

    paper = Paper(Console(highlight=False, quiet=session.screen.as_json))
    with tempfile.TemporaryDirectory(prefix="gonogo-demo-") as temporary:
        played = await play(paper, _made(folder) or Path(temporary), now_ms=wall_clock_ms())
    if session.screen.as_json:
        session.show(played.last)
    elif folder is not None:
        where = f"--store {played.stage.store} --config {played.stage.config}"
        paper.note(f"Ask it yourself: gonogo {where} list")


def _made(folder: Path | None) -> Path | None:
    if folder is not None:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            why = error.strerror
            raise ParameterError(f"--folder '{folder}': {why}; name a new folder.") from None
    return folder
