"""How single values are put into words: numbers, money, lengths of time, tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.errors import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gonogo.answers import TargetShare

ROWS_MAX = 12
CELL_CHARS_MAX = 200
MONEY_DIGITS_FROM_USD = 0.01

Cell = str | float | tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Table:
    """A small table; `left_out` rows are only in the structured answer."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def number(value: float) -> str:
    """A count in full, any other number in at most four significant digits."""
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def money(usd: float) -> str:
    """An amount: two decimals, below one cent two significant digits."""
    if usd < 0:
        return f"-{money(-usd)}"
    if 0 < usd < MONEY_DIGITS_FROM_USD:
        return f"${float(f'{usd:.2g}'):.8f}".rstrip("0")
    return f"${usd:,.2f}"


def duration(seconds: int) -> str:
    """A length of time in its largest whole unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"{number(value[0])} to {number(value[1])}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(value if isinstance(value, str) else number(value), CELL_CHARS_MAX)


def table(name: str, columns: str, rows: Iterable[tuple[Cell, ...]]) -> Table:
    """A table of plain cells; rows beyond what a brief answer shows are counted."""
    kept = [tuple(_cell(cell) for cell in row) for row in rows]
    return Table(name, tuple(columns.split()), tuple(kept[:ROWS_MAX]), max(len(kept) - ROWS_MAX, 0))


def interval(pair: tuple[float, float] | None, level: str) -> str:
    """An interval in brackets after its value; nothing where there is none."""
    return f" ({level} {number(pair[0])} to {number(pair[1])})" if pair else ""


def shares(targets: list[TargetShare]) -> str:
    """Where traffic goes, as in "gpt-4 90% + rules:basic 10%"."""
    return " + ".join(f"{plain(t.target, 200)} {t.share:.0%}" for t in targets) or "nothing"
