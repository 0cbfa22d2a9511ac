"""Reads of trust beyond the common telemetry: `ports.trust_reads.TrustTelemetry`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gonogo.ports.trust_reads import (
    CallCounts,
    FleetRow,
    KeptScore,
    WriterCounts,
)
from gonogo.records import HOUR_MS, HourCounts
from gonogo.settings import Settings
from gonogo.store.engine import Connection, Engine, in_shard, read
from gonogo.store.observations.rows import Rule
from gonogo.store.reads.queries import hours_of
from gonogo.store.reads.trust_queries import (
    ReadFleet,
    call_counts,
    judged_labels,
    keep_score,
    keep_scores,
    kept_scores,
    newest_calls,
    partly_labelled,
    population,
    provider_members,
    read_fleet,
    recent_hours,
    repeats,
    repeats_of,
    revisions,
    with_outcomes,
)

# A look at more would be felt by whoever asks.
CALLS_MAX = 20_000
# The bar is that of the dependency's rollups, so that a call is good here where it is good there.
# A call is its writer's word, and its outcome that of whoever said it.
_WRITERS = """
WITH newest AS (
  SELECT o.writer_id, coalesce(o.outcome_writer_id, o.writer_id) AS outcome_writer_id, o.outcome_e6,
    CASE WHEN o.item_id IS NULL THEN 0 ELSE 1 END AS golden,
    CASE WHEN o.error_id IS NULL THEN 0 ELSE 1 END AS failed
  FROM observation o WHERE o.dependency_id = ?1 AND o.ts_ms >= ?2
  ORDER BY o.ts_ms DESC, o.seq DESC LIMIT ?3
)
SELECT w.text, golden, CAST(sum(n) AS BIGINT), CAST(sum(errors) AS BIGINT),
  CAST(sum(labels) AS BIGINT), CAST(sum(good) AS BIGINT)
FROM (
  SELECT writer_id, golden, count(*) AS n, sum(failed) AS errors, 0 AS labels, 0 AS good
  FROM newest GROUP BY writer_id, golden
  UNION ALL
  SELECT outcome_writer_id, golden, 0, 0, count(*),
    sum(CASE WHEN outcome_e6 >= ?4 THEN 1 ELSE 0 END)
  FROM newest WHERE outcome_e6 IS NOT NULL GROUP BY outcome_writer_id, golden
) AS told JOIN name w ON w.id = told.writer_id
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
    """Dependencies whose golden set was asked since an hour, by name: of the series alone, each by the newest of its hours."""
    shard = in_shard(connection, "r.", "s.dependency_id")
    rows = connection.execute(
        "SELECT DISTINCT d.name FROM series s JOIN dependency d ON d.id = s.dependency_id"  # noqa: S608 - the store's own
        " WHERE s.golden = 1 AND s.segment_id = 0 AND EXISTS (SELECT 1 FROM rollup r"
        f" WHERE r.series_id = s.id{shard} AND r.daily = 0 AND r.bucket >= ?) ORDER BY d.name",
        (start_hour,),
    )
    return [str(name) for (name,) in rows]


def late_writers(connection: Connection, dependency: str, *, since_ms: int) -> list[str]:
    """Who recorded calls since a time that are dated before it, sorted."""
    since_hour = since_ms // HOUR_MS
    rows = connection.execute(
        "SELECT DISTINCT w.text FROM late_arrival l JOIN name w ON w.id = l.writer_id"
        " WHERE l.dependency_id = (SELECT id FROM dependency WHERE name = ?)"
        " AND l.came_hour >= ? AND l.hour < ? ORDER BY w.text",
        (dependency, since_hour, since_hour),
    )
    return [str(writer) for (writer,) in rows]


# The counts of `store/observations/cells.py`, by hour and version, from the rows themselves: those of calls
# since then, and those of earlier hours into which somebody told something since then. Of another writer's call
# of which they said the outcome alone, that is their part. The plus keeps `since` from being taken for the end of
# each late hour's range: from every such hour, all rows until then would be read.
_RECORDED_BY = """
SELECT hour, version_id, sum(whole), sum(whole * failed), sum(whole * timed), sum(whole * met),
  sum(labelled), sum(outcome), sum(good), sum(whole * ok), sum(ok * labelled), sum(ok * good)
FROM (
  SELECT hour, version_id, whole, failed, timed, met,
    CASE WHEN outcome IS NULL THEN 0 ELSE 1 END AS labelled,
    coalesce(outcome, 0) AS outcome,
    CASE WHEN outcome >= {bar} THEN 1 ELSE 0 END AS good,
    CASE WHEN failed = 0 AND met = timed THEN 1 ELSE 0 END AS ok
  FROM (
    SELECT o.ts_ms / {hour} AS hour, o.version_id,
      CASE WHEN o.writer_id IN ({writers}) OR o.filled_by_id IN ({writers}) THEN 1 ELSE 0 END AS whole,
      CASE WHEN o.error_id IS NULL THEN 0 ELSE 1 END AS failed,
      CASE WHEN o.latency_us IS NULL THEN 0 ELSE 1 END AS timed,
      CASE WHEN o.latency_us <= {slo} THEN 1 ELSE 0 END AS met,
      CASE WHEN o.outcome_e6 IS NULL AND o.item_id IS NOT NULL AND o.error_id IS NOT NULL
        THEN 0 ELSE o.outcome_e6 END AS outcome
    FROM (
      SELECT * FROM observation n WHERE n.dependency_id = ?1 AND n.ts_ms >= ?2
      UNION ALL
      SELECT p.* FROM (
        SELECT DISTINCT l.hour FROM late_arrival l
        WHERE l.dependency_id = ?1 AND l.writer_id IN ({writers}) AND l.came_hour >= ?2 / {hour}
      ) AS late CROSS JOIN observation p
      WHERE p.dependency_id = ?1 AND +p.ts_ms < ?2
        AND p.ts_ms >= late.hour * CAST({hour} AS BIGINT)
        AND p.ts_ms < (late.hour + 1) * CAST({hour} AS BIGINT)
    ) AS o WHERE o.item_id IS {golden} NULL
      AND (o.writer_id IN ({writers}) OR o.filled_by_id IN ({writers})
        OR o.outcome_writer_id IN ({writers}))
  ) AS told
) AS judged
GROUP BY hour, version_id
"""
_NO_SLO_US = 1 << 62


