"""Commands that list: dependencies, incidents, budgets and decisions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gonogo.answers import rfc3339
from gonogo.cli.command import Session, command
from gonogo.text.answer_text import decision_json
from gonogo.text.forms import Table, amount_text, counted, number, percent

if TYPE_CHECKING:
    from gonogo.money.scopes import BudgetFill

group = typer.Typer()
decisions = typer.Typer(
    name="decisions",
    help="The decision log: verdicts and actions with what they rested on.",
    epilog="`gonogo decisions`\n\n`gonogo decisions show ID`",
    rich_markup_mode="markdown",
)

Status = Literal["open", "acknowledged", "mitigated", "recovering", "resolved"]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most this many, newest first.")]


@command(group, "list", "gonogo list", "gonogo list gpt --json", panel="Look")
async def list_dependencies(
    session: Session,
    *,
    query: Annotated[str | None, typer.Argument(help="Part of a name.")] = None,
    cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before.")] = None,
) -> None:
    """List the known dependencies, one line each, with the last verdict."""
    session.show(await session.app.list_dependencies(query=query, cursor=cursor))


@command(
    group,
    "incidents",
    "gonogo incidents --status open",
    "gonogo incidents --id INCIDENT",
    panel="Look",
)
async def incidents(
    session: Session,
    *,
    dependency: Annotated[str | None, typer.Argument(help="Its name. Default: all.")] = None,
    status: Annotated[Status | None, typer.Option(help="Default: all.")] = None,
    incident_id: Annotated[
        str | None, typer.Option("--id", "--incident-id", help="One, with its timeline.")
    ] = None,
) -> None:
    """List incidents with their timelines."""
    session.show(
        await session.app.get_incidents(
            dependency=dependency, status=status, incident_id=incident_id
        )
    )


@command(group, "budgets", "gonogo budgets", "gonogo budgets customer/ --json", panel="Look")
async def budgets(
    session: Session,
    *,
    query: Annotated[str | None, typer.Argument(help="Part of a name.")] = None,
) -> None:
    """List how full budgets are, the fullest first; each value's own where a limit is for each customer or key."""
    fills = [f for f in await session.app.budget_fills() if (query or "") in f.budget.name]
    fills.sort(key=lambda fill: -fill.used)
    if session.screen.as_json:
        for fill in fills:
            session.screen.line(json.dumps(_fill_json(fill)))
        return
    rows = []
    for fill in fills:
        limit, *rest = (amount_text(amount, fill.budget.unit) for amount in fill.amounts)
        rows.append((fill.budget.name, percent(fill.used), limit, *rest, fill.window.kind))
    columns = ("budget", "used", "limit", "spent", "held", "left", "window")
    if rows:
        session.screen.table(Table("budgets", columns, tuple(rows)))
    else:
        what = "No budget's name contains this." if query else "No budget is configured."
        session.screen.line(f"{what} [budgets.NAME] in gonogo.toml makes one.")


def _fill_json(fill: BudgetFill) -> dict[str, object]:
    names = ("limit_usd", "spent_usd", "held_usd", "remaining_usd")
    ends = {"start": fill.window.start_ms, "end": fill.window.end_ms}
    return {
        "budget": fill.budget.name,
        **({} if fill.budget.unit == "usd" else {"unit": fill.budget.unit}),
        **dict(zip(names, fill.amounts, strict=True)),
        "window": {"kind": fill.window.kind}
        | {name: rfc3339(ms) for name, ms in ends.items() if ms is not None},
    }


@command(decisions, "list", "gonogo decisions list --dependency gpt-4 --limit 20")
async def list_decisions(
    session: Session,
    *,
    dependency: Annotated[str | None, typer.Option(help="About this one.")] = None,
    kind: Annotated[str | None, typer.Option(help="A tool's name.")] = None,
    limit: Limit = 50,
) -> None:
    """The newest entries; with --json each on a line of its own, whole."""
    found = await session.app.decisions(dependency=dependency, kind=kind, limit=limit)
    if session.screen.as_json:
        for entry in found:
            session.screen.line(decision_json(entry))
        return
    rows = tuple(
        (rfc3339(_whole_s(d.last_ts_ms or d.ts_ms)), d.id, d.kind, d.verdict or "", d.summary)
        for d in found
    )
    table = Table("decisions", ("time", "id", "tool", "verdict", "summary"), rows)
    session.screen.table(table, one_line=True)


def _whole_s(ts_ms: int) -> int:
    return ts_ms // 1000 * 1000


@command(decisions, "calibration", "gonogo decisions calibration")
async def calibration(session: Session) -> None:
    """Show how often settled budget checks came true, by the confidence they had."""
    table = await session.app.calibration()
    if session.screen.as_json:
        session.screen.line(json.dumps({k: v for k, v in asdict(table).items() if v is not None}))
        return
    error = "too few to tell" if table.ece is None else number(round(table.ece, 4))
    session.screen.line(f"{counted(table.checks, 'settled check')}; calibration error {error}")
    rows = tuple(
        (
            f"{percent(b.low)} to {percent(b.high)}",
            str(b.checks),
            percent(b.said),
            percent(b.happened),
        )
        for b in table.bins
    )
    if rows:
        session.screen.table(
            Table("calibration", ("confidence", "checks", "said", "came true"), rows)
        )


@command(decisions, "show", "gonogo decisions show DECISION")
async def show_decision(
    session: Session, *, decision_id: Annotated[str, typer.Argument(help="The entry's id.")]
) -> None:
    """One entry, whole, as JSON: inputs, evidence, answer, versions."""
    session.screen.line(decision_json(await session.app.decision(decision_id)))
