"""The incident plan rehearsed from the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gonogo.cli.command import Session, command
from gonogo.clock import running_ms
from gonogo.errors import NotEnoughData, ParameterError, plain
from gonogo.text.forms import counted

if TYPE_CHECKING:
    from gonogo.answers.drill_report import DrillReport
    from gonogo.drill.drill_run import DrillRequest

group = typer.Typer()

FAILED, TOO_LITTLE = 2, 3
# How often a drill says how far it is, where no terminal shows a bar.
LINES = 10


@command(
    group,
    "drill",
    "gonogo drill",
    "gonogo drill --dependency gpt-4 --scenario outage --replicates 50",
    "gonogo drill --markdown > drill.md",
    panel="Act",
)
async def drill(
    session: Session,
    *,
    dependency: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What to rehearse; else what has a fallback."),
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One or more; all without it.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, max=1000, help="Of each scenario.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same drill.")] = 1,
    days: Annotated[
        int, typer.Option(min=7, max=90, help="How long a replicate is watched, at most.")
    ] = 28,
    answer_after: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", min=0, help="A person approves so late; else nobody does."),
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Do not note the result in the decision log.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> int:
    """Rehearse the incident plan on a copy of your own history; nothing real is switched.

    Exit status: 0 passed, 2 failed, 3 not enough history. A drill of every scenario is noted in the
    decision log: a failed one, or one older than 90 days, turns a fallback policy of allow into ask.
    """
    from gonogo.drill.drill_run import DrillRequest, chosen_dependency, note_drill
    from gonogo.drill.scenarios import SCENARIOS

    unknown = [name for name in scenario or () if name not in SCENARIOS]
    if unknown:
        shown = plain(unknown[0], 60)
        raise ParameterError(f"There is no scenario '{shown}'. Known: {', '.join(SCENARIOS)}.")
    asked = DrillRequest(
        dependency=chosen_dependency(session.settings, dependency),
        scenarios=tuple(dict.fromkeys(scenario or SCENARIOS)),
        replicates=replicates,
        seed=seed,
        days=days,
        answer_after_min=answer_after,
    )
    report = await _drilled(session, asked)
    is_whole = set(asked.scenarios) == set(SCENARIOS) and report.passed is not None
    if is_whole and not no_record and not session.settings.read_only:
        report = await note_drill(session.app, report)
    _show(session, report, markdown=markdown)
    return TOO_LITTLE if report.passed is None else 0 if report.passed else FAILED


def _show(session: Session, report: DrillReport, *, markdown: bool) -> None:
    if markdown and not session.screen.as_json:
        from gonogo.text.drill_words import as_markdown

        session.screen.line(as_markdown(report))
    else:
        session.show(report)


async def _drilled(session: Session, asked: DrillRequest) -> DrillReport:
    from gonogo.drill.drill_run import play, playable, prepare
    from gonogo.drill.measures import report, unready

    # A worker that is killed at the end may be reaped before asyncio's own watcher of it looks,
    # which warns of an "unknown child process": nothing was lost.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    clock, settings = session.app.clock, session.settings
    policy = settings.dependency(asked.dependency).fallback_policy
    try:
        ground = await prepare(settings, asked, clock=clock)
    except NotEnoughData as thin:
        return unready(asked, str(thin), policy, now_ms=clock())
    names = playable(ground, asked)
    if not names:
        why = "; ".join(f"{name}: {ground.left_out[name]}" for name in asked.scenarios)
        return unready(asked, f"Nothing to rehearse. {why}.", policy, now_ms=clock())
    with progress(len(names), asked.replicates) as advance:
        trials = await play(ground, asked, progress=lambda trial: advance(trial.scenario))
    return report(ground, asked, trials, now_ms=clock())


@contextmanager
def progress(scenarios: int, replicates: int) -> Iterator[Callable[[str], None]]:
    """Show progress on standard error: a bar on a terminal, else a line for each tenth."""
    total = scenarios * replicates
    if not sys.stderr.isatty():
        yield _told_in_lines(scenarios, replicates)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("reading", total=total)
        yield lambda scenario: shown.update(task, advance=1, description=scenario)


def _told_in_lines(scenarios: int, replicates: int) -> Callable[[str], None]:
    """Say what is begun; the function that is returned says how far it is, ten times in all."""
    total, done, begun_ms = scenarios * replicates, 0, running_ms()
    each = counted(replicates, "replicate")
    _say(f"Rehearsing {counted(scenarios, 'scenario')} with {each} each on a copy of the history.")

    def advance(scenario: str) -> None:
        nonlocal done
        del scenario
        done += 1
        if done < total and done * LINES // total > (done - 1) * LINES // total:
            passed_s = (running_ms() - begun_ms) / 1000
            left_s = passed_s * (total - done) / done
            _say(
                f"{done} of {total} replicates after {passed_s:.0f} s, about {left_s:.0f} s to go."
            )

    return advance


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
