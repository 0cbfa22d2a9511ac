"""The loop that stores the hour cells of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from gonogo.answers import rfc3339
from gonogo.errors import plain
from gonogo.ingest.hour_cells.cell_table import parse_cells
from gonogo.ingest.numbered_lines import Row
from gonogo.ports.hour_cells import HourCell
from gonogo.records import HOUR_MS, Rejection
from gonogo.text.forms import counted

CELLS_A_BATCH = 5_000
# Read at once: of each cell some hundred bins lie in memory as Python's own.
CELLS_A_STEP = 500
_NOT_KNOWN = "no single call, late outcome or answer to the same input is known of them"


class CellBatch:
    """Cells that are written together, with their lines, and the rows that were refused."""

    def __init__(self) -> None:
        self.cells: list[HourCell] = []
        self.lines: list[int] = []
        self.rejected: list[Rejection] = []


def cell_batches(
    rows: Iterator[Row | Rejection], *, clock: Callable[[], int], run: str | None
) -> Callable[[], CellBatch | None]:
    """A function that reads the next batch; None after the last."""

    def next_batch() -> CellBatch | None:
        batch, now_ms = CellBatch(), clock()
        while len(batch.cells) + len(batch.rejected) < CELLS_A_BATCH:
            some = list(islice(rows, CELLS_A_STEP))
            if not some:
                break
            batch.rejected += [row for row in some if isinstance(row, Rejection)]
            told = [row[:2] for row in some if not isinstance(row, Rejection)]
            found = parse_cells(told, now_ms=now_ms, run=run)
            for (line, _), one in zip(told, found, strict=True):
                if isinstance(one, Rejection):
                    batch.rejected.append(one)
                else:
                    batch.cells.append(one)
                    batch.lines.append(line)
        return batch if batch.cells or batch.rejected else None

    return next_batch


class CellUnderstanding:
    """The contents of a file of cells, counted while it is read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: dict[str, int] = {}
        self._cells = 0
        self._hours: list[int] = []
        self.has_outcomes = False

    def note(self, cells: Sequence[HourCell]) -> None:
        """Take a batch in."""
        for cell in cells:
            self._calls[cell.dependency] = self._calls.get(cell.dependency, 0) + cell.content.n
            self.has_outcomes = self.has_outcomes or "outcome" in cell.content.histograms
        self._cells += len(cells)
        hours = [*self._hours, *(cell.hour for cell in cells)]
        self._hours = [min(hours), max(hours)] if hours else []

    def lines(self) -> list[str]:
        """The contents of the file, how it was stored, and what to ask next, in lines."""
        if not self._calls:
            return [f"{self._name}: hour cells; nothing of it is a cell."]
        most = max(self._calls, key=lambda name: self._calls[name])
        first, last = (rfc3339(hour * HOUR_MS) for hour in self._hours)
        others = f" and {len(self._calls) - 1} more" if len(self._calls) > 1 else ""
        quoted = most if most.replace("-", "").replace(".", "").isalnum() else f"'{most}'"
        asked = "drift" if self.has_outcomes else "trust"
        calls = counted(sum(self._calls.values()), "call")
        held = f"{counted(self._cells, 'cell')} of {calls} of {plain(most, 60)}{others}"
        return [
            f"{self._name}: hour cells; {held}; {first} to {last}.",
            f"Understood as counted calls: {_NOT_KNOWN}.",
            f"Next: gonogo check {asked} {quoted}",
        ]
