"""A store in memory, as far as writing files goes."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.ingest.refused_lines import Refusals
from gonogo.records import BatchReport, Observation, Rejection

NOW_MS = 1_780_000_000_000


class MemoryStore:
    """A store as far as writing goes: ids count once, and one version is refused."""

    def __init__(self) -> None:
        self.batches: list[list[Observation]] = []
        self._ids: set[tuple[str, str]] = set()

    @property
    def rows(self) -> list[Observation]:
        """Everything that was kept."""
        return [row for batch in self.batches for row in batch]

    async def record_cells(self, cells: Sequence[object], now_ms: int) -> BatchReport:
        """Hour cells are tried on the store itself (tests/store/test_hour_cells.py)."""
        raise NotImplementedError

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Keep what is new."""
        assert now_ms >= NOW_MS
        kept, rejected = [], []
        for position, row in enumerate(observations):
            if row.version == "refused":
                rejected.append(Rejection(position, "embedding", "has another length"))
            elif row.id is None or (row.dependency, row.id) not in self._ids:
                kept.append(row)
                self._ids |= {(row.dependency, row.id)} if row.id else set()
        self.batches.append(kept)
        duplicates = len(observations) - len(kept) - len(rejected)
        return BatchReport(len(kept), duplicates, 0, tuple(rejected))

    def refuse(self, rejections: Sequence[Rejection], now_ms: int) -> None:
        """Not kept here."""

    async def refused_before(self, file: str) -> int:  # noqa: ARG002
        """None were."""
        return 0

    def refuse_of(self, file: str, refusals: Refusals, now_ms: int) -> None:
        """Not kept here."""

    async def dependencies_of(self, ids: Sequence[str]) -> dict[str, str]:
        """The dependency of each id that was kept."""
        return {known: name for name, known in self._ids if known in set(ids)}
