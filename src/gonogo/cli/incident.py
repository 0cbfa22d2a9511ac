"""`gonogo incident` and `gonogo audit`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from gonogo.answers import IncidentList, rfc3339
from gonogo.cli.command import Session, command
from gonogo.config.durations import duration_s
from gonogo.errors import ParameterError, StoreError, plain
from gonogo.ports.change_event import What
from gonogo.text.answer_text import decision_json
from gonogo.text.facts import promotion_table
from gonogo.text.forms import Table, shares

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

people = typer.Typer()

Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id.")]

By = Annotated[
    str | None, typer.Option("--by", help="Who says so. Default: the operating system's user.")
]


def _named(session: Session, by: str | None) -> None:
    """Act in the name of a person who is not the operating system's user."""
    if by is not None and plain(by.strip(), 100):
        user = session.app.actor.removeprefix("person:")
        session.app.actor = f"person:{plain(by.strip(), 100)} (as {user})"


@command(incident, "ack", "gonogo incident ack INCIDENT", "gonogo incident ack INCIDENT --by kim")
async def ack(
    session: Session,
    *,
    incident_id: Annotated[
        str, typer.Argument(metavar="INCIDENT", help="Its id, or the key of a page.")
    ],
    alone: Annotated[bool, typer.Option("--alone", help="Only this one of its page.")] = False,
    by: By = None,
) -> None:
    """Say that you have seen it, and all that was told on the same page."""
    _named(session, by)
    session.show(await session.app.acknowledge(incident_id, alone=alone))


@command(incident, "note", 'gonogo incident note INCIDENT "the provider says 04:00"')
async def note(
    session: Session,
    *,
    incident_id: Id,
    text: Annotated[str, typer.Argument(help="What others should know.")],
    by: By = None,
) -> None:
    """Write a line into its timeline; whoever is told of the incident is told it."""
    _named(session, by)
    session.show(await _noted(session, incident_id, text))


async def _noted(session: Session, incident_id: str, text: str) -> IncidentList:
    from gonogo.app.incident_actions import change_incident
    from gonogo.incidents import by_hand

    stores, now_ms = await session.stores_to_write("write on an incident"), session.app.clock()
    return await change_incident(stores, incident_id, by_hand.note(text), now_ms=now_ms)


@command(incident, "assign", "gonogo incident assign INCIDENT kim")
async def assign(
    session: Session,
    *,
    incident_id: Id,
    owner: Annotated[str, typer.Argument(help="Whose it is.")],
    by: By = None,
) -> None:
    """Say whose it is."""
    from gonogo.app.incident_actions import change_incident
    from gonogo.incidents import by_hand

    _named(session, by)
    stores = await session.stores_to_write("give an incident an owner")
    hand, now_ms = by_hand.assign(owner), session.app.clock()
    session.show(await change_incident(stores, incident_id, hand, now_ms=now_ms))


@command(
    incident,
    "resolve",
    'gonogo incident resolve INCIDENT --note "the provider is well again"',
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
    text: Annotated[
        str | None, typer.Option("--note", help="What ended it, for the timeline.")
    ] = None,
    by: By = None,
) -> None:
    """Close it by your word. One that goes on being bad is opened again."""
    _named(session, by)
    if text is not None:
        await _noted(session, incident_id, text)
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


@command(people, "plans", "gonogo plans", "gonogo plans --json", panel="Look")
async def plans(session: Session) -> None:
    """The plans that wait for a person, with the command that approves each; promotions under way."""
    from gonogo.app.people import promotions, waiting_plans

    stores, now_ms = await session.app.stores(), session.app.clock()
    found = await waiting_plans(stores, now_ms=now_ms)
    under_way = await promotions(stores, now_ms=now_ms)
    if session.screen.as_json:
        told = [plan.model_dump(mode="json", exclude_none=True) for plan in found]
        ways = [one.model_dump(mode="json", exclude_none=True) for one in under_way]
        said = {"plans": told} | ({"promotions": ways} if ways else {})
        session.screen.line(json.dumps(said, ensure_ascii=False))
        return
    if under_way:
        session.screen.table(promotion_table(under_way))
    if not found:
        session.screen.line("No plan waits for a person.")
        return
    rows = tuple(
        (p.dependency, shares(p.to), p.expires_at, p.reason, p.approve_command) for p in found
    )
    columns = ("dependency", "to", "until", "reason", "approve with")
    session.screen.table(Table("plans", columns, rows))


