"""The terminal's layout of an answer, in the tools' words; plain text in a pipe."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gonogo.answers import Answer
from gonogo.cli.next_steps import as_command, with_options
from gonogo.errors import plain
from gonogo.text.answer_text import Words, as_text, words
from gonogo.text.forms import Table

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {
    "GO": "bold white on green4",
    "CAUTION": "bold black on gold1",
    "NO_GO": "bold white on red3",
    "UNKNOWN": "bold white on grey35",
}
WORD_STYLES = {
    **{verdict.lower(): style.split(" on ")[1] for verdict, style in STYLES.items()},
    "passed": "green4",
    "degraded": "red3",
    "failed": "red3",
    "open": "red3",
    "unknown": "grey62",
}
NAMES = ("version", "versions", "dependency", "id")
WIDTH_MAX = 112
COLUMN_GAP = 3
ROOM_MIN = 32
INDENT = 2
UNDER_INDENT = 4
# The begin of what a spreadsheet would run; a number with a sign is none.
_FORMULA = re.compile(r"[=@]|[+-](?![\d.,]+ ?%?$)")


class Screen:
    """Standard output of one command. A reader that has gone away ends nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.is_terminal = sys.stdout.isatty()

    def show(self, answer: Answer) -> None:
        """Print an answer: JSON where asked for, laid out on a terminal, else plain lines."""
        if self.as_json:
            self.line(answer.as_json())
        elif self.is_terminal:
            self._render(*laid_out(_typed(words(answer, as_command)), self._width()))
        else:
            self.line(with_options(as_text(answer, as_command)))

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
            width = self._width()
            self._render(grid(cut(table, width) if one_line else table, width))
        else:
            rows = (table.columns, *table.rows)
            self.line("\n".join("\t".join(map(_tsv_cell, row)) for row in rows))

    def _width(self) -> int:
        return min(shutil.get_terminal_size().columns, WIDTH_MAX)

    def _render(self, *parts: RenderableType) -> None:
        from rich.console import Console

        console = Console(highlight=False, width=self._width())
        with console.capture() as captured:
            console.print(*parts, sep="\n")
        self.line("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _tsv_cell(text: str) -> str:
    """A cell that stays one, and that no spreadsheet runs: foreign names and reasons stand in it."""
    cell = " ".join(text.splitlines()).replace("\t", " ")
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _typed(said: Words) -> Words:
    """The words for somebody who types options where an agent passes arguments."""
    facts = tuple((label, with_options(text)) for label, text in said.facts)
    return replace(said, summary=with_options(said.summary), facts=facts)


def laid_out(said: Words, width: int) -> list[RenderableType]:
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
        parts += [Padding(grid(table, width - INDENT), (0, 0, 1, INDENT))]
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
    room = width - sum(before) - COLUMN_GAP * len(before)
    if room < ROOM_MIN:  # it will stand under its row, behind its label
        room = width - UNDER_INDENT - len(table.columns[-1]) - 2
    rows = [(*row[:-1], plain(row[-1], room)) for row in table.rows]
    return replace(table, rows=tuple(rows))


def grid(table: Table, width: int) -> RenderableType:
    """A table with its columns aligned, numbers to the right; nothing of it is cut.

    Where a terminal is too narrow, the one column that gives way is folded; where that leaves it
    less than ROOM_MIN, the columns that have no room stand under their row.
    """
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    under = _without_room(widths, width)
    if under:
        return _rows(table, widths, under)
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    shown = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for place, column in enumerate(table.columns):
        shown.add_column(
            column,
            justify="right" if _is_numeric(table, place) else "left",
            no_wrap=widths[place] < max(widths),
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(cell, WORD_STYLES.get(cell, "")) for cell in row))
    if table.left_out:
        shown.caption = f"{table.left_out} more"
    return shown


def _without_room(widths: Sequence[int], width: int) -> list[int]:
    """The places of the columns that do not fit beside the others."""
    beside, under = list(range(len(widths))), list[int]()
    while len(beside) > 1:
        widest = max(beside[1:], key=lambda place: widths[place])
        taken = sum(widths[place] + COLUMN_GAP for place in beside if place != widest)
        if taken + min(widths[widest], ROOM_MIN) <= width and not under:
            return []
        if taken + widths[widest] <= width:
            break
        under.append(widest)
        beside.remove(widest)
    return sorted(under)


def _rows(table: Table, widths: Sequence[int], under: Sequence[int]) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table as Grid
    from rich.text import Text

    beside = [place for place in range(len(widths)) if place not in under]

    def line(cells: Sequence[str], style: str = "") -> Text:
        parts = []
        for place in beside:
            cell, room = cells[place], widths[place]
            filled = cell.rjust(room) if _is_numeric(table, place) else cell.ljust(room)
            parts.append(Text(filled, style or WORD_STYLES.get(cell, "")))
        return Text(" " * COLUMN_GAP).join(parts)

    head = line(table.columns, "dim")
    parts: list[RenderableType] = [head, Text("─" * len(head))]
    for row in table.rows:
        facts = Grid.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        for place in under:
            if row[place]:
                facts.add_row(table.columns[place], Text(row[place]))
        parts += [line(row), Padding(facts, (0, 0, 0, UNDER_INDENT))]
    if table.left_out:
        parts.append(Text(f"{table.left_out} more", "dim"))
    return Group(*parts)


def _is_numeric(table: Table, place: int) -> bool:
    cells = [row[place] for row in table.rows if row[place]]
    return bool(cells) and table.columns[place] not in NAMES and all(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        float(cell.partition(" ")[0].replace(",", "").replace("$", ""))
    except ValueError:
        return False
    return True
