"""What a person does with an incident, and with the record of what was done."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from gonogo.cli.command import Session, command
from gonogo.errors import StoreError

incident = typer.Typer(
    name="incident",
    help="Handle one incident: acknowledge, resolve, write it down. `gonogo incidents` lists them.",
    epilog="`gonogo incident ack INCIDENT`",
    rich_markup_mode="markdown",
)
audit = typer.Typer(
    name="audit",
    help="The hash chain of every action.",
    epilog="`gonogo audit verify`",
    rich_markup_mode="markdown",
)

Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id.")]


@command(incident, "ack", "gonogo incident ack INCIDENT")
async def ack(session: Session, *, incident_id: Id) -> None:
    """Say that you have seen it."""
    session.show(await session.app.acknowledge(incident_id))


@command(
    incident,
    "resolve",
    "gonogo incident resolve INCIDENT",
    "gonogo incident resolve INCIDENT --false-alarm",
)
async def resolve(
    session: Session,
    *,
    incident_id: Id,
    false_alarm: Annotated[
        bool,
        typer.Option(
            "--false-alarm",
            help="It was normal: labels the alarm, and takes what is now as the new normal.",
        ),
    ] = False,
) -> None:
    """Close it by your word. One that goes on being bad is opened again."""
    session.show(await session.app.resolve(incident_id, false_alarm=false_alarm))


@command(incident, "report", "gonogo incident report INCIDENT > post-mortem.md")
async def report(session: Session, *, incident_id: Id) -> None:
    """A post-mortem in Markdown; each claim names the decision that it rests on."""
    written = await session.app.post_mortem(incident_id)
    session.screen.line(
        json.dumps({"incident": incident_id, "markdown": written}, ensure_ascii=False)
        if session.screen.as_json
        else written
    )


@command(
    audit,
    "verify",
    "gonogo audit verify",
    "gonogo audit verify --head HASH",
    "gonogo audit verify --json",
)
async def verify(
    session: Session,
    *,
    head: Annotated[
        str | None,
        typer.Option(help="A head that was kept elsewhere: the chain must still contain it."),
    ] = None,
) -> None:
    """Walk the chain: nothing in it was changed, removed or put in between.

    That its end was not cut off only a head kept elsewhere can prove.
    """
    check = await session.app.verify_audit(head)
    if session.screen.as_json:
        told = {name: value for name, value in asdict(check).items() if value is not None}
        session.screen.line(json.dumps(told))
    if check.problem is not None:
        raise StoreError(
            f"The audit chain is broken at link {check.broken_at}: {check.problem}. Compare it "
            "with a backup (`gonogo backup`)."
        )
    if not session.screen.as_json:
        session.screen.line(f"{check.entries} actions, unbroken; head {check.head}")
