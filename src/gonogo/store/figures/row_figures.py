"""Whether the rows of a dependency can be read: their JSON, and the names that they point to.

Nothing says again what a row said: what cannot be read is named, and what is made of rows is then left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from gonogo.ports.hour_cells import CellContent
from gonogo.records import HOUR_MS
from gonogo.store.engine import Connection
from gonogo.store.figures.figure import Figures
from gonogo.store.hour_cells.stored_cells import HOUR_AS_MS, StoredCell, unpacked
from gonogo.store.observations.cells import COUNTS
from gonogo.store.observations.rows import Row

_TABLES = {
    "observation": (
        *("version_id", "item_id", "error_id", "budget_id", "prediction_id", "label_id"),
        *("run_id", "writer_id", "outcome_by_id", "judge_id"),
        *("outcome_writer_id", "filled_by_id"),
    ),
    "hour_cell": ("version_id", "item_id", "run_id", "writer_id"),
}
_IDS_A_QUERY = 250


class RowsRead:
    """The problems found while reading a dependency's rows and hour cells, for two figures: `rows` and `names`."""

    def __init__(
        self, connection: Connection, dependency: tuple[int, str], figures: Figures
    ) -> None:
        self._connection, self._figures = connection, figures
        self._id, self._name = dependency
        self._read = 0
        self._outcomes = self._early = 0  # early: it came before its call
        self._unread: dict[str, list[int]] = {}  # of a column: the time of each such row

    def has_its_names(self) -> bool:
        """Whether every name that a row carries is there."""
        used = self._segment_names()
        for table, columns in _TABLES.items():
            for column in columns:
                rows = self._connection.execute(
                    f"SELECT DISTINCT {column} FROM {table} WHERE dependency_id = ?",  # noqa: S608 - constant names
                    (self._id,),
                )
                used |= {row[0] for row in rows if row[0]}
        figure = self._figures.of("names", is_derived=False)
        figure.compared += len(used)
        listed, missing = sorted(used), set(used)
        for at in range(0, len(listed), _IDS_A_QUERY):
            some = tuple(listed[at : at + _IDS_A_QUERY])
            marks = ", ".join("?" * len(some))
            found = self._connection.execute(f"SELECT id FROM name WHERE id IN ({marks})", some)  # noqa: S608 - only marks
            missing -= {row[0] for row in found}
        if missing:
            figure.amiss.append(f"{self._name}: {len(missing)} names that rows carry are gone")
        return not missing

    def _segment_names(self) -> set[int]:
        used: set[int] = set()
        for table, time in (("observation", "ts_ms"), ("hour_cell", HOUR_AS_MS)):
            for segments, n, ts_ms in self._connection.execute(
                f"SELECT segments, count(*), min({time}) FROM {table} "  # noqa: S608 - constant names
                "WHERE dependency_id = ? AND segments IS NOT NULL GROUP BY segments",
                (self._id,),
            ).fetchall():
                parts = _json(segments)
                if isinstance(parts, list) and all(type(part) in (int, str) for part in parts):
                    used |= {part for part in parts if not isinstance(part, str)}
                else:
                    self._unread.setdefault("segments", []).extend([ts_ms] * n)
        return used

    def can_read(self, rows: Sequence[Row]) -> bool:
        """Whether the `metrics` of all these rows are numbers by name."""
        self._read += len(rows)
        can_read = True
        for row in rows:
            if row.outcome_lag_ms is not None:
                self._outcomes += 1
                self._early += row.outcome_lag_ms < 0
            if row.metrics is not None and not _is_numbers(row.metrics):
                self._unread.setdefault("metrics", []).append(row.ts_ms)
                can_read = False
        return can_read

    def content_of(self, cell: StoredCell) -> CellContent | None:
        """Decode an hour cell; None where it cannot be read."""
        self._read += 1
        try:
            content = unpacked(cell.content)
        except (ValueError, TypeError, AttributeError, LookupError):
            content = None
        if content is None or len(content.counts) != len(COUNTS):
            self._unread.setdefault("content", []).append(cell.hour * HOUR_MS)
            return None
        return content

    def are_read(self) -> bool:
        """Say what could not be read; whether all could be."""
        figure = self._figures.of("rows", is_derived=False)
        figure.compared += self._read
        for column, times in self._unread.items():
            first = datetime.fromtimestamp(min(times) / 1000, tz=UTC)
            figure.amiss.append(
                f"{self._name}: {column} of {len(times)} row{'s'[: len(times) - 1]} cannot be read, "
                f"the first of {first:%Y-%m-%dT%H:%M:%SZ}"
            )
        # Clocks differ, so that honest rows have it too: such an outcome counts as known at once.
        figure = self._figures.of("outcome times", is_derived=False)
        figure.compared += self._outcomes
        if self._early:
            figure.doubtful.append(f"{self._name}: {self._early} came before their calls")
        return self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found that cannot be read."""
        return not self._unread


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_numbers(text: str) -> bool:
    found = _json(text)
    return isinstance(found, dict) and all(
        isinstance(value, (int, float)) and math.isfinite(value) for value in found.values()
    )
