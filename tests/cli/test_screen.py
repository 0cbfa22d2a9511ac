"""A table on a terminal that is too narrow for it."""

from __future__ import annotations

import pytest
from rich.console import Console

from gonogo.cli.screen import Screen, grid
from gonogo.text.forms import Table

INCIDENT = "inc-1M8AJKAFZMNTZEEJ"
ROW = (INCIDENT, "sentiment-v3", "no_go", "2026-11-26T00:03:01.759Z", "opened: it fell", "watch")
COLUMNS = ("id", "dependency", "verdict", "ts", "event", "actor")


@pytest.mark.parametrize("width", [60, 80, 110])
def test_a_narrow_terminal_shows_every_cell_in_one_piece(width: int) -> None:
    """What has no room beside the others stands under its row."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(grid(Table("incidents", COLUMNS, (ROW,)), width))
    said = captured.get()
    assert max(map(len, said.splitlines())) <= width
    for cell in ROW:
        assert cell in said


def test_a_long_text_is_folded_where_it_has_room() -> None:
    """All of its words, in its own column."""
    words = [f"word{number}" for number in range(40)]
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(grid(Table("doctor", ("what", "found"), (("store", " ".join(words)),)), 80))
    said = captured.get().splitlines()
    assert [word for line in said for word in line.split() if word in words] == words
    assert len({len(line) - len(line.lstrip()) for line in said[3:]}) == 1


def test_a_cell_in_a_pipe_is_one_cell_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    """What others named stands in it; numbers with a sign stay numbers."""
    row = ("a\tb\r\nc", "=cmd|' /C calc'!A1", "@SUM(1)", "-2+3", "-3.2", "+1,200", "-4 %", "go")
    Screen(as_json=False).table(Table("decisions", tuple("abcdefgh"), (row,)))
    cells = capsys.readouterr().out.splitlines()[1].split("\t")
    assert cells == [
        *("a b c", "'=cmd|' /C calc'!A1", "'@SUM(1)", "'-2+3"),
        *("-3.2", "+1,200", "-4 %", "go"),
    ]
