"""The command that accepts a new normal."""

from __future__ import annotations

from typing import Annotated

import typer

from gonogo.cli.command import Session, command
from gonogo.errors import ParameterError
from gonogo.text.answer_text import decision_json

group = typer.Typer()


@command(
    group,
    "baseline",
    "gonogo baseline gpt-4 --accept",
    "gonogo baseline gpt-4 --accept --from 2026-04-01",
    "gonogo baseline gpt-4 --from 2026-05-01 --to 2026-05-14",
    panel="Act",
)
async def baseline(
    session: Session,
    *,
    dependency: Annotated[str, typer.Argument(help="Its name, as recorded.")],
    accept: Annotated[
        bool, typer.Option("--accept", help="What it does now is the new normal.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="First day, or a time, of the new normal.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Its last day, or a time.")] = None,
) -> None:
    """Accept a new normal that drift is held against from now on; it is logged."""
    if not accept and start is None and end is None:
        raise ParameterError("baseline needs --accept, or a period with --from and --to.")
    if not accept and (start is None or end is None):
        raise ParameterError(
            "a period needs both --from and --to; what begins a new normal, --accept."
        )
    if end is not None and start is None:
        raise ParameterError("a period that ends needs --from too.")
    entry = await session.app.accept_baseline(dependency, start=start, end=end)
    session.screen.line(decision_json(entry) if session.screen.as_json else entry.summary)
