"""The demo's output: coloured on a terminal, plain lines in a pipe, 80 columns in both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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
ROWS = 11
CELLS_A_DAY = 3
DOTS_WIDE, DOTS_HIGH = 2, 4  # of one braille cell
LOW, HIGH = 0.82, 0.97
TICKS = (0.82, 0.87, 0.92, 0.97)
MARGIN = 7
# The dots of a braille cell by (column, row), as Unicode numbers them.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
BLANK = 0x2800

HEALTHY, SLIDING, ALARMED = "green3", "gold1", "red1"
ONSET_BAND, REFERENCE = "on grey19", "grey50"


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
        """Print the agent's question."""
        shown = ", ".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items()
        )
        self._console.print()
        grid = _two_columns()
        grid.add_row(Text("agent", "bold cyan"), Text(f"{tool}({shown})", "cyan"))
        self._console.print(grid)

    def answer(self, answer: Answer, *lines: str) -> None:
        """Print the answer: the verdict, the summary, and lines that carry it."""
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


@dataclass(frozen=True, slots=True)
class Decline:
    """The data of the chart. Days count from the beginning of the simulated weeks.

    `accuracy` has one fraction a day; `alarm` is the day at whose end the check first said
    degraded. What is not known is None.
    """

    accuracy: Sequence[float]
    baseline: float
    onset: float | None = None
    earliest: float | None = None
    latest: float | None = None
    alarm: float | None = None

    @property
    def days(self) -> int:
        """The number of days."""
        return len(self.accuracy)


def decline_chart(decline: Decline) -> Text:
    """Draw it, 72 columns wide; it reads without its colours too."""
    cells, wide = _curve(decline), decline.days * CELLS_A_DAY
    chart = Text(no_wrap=True)
    ticks = {_cell_row(value): f"{value:.0%}" for value in TICKS}
    reference = _cell_row(decline.baseline)
    for row in range(ROWS):
        chart.append(f"{ticks.get(row, ''):>{MARGIN - 2}} ", "dim")
        chart.append("┤" if row in ticks else "│", "dim")
        for column in range(wide):
            chart.append(*_cell(decline, cells, reference, row, column))
        chart.append("\n")
    chart.append(" " * (MARGIN - 1) + "└" + "──┴" * decline.days + "\n", "dim")
    chart.append(_axis(decline.days), "dim")
    chart.append_text(_legend(decline))
    return chart


def _dot_row(value: float) -> int:
    clipped = min(HIGH, max(LOW, value))
    return round((HIGH - clipped) / (HIGH - LOW) * (ROWS * DOTS_HIGH - 1))


def _cell_row(value: float) -> int:
    return _dot_row(value) // DOTS_HIGH


def _curve(decline: Decline) -> dict[tuple[int, int], int]:
    """Braille cells of the line through the middle of each day."""
    cells: dict[tuple[int, int], int] = {}
    step = CELLS_A_DAY * DOTS_WIDE
    rows = [_dot_row(value) for value in decline.accuracy]
    previous: int | None = None
    for dot in range(step // 2, decline.days * step - step // 2 + 1):
        place = (dot - step // 2) / step
        day = min(int(place), decline.days - 2)
        row = round(rows[day] + (rows[day + 1] - rows[day]) * (place - day))
        # A steep line stays connected.
        reached = range(min(row, previous), max(row, previous) + 1) if previous else (row,)
        for each in reached:
            key = (each // DOTS_HIGH, dot // DOTS_WIDE)
            cells[key] = cells.get(key, 0) | DOTS[dot % DOTS_WIDE][each % DOTS_HIGH]
        previous = row
    return cells


def _cell(
    decline: Decline, cells: dict[tuple[int, int], int], reference: int, row: int, column: int
) -> tuple[str, str]:
    day = column / CELLS_A_DAY
    band = _is_between(day, decline.earliest, decline.latest)
    ground = f" {ONSET_BAND}" if band else ""
    if (row, column) in cells:
        return chr(BLANK + cells[row, column]), f"bold {_color(decline, day)}{ground}"
    if column == _column(decline.alarm):
        return "┃", ALARMED
    if column == _column(decline.onset):
        return "┊", f"{SLIDING}{ground}"
    if row == reference:
        return "╌", f"{REFERENCE}{ground}"
    return "·" if band and (2 * row + column) % 4 == 0 else " ", f"grey35{ground}"


def _is_between(day: float, low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= day <= high


def _column(day: float | None) -> int | None:
    return None if day is None else round(day * CELLS_A_DAY)


def _color(decline: Decline, day: float) -> str:
    if decline.alarm is not None and day >= decline.alarm:
        return ALARMED
    return SLIDING if decline.onset is not None and day >= decline.onset else HEALTHY


def _axis(days: int) -> str:
    labels = "".join(f"{day:>{7 * CELLS_A_DAY}}" for day in range(7, days + 1, 7))
    return " " * MARGIN + labels[:-1] + labels[-1:] + "  day\n"


def _legend(decline: Decline) -> Text:
    legend = Text(" " * MARGIN)
    legend.append("╌ ", REFERENCE)
    legend.append(f"baseline {decline.baseline:.1%}")
    if decline.onset is not None:
        legend.append("   ┊ ", SLIDING)
        legend.append(f"onset day {decline.onset:.1f}")
        if decline.earliest is not None and decline.latest is not None:
            legend.append(f" ({decline.earliest:.1f}-{decline.latest:.1f})")
    if decline.alarm is not None:
        legend.append("   ┃ ", ALARMED)
        legend.append(f"alarm day {decline.alarm:.0f}")
    return legend
