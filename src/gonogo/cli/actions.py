"""Commands that change where traffic goes, or what it is held against."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gonogo.cli.command import Session, command
from gonogo.errors import ParameterError
from gonogo.text.answer_text import decision_json, question

if TYPE_CHECKING:
    from gonogo.fallback.conditions import ConfirmedBy


group = typer.Typer()

Dependency = Annotated[str, typer.Argument(help="Its name, as recorded.")]


@command(
    group,
    "fallback",
    'gonogo fallback gpt-4 --reason "accuracy fell"',
    "gonogo fallback gpt-4 --plan PLAN_ID --confirm",
    "gonogo fallback gpt-4 --undo AUDIT_ID",
    panel="Act",
)
async def fallback(
    session: Session,
    *,
    dependency: Dependency,
    reason: Annotated[str | None, typer.Option(help="Why; needed for a plan.")] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="name, name@version, rules:NAME, refuse or human. Default: next in line."
        ),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Share of traffic to move. Default: 1.")
    ] = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan", "--plan-id", help="Carry out this plan.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Your id of this call: a retry changes nothing.")
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="With --plan, where its approval is confirm.")
    ] = False,
    undo: Annotated[
        str | None, typer.Option(help="The audit id of the fallback to take back.")
    ] = None,
) -> None:
    """Plan a way back; with --plan carry it out, with --undo take it back."""
    session.show(
        await session.app.trigger_fallback(
            dependency,
            reason=reason,
            to=to,
            share=share,
            plan_id=plan_id,
            idempotency_key=idempotency_key,
            confirm=confirm,
            undo=undo,
        )
    )


@command(
    group,
    "promote",
    "gonogo promote sentiment-v3 2026-05-01",
    "gonogo promote sentiment-v3 2026-05-01 --to 0.25 --policy allow",
    "gonogo promote sentiment-v3 2026-05-01 --shadow",
    "gonogo promote sentiment-v3 2026-05-01 --to 0.5 --at-once",
    "gonogo promote sentiment-v3",
    panel="Act",
)
async def promote(
    session: Session,
    *,
    dependency: Dependency,
    version: Annotated[
        str | None, typer.Argument(help="The candidate. Without it: how the promotion stands.")
    ] = None,
    to: Annotated[
        float | None, typer.Option(help="Share of the calls at which it stops. Default: 1.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Whose yes each stage needs: allow, confirm, ask, person. Default: fallback_policy."
        ),
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Begin at --to: an A/B split, which stays there.")
    ] = False,
    shadow: Annotated[
        bool,
        typer.Option(
            "--shadow", help="Your program calls it beside each call, too: about three days in all."
        ),
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Your id of this call: a retry changes nothing.")
    ] = None,
) -> None:
    """Plan to give a new version all calls in stages, on evidence; again: how it does.

    `gonogo approve` begins it. Then it gets 1, 5, 25, 50 and 100 % of the calls, each as soon as it is
    shown to be not worse in quality, errors, latency and cost, and goes back at once when it is worse.
    """
    session.show(
        await session.app.promote(
            dependency,
            version,
            reason=reason,
            share=to,
            policy=policy,
            at_once=at_once,
            shadow=shadow,
            idempotency_key=idempotency_key,
        )
    )


@command(
    group,
    "approve",
    "gonogo approve PLAN_ID",
    "gonogo approve PLAN_ID --yes",
    'gonogo approve PLAN_ID --reason "v2 is slow, and still better than nothing"',
    panel="Act",
)
async def approve(
    session: Session,
    *,
    plan_id: Annotated[str, typer.Argument(help="The plan's id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Annotated[
        str | None,
        typer.Option(help="Why, past checks that stop agents: ladder, target's health, limits."),
    ] = None,
) -> int:
    """Approve a plan as the person it waits for, and carry it out.

    At a terminal it shows the plan and asks first; in a script, to run it is the yes, but not
    where fallback_policy is person.
    Exit status: 0 carried out, 1 the person said no.
    """
    how: ConfirmedBy = "approved"
    if sys.stdin.isatty() and not yes:
        from gonogo.fallback.ask import waiting_plan

        plan = await waiting_plan((await session.app.stores()).fallback, plan_id)
        if plan is not None and not _agreed(question(*plan)):
            sys.stderr.write("Nothing was changed.\n")
            return 1
        how = "terminal"
    session.show(await session.app.approve(plan_id, reason, how=how))
    return 0


def _agreed(asked: str) -> bool:
    """Ask on standard error, so that what --json prints stays one object."""
    sys.stderr.write(f"{asked}\n[y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@command(
    group,
    "route",
    "gonogo route gpt-4",
    "gonogo route gpt-4 --key user-17 --json",
    'gonogo route gpt-4 --hold "migration" --until 2026-05-01T12:00:00Z',
    "gonogo route gpt-4 --release",
    panel="Act",
)
async def route(
    session: Session,
    *,
    dependency: Dependency,
    key: Annotated[
        str | None, typer.Option(help="Same key, same target: a user or session id.")
    ] = None,
    hold: Annotated[
        str | None,
        typer.Option(help="Keep the route as it is, and why: nobody changes it until released."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="With --hold: a date or time at which it ends.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="Let a held route go.")] = False,
) -> None:
    """Say which target to call now; a person may hold the route there."""
    if (hold is not None and release) or (until is not None and hold is None):
        raise ParameterError("--hold and --release exclude each other, and --until needs --hold.")
    if hold is not None or release:
        await session.app.hold_route(dependency, reason=hold, until=until)
    session.show(await session.app.get_route(dependency, key=key))


# Listed at another place among the commands.
baselines = typer.Typer()


@command(
    baselines,
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
