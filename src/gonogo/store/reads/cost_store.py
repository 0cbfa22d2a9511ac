"""Reads of the newest calls' costs and usage: `ports.money.CallCosts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

from gonogo.ports.booked_costs import VersionCalls
from gonogo.records import Unit
from gonogo.store.books.hold_clock import dating_of
from gonogo.store.books.run_books import counted_by
from gonogo.store.engine import Connection, Engine, read
from gonogo.store.reads.queries import read_costs, read_durations

_NEWEST = """FROM observation
  WHERE dependency_id = (SELECT id FROM dependency WHERE name = :dependency)
    AND ts_ms >= :since AND ts_ms < :until
    -- One that failed without usage was not served: an outage is no gap in prices.
    AND (error_id IS NULL OR {used} IS NOT NULL)
  ORDER BY ts_ms DESC, seq DESC LIMIT :limit"""
# Most often every call has a cost and none a reservation: 0.5 ms instead of 1.2 for 2,000 calls.
_ALL_PRICED = f"""
SELECT count(*), coalesce(sum(other), 0) FROM (
  SELECT CASE WHEN {{known}} IS NULL OR reservation IS NOT NULL THEN 1 ELSE 0 END AS other {_NEWEST}
) AS o
"""  # noqa: S608 - constant text
# Calls of a reservation are held while it is open, and booked as declared once it is settled so; where it
# was settled without an amount, those of its calls that have no price hide something as any other.
_WITHOUT_COST = """
SELECT v.text, count(*), sum(CASE WHEN o.usage IS NULL THEN 1 ELSE 0 END),
  sum(CASE WHEN o.usage IS NOT NULL AND o.cost IS NULL THEN 1 ELSE 0 END),
  sum(CASE WHEN o.cost IS NULL THEN o.tokens ELSE 0 END),
  sum(CASE WHEN o.usage IS NOT NULL AND o.cost IS NULL AND o.booked_nano_usd IS NULL THEN 1 ELSE 0 END)
FROM (
  SELECT version_id, budget_id, reservation, segments, booked_nano_usd, {known} AS cost, {used} AS usage,
    coalesce(input_tokens, 0) + coalesce(output_tokens, 0) AS tokens
  {newest}
) AS o
LEFT JOIN name v ON v.id = o.version_id LEFT JOIN name n ON n.id = o.budget_id
LEFT JOIN reservation r ON r.id = o.reservation
WHERE (r.id IS NULL
  OR (r.declared_micro_usd IS NULL AND NOT (r.state = 'open' AND r.expires_ms > :now))) {named}
