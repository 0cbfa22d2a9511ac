"""The table of hour cells, version 1: many rows of it read at once.

A row counts the calls of one dependency, version, golden item and set of segments in one UTC hour. All
numbers are integers, so two rows of the same key merge by adding them up, in any order. docs/cells.md
describes every column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gonogo.errors import plain
from gonogo.ingest.field_checks import RefusedError, got
from gonogo.ingest.hour_cells.cell_columns import plain_cells
from gonogo.ingest.hour_cells.cell_row import CellRow, cell_of_row, told_histograms
from gonogo.ingest.hour_cells.counted_histograms import (
    Counted,
    ToldHistogram,
    count_histograms,
)
from gonogo.ingest.observation import named
from gonogo.ports.hour_cells import HourCell
from gonogo.records import Rejection


def parse_cell(
    raw: object, *, now_ms: int, position: int = 0, run: str | None = None
) -> HourCell | Rejection:
    """`parse_cells` of one row."""
    return parse_cells([(position, raw)], now_ms=now_ms, run=run)[0]


def parse_cells(
    rows: Sequence[tuple[int, object]], *, now_ms: int, run: str | None = None
) -> list[HourCell | Rejection]:
    """Check rows of the table; a column that is null or empty is absent.

    Args:
        rows: Each the line that a Rejection names, and a mapping of column names to values; in CSV numbers
            and objects are text.
        now_ms: The time of arrival, epoch milliseconds.
        run: The run of an import that they come with.

    Returns:
        Of each row its cell, or the first problem that was found. Never raises.
    """
    read = [CellRow(raw if isinstance(raw, Mapping) else {}) for _, raw in rows]
    told = [told_histograms(row) for row in read]
    asked = [one for own in told for one in own.values() if isinstance(one, ToldHistogram)]
    counts = iter(count_histograms(asked))
    counted: list[dict[str, Counted]] = [
        {
            metric: next(counts) if isinstance(one, ToldHistogram) else one
            for metric, one in own.items()
        }
        for own in told
    ]
    found: list[HourCell | Rejection] = []
    plain_ones = plain_cells(read, counted, now_ms=now_ms, run=run)
    for at, (position, raw) in enumerate(rows):
        cell = plain_ones[at]
        if cell is not None:
            found.append(cell)
        elif not isinstance(raw, Mapping):
            found.append(Rejection(position, "cell", f"must be an object, got {got(raw)}"))
        else:
            found.append(_cell_or_problem(read[at], counted[at], position, now_ms, run))
    return found


def _cell_or_problem(
    row: CellRow, told: Mapping[str, Counted], position: int, now_ms: int, run: str | None
) -> HourCell | Rejection:
    try:
        return cell_of_row(row, told, now_ms, run)
    except RefusedError as refused:
        problem = plain(str(refused), 300)
    except Exception as error:  # noqa: BLE001 - whatever a foreign value raises
        problem = f"cannot be read ({type(error).__name__})"
    return Rejection(position, plain(row.at, 80), problem, named(row.values))
