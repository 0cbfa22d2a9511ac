"""Who recorded the calls of a dependency, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.ports.trust_reads import WriterCounts

if TYPE_CHECKING:
    from gonogo.store.engine import Connection

__all__ = ["writers"]

# A look at more would be felt by whoever asks.
CALLS_MAX = 20_000
# The bar is that of the dependency's rollups, so that a call is good here where it is good there.
_WRITERS = """
SELECT w.text, golden, count(*), sum(failed), sum(labelled),
  sum(CASE WHEN outcome_e6 >= ?4 THEN 1 ELSE 0 END)
FROM (
  SELECT o.writer_id, o.outcome_e6,
    CASE WHEN o.item_id IS NULL THEN 0 ELSE 1 END AS golden,
    CASE WHEN o.error_id IS NULL THEN 0 ELSE 1 END AS failed,
    CASE WHEN o.outcome_e6 IS NULL THEN 0 ELSE 1 END AS labelled
  FROM observation o WHERE o.dependency_id = ?1 AND o.ts_ms >= ?2
  ORDER BY o.ts_ms DESC, o.seq DESC LIMIT ?3
) AS newest JOIN name w ON w.id = newest.writer_id
GROUP BY w.text, golden ORDER BY w.text, golden
"""


def writers(connection: Connection, *, name: str, since_ms: int, bar_e6: int) -> list[WriterCounts]:
    """See `TrustTelemetry`."""
    found = connection.execute("SELECT id FROM dependency WHERE name = ?", (name,)).fetchone()
    if found is None:
        return []
    rows = connection.execute(_WRITERS, (found[0], since_ms, CALLS_MAX, bar_e6)).fetchall()
    return [
        WriterCounts(str(text), bool(golden), *map(int, counts)) for text, golden, *counts in rows
    ]