@command(
    people, "notify", "gonogo notify --test", "gonogo notify --test --to pager", panel="Set up"
)
async def notify(
    session: Session,
    *,
    test: Annotated[bool, typer.Option("--test", help="Say that it is a test.")] = False,
    to: Annotated[str | None, typer.Option(help="One receiver. Default: each.")] = None,
) -> int:
    """Tell each receiver what is news to it now, or send each a test; exit 1 where one did not take it."""
    from gonogo.app.people import tell_people, tell_test

    stores = await session.stores_to_write("tell anybody")
    send = tell_test if test else tell_people
    told = await send(stores, name=to, now_ms=session.app.clock())
    if session.screen.as_json:
        lines = [{"receiver": n, "status": s.status, "detail": s.detail} for n, s in told]
        session.screen.line(json.dumps({"told": lines}, ensure_ascii=False))
    elif told:
        rows = tuple((name, step.status, step.detail) for name, step in told)
        session.screen.table(Table("told", ("receiver", "status", "said"), rows))
    else:
        none = "no receiver is configured: [settings.notify.NAME]"
        session.screen.line("Nothing to tell." if session.settings.notify else f"Nobody: {none}.")
    return 0 if all(step.status == "done" for _, step in told) else 1


@command(
    people,
    "silence",
    'gonogo silence gpt-4 --for 2h --reason "migration"',
    "gonogo silence gpt-4 --end",
    "gonogo silence",
    panel="Act",
)
async def silence(
    session: Session,
    *,
    name: Annotated[
        str | None, typer.Argument(help="A dependency, or a pattern of names: 'gpt-*'.")
    ] = None,
    lasts: Annotated[str | None, typer.Option("--for", help="How long: 30m, 2h, 1d.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why nobody is to be woken.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End it now.")] = False,
) -> None:
    """Let nobody be woken for a dependency for a while; evidence and incidents go on. Alone: the list."""
    from gonogo.app.people import standing_silences

    now_ms = session.app.clock()
    doubt = await _silenced(session, name, lasts, reason, end=end, now_ms=now_ms) if name else None
    standing = await standing_silences(await session.app.stores(), now_ms=now_ms)
    if session.screen.as_json:
        told = [
            {
                "dependency": s.dependency,
                "start": rfc3339(s.start_ms),
                "until": rfc3339(s.until_ms),
                "reason": s.reason,
                "by": s.actor,
            }
            for s in standing
        ]
        noted = {} if doubt is None else {"note": doubt}
        session.screen.line(json.dumps({"silences": told, **noted}, ensure_ascii=False))
        return
    if not standing:
        session.screen.line("Nothing is silenced.")
        return
    rows = tuple(
        (s.dependency, rfc3339(s.start_ms), rfc3339(s.until_ms), s.reason, s.actor)
        for s in standing
    )
    columns = ("dependency", "start", "until", "reason", "by")
    session.screen.table(Table("silences", columns, rows))
    if doubt is not None:
        session.screen.line(f"note: {doubt}")


async def _silenced(
    session: Session,
    name: str,
    lasts: str | None,
    reason: str | None,
    *,
    end: bool,
    now_ms: int,
) -> str | None:
    """Begin or end a silence; what is doubtful about its name."""
    from gonogo.app import people as telling

    stores = await session.stores_to_write("silence anything")
    if end:
        await telling.end_silence(stores, name, now_ms=now_ms)
        return None
    if lasts is None or reason is None:
        raise ParameterError("A silence needs --for and --reason, or --end.")
    for_s = duration_s(lasts)
    if for_s is None:
        raise ParameterError(f"--for {plain(lasts, 60)} is no duration such as 30m, 2h, 1d.")
    await telling.silence(stores, name, for_s=for_s, reason=reason, now_ms=now_ms)
    return await telling.unknown_to_silence(stores, name)


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


@command(
    people,
    "event",
    "gonogo event deploy gpt-4 --version 2026-11-29",
    'gonogo event prompt --note "shorter system prompt"',
    panel="Record",
)
async def event(
    session: Session,
    *,
    what: Annotated[What, typer.Argument(help="What was changed.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="What it touches; else all.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The version whose calls begin with it.")
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="KEY=VALUE", help="The slice that it touches alone.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="In a few words.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When. Default: now.")] = None,
) -> None:
    """Record a change, so that it stands among the suspects where something falls soon after."""
    from gonogo.app.incident_actions import record_change

    stores = await session.stores_to_write("record a change")
    made = await record_change(
        stores,
        what,
        names or (),
        version=version,
        segment=segment,
        note=note,
        at=at,
        now_ms=session.app.clock(),
    )
    if not made:
        session.screen.line("It was recorded before: nothing is added.")
    for entry in made:
        session.screen.line(decision_json(entry) if session.screen.as_json else entry.summary)
