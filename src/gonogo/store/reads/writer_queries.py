"""Who recorded the calls of a dependency, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonogo.ports.trust_reads import WriterCounts
from gonogo.records import HOUR_MS
from gonogo.store.engine import in_shard
from gonogo.store.observations.rows import Rule
from gonogo.store.reads.queries import hours_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import HourCounts
    from gonogo.store.engine import Connection

__all__ = ["golden_lately", "recorded_by", "writers"]

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


def golden_lately(connection: Connection, *, start_hour: int) -> list[str]:
    """See `TrustTelemetry`; of the series alone, each by the newest of its hours."""
    shard = in_shard(connection, "r.", "s.dependency_id")
    rows = connection.execute(
        "SELECT DISTINCT d.name FROM series s JOIN dependency d ON d.id = s.dependency_id"  # noqa: S608 - the store's own
        " WHERE s.golden = 1 AND s.segment_id = 0 AND EXISTS (SELECT 1 FROM rollup r"
        f" WHERE r.series_id = s.id{shard} AND r.daily = 0 AND r.bucket >= ?) ORDER BY d.name",
        (start_hour,),
    )
    return [str(name) for (name,) in rows]


# The counts of `store/observations/cells.py`, by hour and version, from the rows themselves: those of calls
# since then, and those of earlier hours into which somebody recorded since then.
_RECORDED_BY = """
SELECT hour, version_id, count(*), sum(failed), sum(timed), sum(met), sum(labelled), sum(outcome),
  sum(good), sum(ok), sum(ok * labelled), sum(ok * good)
FROM (
  SELECT hour, version_id, failed, timed, met,
    CASE WHEN outcome IS NULL THEN 0 ELSE 1 END AS labelled,
    coalesce(outcome, 0) AS outcome,
    CASE WHEN outcome >= {bar} THEN 1 ELSE 0 END AS good,
    CASE WHEN failed = 0 AND met = timed THEN 1 ELSE 0 END AS ok
  FROM (
    SELECT o.ts_ms / {hour} AS hour, o.version_id,
      CASE WHEN o.error_id IS NULL THEN 0 ELSE 1 END AS failed,
      CASE WHEN o.latency_us IS NULL THEN 0 ELSE 1 END AS timed,
      CASE WHEN o.latency_us <= {slo} THEN 1 ELSE 0 END AS met,
      CASE WHEN o.outcome_e6 IS NULL AND o.item_id IS NOT NULL AND o.error_id IS NOT NULL
        THEN 0 ELSE o.outcome_e6 END AS outcome
    FROM (
      SELECT * FROM observation n
      WHERE n.dependency_id = ?1 AND n.ts_ms >= ?2 AND n.writer_id IN ({writers})
      UNION ALL
      SELECT p.* FROM late_arrival l CROSS JOIN observation p
      WHERE l.dependency_id = ?1 AND l.writer_id IN ({writers}) AND l.came_hour >= ?2 / {hour}
        AND p.dependency_id = ?1 AND p.writer_id = l.writer_id AND p.ts_ms < ?2
        AND p.ts_ms >= l.hour * CAST({hour} AS BIGINT)
        AND p.ts_ms < (l.hour + 1) * CAST({hour} AS BIGINT)
    ) AS o WHERE o.item_id IS {golden} NULL
  ) AS told
) AS judged
GROUP BY hour, version_id
"""
_NO_SLO_US = 1 << 62


def recorded_by(
    connection: Connection, *, name: str, by: Sequence[str], since_ms: int, golden: bool
) -> HourCounts:
    """See `TrustTelemetry`."""
    found = connection.execute("SELECT id, rule FROM dependency WHERE name = ?", (name,)).fetchone()
    if found is None or not by:
        return hours_of(connection, [])
    rule = Rule.parse(found[1])
    marks = ", ".join(f"?{at}" for at in range(3, 3 + len(by)))
    query = _RECORDED_BY.format(
        bar=rule.bar_e6,
        slo=_NO_SLO_US if rule.slo_us is None else rule.slo_us,
        hour=HOUR_MS,
        golden="NOT" if golden else "",
        writers=f"SELECT id FROM name WHERE text IN ({marks})",  # noqa: S608 - only marks
    )
    rows = connection.execute(query, (found[0], since_ms, *by)).fetchall()
    return hours_of(connection, [tuple(map(int, row)) for row in rows])
