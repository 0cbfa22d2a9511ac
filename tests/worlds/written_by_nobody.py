"""Evidence that was given to a fake store, and so recorded by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo.ports.trust_reads import WriterCounts


class WrittenByNobody:
    """The part of `TrustTelemetry` that tells who recorded."""

    async def writers(self, dependency: str, *, since_ms: int) -> list[WriterCounts]:
        """Nobody did."""
        del dependency, since_ms
        return []
