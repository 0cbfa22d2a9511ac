"""What a person sees: the same words as the tools', laid out for a terminal; plain in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.errors import plain
from gonogo.text import Table, Words, as_json, as_text, words

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as Grid

    from gonogo.answers import Answer

STYLES = {
    "GO": "bold white on green4",
    "CAUTION": "bold black on gold1",
    "NO_GO": "bold white on red3",
    "UNKNOWN": "bold white on grey35",
}
WORD_STYLES = {
    **{verdict.lower(): style.split(" on ")[1] for verdict, style in STYLES.items()},
    "degraded": "red3",
    "failed": "red3",
    "open": "red3",
    "unknown": "grey62",
}
NAMES = ("version", "versions", "dependency", "id")
WIDTH_MAX = 112
COLUMN_GAP = 3


class Screen:
    """Standard output of one command. A reader that has gone away ends nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.is_terminal = sys.stdout.isatty()

    def show(self, answer: Answer) -> None:
        """Print an answer: JSON where asked for, laid out on a terminal, else plain lines."""
        if self.as_json:
            self.line(as_json(answer))
        elif self.is_terminal:
            self._render(*laid_out(words(answer)))
        else:
            self.line(as_text(answer))

    def line(self, text: str) -> None:
        """Print text as it is."""
        try:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def table(self, table: Table, *, one_line: bool = False) -> None:
        """Print a table: aligned on a terminal, a row a line if asked; else tabs between cells."""
        if self.is_terminal:
            self._render(grid(cut(table, self._width()) if one_line else table))
        else:
            self.line("\n".join("\t".join(row) for row in (table.columns, *table.rows)))

    def _width(self) -> int:
        return min(shutil.get_terminal_size().columns, WIDTH_MAX)

    def _render(self, *parts: RenderableType) -> None:
        from rich.console import Console

        console = Console(highlight=False, width=self._width())
        with console.capture() as captured:
            console.print(*parts, sep="\n")
        self.line("\n".join(line.rstrip() for line in captured.get().splitlines()))


def laid_out(said: Words) -> list[RenderableType]:
    """The words as a terminal shows them: a badge, aligned facts, tables."""
    from rich.padding import Padding
    from rich.table import Table as Grid
    from rich.text import Text

    badge = Text(f" {said.verdict.replace('_', '-')} ", STYLES[said.verdict])
    head = Grid.grid(padding=(0, 2))
    head.add_row(badge, Text(said.summary, "bold"))
    parts: list[RenderableType] = [head, Text()]
    facts = Grid.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    for label, text in said.facts:
        facts.add_row(label, Text(text))
    if said.facts:
        parts += [Padding(facts, (0, 0, 1, 2))]
    for table in said.tables:
        parts += [Padding(grid(table), (0, 0, 1, 2))]
    calls = Grid.grid(padding=(0, 2))
    for call in said.next_calls:
        calls.add_row(Text("next", "dim"), Text(call, "cyan"))
    if said.next_calls:
        parts.append(Padding(calls, (0, 0, 1, 2)))
    parts.append(Padding(Text(said.footer, "dim"), (0, 0, 0, 2)))
    return parts


def cut(table: Table, width: int) -> Table:
    """The table with its last cells cut, so that each row is one line."""
    columns = zip(table.columns, *table.rows, strict=True)
    *before, _ = [max(map(len, column)) for column in columns]
    room = max(width - sum(before) - COLUMN_GAP * len(before), 8)
    rows = [(*row[:-1], plain(row[-1], room)) for row in table.rows]
    return replace(table, rows=tuple(rows))


def grid(table: Table) -> Grid:
    """A table with its columns aligned, numbers to the right."""
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    shown = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows if row[place]]
        numeric = bool(cells) and all(_is_number(cell) for cell in cells)
        shown.add_column(
            column,
            justify="right" if numeric and column not in NAMES else "left",
            # Only the last column gives way: a cut id or time is of no use.
            no_wrap=place < len(table.columns) - 1,
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(cell, WORD_STYLES.get(cell, "")) for cell in row))
    if table.left_out:
        shown.caption = f"{table.left_out} more"
    return shown


def _is_number(cell: str) -> bool:
    try:
        float(cell.partition(" ")[0].replace(",", "").replace("$", ""))
    except ValueError:
        return False
    return True
