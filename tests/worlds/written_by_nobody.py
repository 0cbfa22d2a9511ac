"""Evidence that was given to a fake store, and so recorded by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gonogo.records import HourCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.trust_reads import WriterCounts


class WrittenByNobody:
    """The part of `TrustTelemetry` that tells who recorded."""

    async def writers(self, dependency: str, *, since_ms: int) -> list[WriterCounts]:
        """Nobody did."""
        del dependency, since_ms
        return []

    async def late_writers(self, dependency: str, *, since_ms: int) -> list[str]:
        """Nobody dated anything back."""
        del dependency, since_ms
        nobody: list[str] = []
        return nobody

    async def recorded_by(
        self, dependency: str, writers: Sequence[str], *, since_ms: int, golden: bool = False
    ) -> HourCounts:
        """Nobody recorded anything."""
        del dependency, writers, since_ms, golden
        none = np.zeros(0, dtype=np.int64)
        return HourCounts(none, none, (), *[none] * 10)
