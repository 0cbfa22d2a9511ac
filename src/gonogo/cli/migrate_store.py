"""`gonogo migrate-store`: from a file to a database that many machines share."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer

from gonogo.cli.command import Session, command

group = typer.Typer()


@command(
    group,
    "migrate-store",
    "gonogo migrate-store gonogo.db postgresql://gonogo@db.example/gonogo",
    panel="Set up",
)
async def migrate_store(
    session: Session,
    *,
    source: Annotated[str, typer.Argument(metavar="FROM", help="A store file.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="postgresql://…, empty.")],
) -> None:
    """Move a store file to PostgreSQL, and check that both answer the same.

    Stop what writes to the file first. A move that breaks off goes on when it is run again; the
    file stays as it was.
    """
    from gonogo.app.store_transfer import move_store

    moved = await move_store(
        session.settings,
        source=source,
        target=target,
        now_ms=time.time_ns() // 1_000_000,
        say=(lambda _: None) if session.screen.as_json else session.screen.line,
    )
    if session.screen.as_json:
        session.screen.line(json.dumps(asdict(moved)))
    else:
        session.screen.line(
            f"Moved {moved.rows:,} rows in {moved.parts} parts; {moved.tables} tables have as many "
            f"rows as in the file, and {moved.verdicts} answers are the same. Set GONOGO_STORE."
        )