GROUP BY v.text
"""

# Where a window has more calls than the newest so many, older ones are looked at too: at most so many at the end
# of each of so many equal stretches of time. A price that is known since yesterday says nothing of a month.
_NEWEST_CALLS, _OLDER_CALLS, _OLDER_STRETCHES = 2000, 500, 4
_BEFORE_THOSE = """
SELECT ts_ms, (SELECT min(ts_ms) FROM observation WHERE dependency_id = o.dependency_id AND ts_ms >= :since)
FROM observation o
WHERE dependency_id = (SELECT id FROM dependency WHERE name = :dependency) AND ts_ms >= :since
ORDER BY ts_ms DESC, seq DESC LIMIT 1 OFFSET :newest
"""
_FOREVER_MS = 1 << 62

# A row's segments: texts, or the numbers of their names.
_NAMED = "(SELECT id FROM name WHERE text = :segment)"
_IN_SEGMENT = {
    False: f"EXISTS (SELECT 1 FROM json_each(o.segments) AS j WHERE j.value IN (:segment, {_NAMED}))",  # noqa: S608 - constant text
    True: "(CAST(o.segments AS jsonb) @> to_jsonb(CAST(:segment AS TEXT))"
    f" OR CAST(o.segments AS jsonb) @> to_jsonb({_NAMED}))",
}


# Of dependencies whose calls all had a price and no reservation when last looked at: their revision then, and
# how many calls they were.
AllPriced = dict[tuple[str, Unit, int], tuple[int, tuple[VersionCalls, ...]]]
_KEPT_MAX = 4096


class CostReads:
    """The part of `StoredTelemetry` that budgets read."""

    _database: Engine
    _all_priced: AllPriced

    newest_costs = read(read_costs)
    newest_durations = read(read_durations)

    async def calls_without_cost(
        self,
        dependency: str,
        *,
        since_ms: int,
        now_ms: int,
        budgets: Sequence[str] | None = None,
        segment: str | None = None,
        unit: Unit = "usd",
    ) -> tuple[VersionCalls, ...]:
        """Count the calls since a time that have no cost, by version: of the newest, and some of the older ones."""
        return await self._database.read(
            partial(
                read_calls_without_cost,
                dependency=dependency,
                window=(since_ms, now_ms),
                budgets=budgets,
                segment=segment,
                unit=unit,
                all_priced=self._all_priced,
            )
        )


def read_calls_without_cost(
    connection: Connection,
    dependency: str,
    window: tuple[int, int],
    budgets: Sequence[str] | None,
    segment: str | None,
    unit: Unit,
    all_priced: AllPriced,
) -> tuple[VersionCalls, ...]:
    """Calls since a time, as of another, and how many lack what a unit counts, by version.

    With `budgets` those among them that name one of these, or a reservation of theirs; with `segment` those
    in it.
    """
    counts = dict(zip(("known", "used"), counted_by(unit), strict=True))
    row = connection.execute("SELECT rev FROM dependency WHERE name = ?", (dependency,)).fetchone()
    if row is None:
        return ()
    is_whole, key = budgets is None and segment is None, (dependency, unit, window[0])
    if is_whole and key in all_priced and all_priced[key][0] == row[0]:
        return all_priced[key][1]
    stretches = _stretches(connection, dependency, window[0])
    priced = _all_priced(connection, dependency, stretches, counts) if is_whole else None
    if priced is not None:
        if len(all_priced) >= _KEPT_MAX:
            all_priced.clear()
        all_priced[key] = row[0], priced
        return priced
    wanted: dict[str, object] = {"dependency": dependency}
    named = ""
    if budgets is not None:
        wanted |= {f"b{i}": budget for i, budget in enumerate(budgets)}
        places = ", ".join(f":b{i}" for i in range(len(budgets)))
        named = f"AND coalesce(r.budget, n.text) IN ({places})"
    if segment is not None:
        wanted["segment"] = segment
        named += f" AND {_IN_SEGMENT[connection.has_shards]}"
    newest = _NEWEST.format(**counts)
    statement = _WITHOUT_COST.format(named=named, newest=newest, **counts)
    dated_now_ms = window[1] - dating_of(connection).ahead_ms
    wanted["now"] = dated_now_ms
    found: dict[str | None, VersionCalls] = {}
    for stretch in stretches:
        for version, *numbers in connection.execute(statement, wanted | stretch):
            seen = VersionCalls._make((version, *map(int, numbers), len(stretches) > 1))
            found[version] = found[version].plus(seen) if version in found else seen
    return tuple(found.values())


def _stretches(connection: Connection, dependency: str, since_ms: int) -> list[dict[str, int]]:
    """The stretches of a window in which calls are looked at, newest first, and at most how many of each."""
    wanted = {"dependency": dependency, "since": since_ms, "newest": _NEWEST_CALLS - 1}
    row = connection.execute(_BEFORE_THOSE, wanted).fetchone()
    if row is None:
        return [{"since": since_ms, "until": _FOREVER_MS, "limit": _NEWEST_CALLS}]
    newest_ms, first_ms = row
    cuts = [
        newest_ms - (newest_ms - first_ms) * i // _OLDER_STRETCHES
        for i in range(_OLDER_STRETCHES + 1)
    ]
    return [
        {"since": newest_ms, "until": _FOREVER_MS, "limit": _NEWEST_CALLS},
        *(
            {"since": begin, "until": end, "limit": _OLDER_CALLS}
            for end, begin in pairwise(cuts)
            if begin < end
        ),
    ]


def _all_priced(
    connection: Connection,
    dependency: str,
    stretches: Sequence[Mapping[str, int]],
    counts: Mapping[str, str],
) -> tuple[VersionCalls, ...] | None:
    """The calls looked at, where each has a price and none a reservation; else None."""
    statement, total = _ALL_PRICED.format(**counts), 0
    for stretch in stretches:
        wanted = {"dependency": dependency, **stretch}
        calls, other = connection.execute(statement, wanted).fetchone()
        if other:
            return None
        total += int(calls)
    is_part = len(stretches) > 1
    return (VersionCalls(None, total, 0, 0, 0, is_part=is_part),) if total else ()