def recorded_by(
    connection: Connection,
    dependency: str,
    writers: Sequence[str],
    *,
    since_ms: int,
    golden: bool = False,
) -> HourCounts:
    """Read these writers' part of `hours` since a time."""
    found = connection.execute(
        "SELECT id, rule FROM dependency WHERE name = ?", (dependency,)
    ).fetchone()
    if found is None or not writers:
        return hours_of(connection, [])
    rule = Rule.parse(found[1])
    marks = ", ".join(f"?{at}" for at in range(3, 3 + len(writers)))
    query = _RECORDED_BY.format(
        bar=rule.bar_e6,
        slo=_NO_SLO_US if rule.slo_us is None else rule.slo_us,
        hour=HOUR_MS,
        golden="NOT" if golden else "",
        writers=f"SELECT id FROM name WHERE text IN ({marks})",  # noqa: S608 - only marks
    )
    rows = connection.execute(query, (found[0], since_ms, *writers)).fetchall()
    return hours_of(connection, [tuple(map(int, row)) for row in rows])


class TrustReads:
    """The trust half of `StoredTelemetry`."""

    _database: Engine
    _settings: Settings
    # Scores that this process made and may not find in the store yet.
    _unwritten: dict[str, KeptScore]
    # A fleet at rest is not read again.
    _fleet: ReadFleet | None

    population = read(population)
    repeats = read(repeats)
    repeats_of = read(repeats_of)
    provider_members = read(provider_members)
    newest_calls = read(newest_calls)
    late_writers = read(late_writers)
    recorded_by = read(recorded_by)
    revisions = read(revisions)
    recent_hours = read(recent_hours)
    kept_scores = read(kept_scores)
    partly_labelled = read(partly_labelled)
    with_outcomes = read(with_outcomes)
    judged_labels = read(judged_labels)
    golden_lately = read(golden_lately)

    async def keep_score(self, score: KeptScore) -> None:
        """Queue a score to be kept in place of the last one; may be lost, never waits."""
        self._database.submit(partial(keep_score, score=score))

    async def keep_scores(self, scores: Sequence[KeptScore]) -> None:
        """Queue many scores to be kept; this process reads them from now on."""
        self._unwritten |= {score.dependency: score for score in scores}
        self._database.submit(partial(keep_scores, scores=tuple(scores)))

    async def fleet(self) -> list[FleetRow]:
        """Every dependency, lowest `lower_e6` first, then by name; without a score last."""
        ahead = dict(self._unwritten)
        self._fleet = await self._database.read(partial(read_fleet, known=self._fleet))
        rows = list(self._fleet.rows.values())
        if not ahead:
            return rows
        for at, row in enumerate(rows):
            score = ahead.get(row.name)
            if score is None:
                continue
            if row.scored_ms is not None and row.scored_ms >= score.ts_ms:
                self._unwritten.pop(row.name, None)
            else:
                rows[at] = row.scored(score)
        rows.sort(key=FleetRow.order)
        return rows

    async def call_counts(
        self, dependencies: Sequence[str], *, start_hour: int, end_hour: int
    ) -> dict[str, tuple[CallCounts, CallCounts]]:
        """Calls of many by hour, and golden ones, `start_hour <= hour < end_hour`, in one read."""
        await self._adopt_rules(dependencies)
        return await self._database.read(
            partial(
                call_counts, dependencies=dependencies, start_hour=start_hour, end_hour=end_hour
            )
        )

    async def _adopt_rules(self, dependencies: Sequence[str]) -> None:
        """Make rollups anew where the settings' SLO or bar is another than they were made with."""
        raise NotImplementedError

    async def writers(self, dependency: str, *, since_ms: int) -> list[WriterCounts]:
        """Count its newest 20,000 calls since a time by writer."""
        bar_e6 = round(self._settings.dependency(dependency).quality_bar * 1_000_000)
        work = partial(writers, name=dependency, since_ms=since_ms, bar_e6=bar_e6)
        return await self._database.read(work)
