"""The questions: each prints the tool's answer, and its exit status is the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import anyio
import typer

from gonogo.cli.command import Session, command
from gonogo.errors import ParameterError, plain

group = typer.Typer(
    name="check",
    help="Ask whether something is fit for the work; exit status 0 go, 1 caution, 2 no_go, 3 unknown.",
    epilog="`gonogo check drift gpt-4`\n\n`gonogo check preflight triage`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
money = typer.Typer()

Detail = Annotated[
    Literal["brief", "full"], typer.Option(help="full: every segment and table row.")
]
Calls = Annotated[
    int | None, typer.Option("--planned-calls", "--calls", help="Calls the work will make.")
]
Cost = Annotated[
    float | None,
    typer.Option(
        "--planned-cost-usd", "--usd", help="Declared cost in the budget's unit, instead of calls."
    ),
]
Run = Annotated[
    str | None, typer.Option(help="Names a run: whoever names it again shares its hold.")
]
Key = Annotated[str | None, typer.Option(help="Your id of this call: a retry changes nothing.")]
SpentOn = Annotated[str | None, typer.Option(help="What the planned calls go to.")]
BudgetName = Annotated[str, typer.Argument(help="Its name in gonogo.toml.")]


@command(
    group,
    "drift",
    "gonogo check drift gpt-4 --baseline-version 0314 --version 0613",
    "gonogo check drift search --metric latency_ms --until 2026-05-01",
)
async def drift(
    session: Session,
    *,
    dependency: Annotated[str, typer.Argument(help="Its name, as recorded.")],
    metric: Annotated[
        str | None, typer.Option(help="outcome, error, latency_ms, … Default: all.")
    ] = None,
    segment: Annotated[str | None, typer.Option(help="One slice: key=value.")] = None,
    baseline_version: Annotated[str | None, typer.Option(help="Version to compare with.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Version to judge. Default: the current one.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Start: RFC 3339 time or date.")] = None,
    until: Annotated[str | None, typer.Option(help="End; the answer is as of then.")] = None,
    detail: Detail = "brief",
) -> int:
    """Has a dependency degraded, improved or shifted; how much, since when, how sure."""
    return session.show_verdict(
        await session.app.check_model_drift(
            dependency,
            metric=metric,
            segment=segment,
            baseline_version=baseline_version,
            version=version,
            since=since,
            until=until,
            detail=detail,
        )
    )


@command(group, "trust", "gonogo check trust", "gonogo check trust gpt-4 --detail full")
async def trust(
    session: Session,
    *,
    dependency: Annotated[str | None, typer.Argument(help="Its name. Default: all.")] = None,
    detail: Detail = "brief",
) -> int:
    """The calibrated chance that the next call is good; without a name all, worst first."""
    return session.show_verdict(await session.app.get_trust_score_health(dependency, detail=detail))


@command(group, "budget", "gonogo check budget nightly --dependency gpt-4 --planned-calls 400")
async def budget(
    session: Session,
    *,
    name: BudgetName,
    dependency: SpentOn = None,
    planned_calls: Calls = None,
    planned_cost_usd: Cost = None,
    reserve: Annotated[bool, typer.Option("--reserve", help="Hold the money if it fits.")] = False,
    idempotency_key: Key = None,
    run: Run = None,
    detail: Detail = "brief",
) -> int:
    """Will the work fit: the probability, what remains, what is projected."""
    return session.show_verdict(
        await session.app.check_budget_with_confidence(
            name,
            dependency=dependency,
            planned_calls=planned_calls,
            planned_cost_usd=planned_cost_usd,
            reserve=reserve,
            idempotency_key=idempotency_key,
            run=run,
            detail=detail,
        )
    )


@command(
    group,
    "preflight",
    "gonogo check preflight triage && ./run-triage",
    "gonogo check preflight --dependency gpt-4 --dependency search --planned-calls 400",
)
async def preflight(
    session: Session,
    *,
    workload: Annotated[str | None, typer.Argument(help="Its name in gonogo.toml.")] = None,
    as_the_tool_says: Annotated[
        str | None, typer.Option("--workload", help="The same, as the tool names it.")
    ] = None,
    dependencies: Annotated[
        list[str] | None,
        typer.Option("--dependency", "--dependencies", help="Instead of a workload; repeat it."),
    ] = None,
    planned_calls: Calls = None,
    budget: Annotated[str | None, typer.Option(help="The budget that pays.")] = None,
    detail: Detail = "brief",
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as JUnit's XML too, for CI.")
    ] = None,
    fails_at: Annotated[
        Literal["no_go", "unknown", "caution"],
        typer.Option(help="In that file: what is so, or worse, failed."),
    ] = "no_go",
) -> int:
    """Everything the work needs, in one answer: the worst of its parts."""
    if workload and as_the_tool_says:
        raise ParameterError("Name the workload once.")
    report = await session.app.preflight(
        workload=workload or as_the_tool_says,
        dependencies=dependencies or None,
        planned_calls=planned_calls,
        budget=budget,
        detail=detail,
    )
    if junit is not None:
        from gonogo.text.junit import as_junit

        try:
            await anyio.Path(junit).write_text(as_junit(report, fails_at=fails_at), "utf-8")
        except OSError as error:
            where = plain(str(junit), 200)
            raise ParameterError(f"--junit '{where}': {error.strerror or error}.") from None
    return session.show_verdict(report)


@command(
    money,
    "reserve",
    "gonogo reserve nightly --calls 400 --dependency gpt-4",
    "gonogo reserve nightly --usd 2.50 --idempotency-key run-7",
    panel="Spend",
)
async def reserve(
    session: Session,
    *,
    name: BudgetName,
    calls: Calls = None,
    usd: Cost = None,
    dependency: SpentOn = None,
    idempotency_key: Key = None,
    run: Run = None,
) -> int:
    """Hold money for planned work, if it fits; settle it afterwards."""
    if calls is None and usd is None:
        raise ParameterError("reserve needs --calls N or --usd X: how much to hold.")
    return session.show_verdict(
        await session.app.check_budget_with_confidence(
            name,
            dependency=dependency,
            planned_calls=calls,
            planned_cost_usd=usd,
            reserve=True,
            idempotency_key=idempotency_key,
            run=run,
        )
    )


@command(money, "settle", "gonogo settle RESERVATION --usd 1.90", panel="Spend")
async def settle(
    session: Session,
    *,
    reservation_id: Annotated[str, typer.Argument(help="The reservation's id.")],
    usd: Annotated[
        float | None,
        typer.Option(
            "--usd",
            "--actual-usd",
            help="What it cost, in its unit. Default: its observations' cost.",
        ),
    ] = None,
    renew: Annotated[
        bool, typer.Option(help="Book nothing; let the hold last as long again.")
    ] = False,
) -> None:
    """End a hold: book what the work cost, or release it; or renew it."""
    session.show(await session.app.settle_reservation(reservation_id, actual_usd=usd, renew=renew))
