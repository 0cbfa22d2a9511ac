"""The demo's output: coloured on a terminal, plain lines in a pipe, 80 columns in both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gonogo.answers import Answer, PreflightReport
from gonogo.records import Verdict

WIDTH_MAX = 88
REASON_CHARS_MIN = 50
BADGES: dict[Verdict, tuple[str, str]] = {
    "go": (" GO ", "bold white on green4"),
    "caution": (" CAUTION ", "bold black on gold1"),
    "no_go": (" NO-GO ", "bold white on red3"),
    "unknown": (" UNKNOWN ", "bold white on grey35"),
}


class Paper:
    """Prints the demo, step by step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        console.width = min(console.width, WIDTH_MAX)

    def title(self, text: str, below: str) -> None:
        """The heading of it all."""
        self._console.print(Text(text, "bold"))
        self._console.print(Text(below, "dim"))

    def part(self, text: str) -> None:
        """A new morning or step."""
        self._console.print()
        self._console.print(Rule(Text(f" {text} ", "bold"), align="left", style="grey42"))

    def note(self, text: str) -> None:
        """A remark of the demo itself."""
        self._console.print(Padding(Text(text, "dim"), (0, 0, 0, 2)))

    def command(self, text: str, result: str) -> None:
        """A command that was run, and what came of it."""
        self._console.print(Text.assemble(("$ ", "dim"), (text, "cyan"), ("  ", ""), (result, "")))

    def question(self, tool: str, **arguments: object) -> None:
        """What the agent asks."""
        shown = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items()
        )
        self._console.print()
        grid = _two_columns()
        grid.add_row(Text("agent", "bold cyan"), Text(f"{tool}({shown})", "cyan"))
        self._console.print(grid)

    def answer(self, answer: Answer, *lines: str) -> None:
        """What came back: the verdict, the summary, and lines that carry it."""
        grid = _two_columns()
        grid.add_row(Text(*BADGES[answer.verdict]), Text(answer.summary))
        for line in lines:
            grid.add_row("", Text(line, "dim"))
        self._console.print(grid)

    def preflight(self, report: PreflightReport) -> None:
        """A preflight: one line a part."""
        self.answer(report)
        parts: list[tuple[str, Verdict, str]] = [
            (check.dependency, check.verdict, _reason(check.why or "")) for check in report.checks
        ]
        if report.budget is not None:
            budget = report.budget
            why = _reason(budget.summary)
            parts.append((f"budget {budget.budget}", budget.verdict, why))
        self._console.print(Padding(_parts(parts), (0, 0, 0, 10)))

    def drawing(self, text: Text) -> None:
        """A chart, as it is."""
        self._console.print()
        self._console.print(text, no_wrap=True, overflow="crop")

    @contextmanager
    def working(self, on: str) -> Iterator[None]:
        """Progress on a terminal while something takes its time; else nothing."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        shown = Progress(
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with shown:
            shown.add_task(on, total=None)
            yield


def _two_columns() -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=9)
    grid.add_column(ratio=1)
    return grid


def _reason(text: str) -> str:
    """The sentences of a reason up to the first that says something."""
    said = ""
    for sentence in text.split(". "):
        said = f"{said}. {sentence}" if said else sentence
        if len(said) >= REASON_CHARS_MIN:
            break
    return said.removesuffix(".")


def _parts(parts: Sequence[tuple[str, Verdict, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, style="dim")
    for name, verdict, why in parts:
        _, style = BADGES[verdict]
        color = style.rpartition(" on ")[2]
        table.add_row(name, Text(verdict, f"bold {color}"), why)
    return table
