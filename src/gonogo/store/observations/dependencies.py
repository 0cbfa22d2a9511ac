"""A dependency while its observations are written: found or made, counted, dated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gonogo.records import DAY_MS, HOUR_MS, MICRO, Rejection
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.arrivals import Arrivals, FilledRow
from gonogo.store.observations.catalogue import Catalogue
from gonogo.store.observations.observation_counts import move_versions, newest_ms_of
from gonogo.store.observations.rebuild import rebuild_rollups
from gonogo.store.observations.retention import kept_from_ms
from gonogo.store.observations.rows import Row, Rule

# Each costs every look at the fleet something; whoever writes ids into names reaches it.
DEPENDENCIES_MAX = 100_000

REV_BITS = 32
_FORGOTTEN = "SELECT times FROM forgotten WHERE dependency = ?"
_KNOWN = (
    f"SELECT id, rule, first_ts_ms, newest_ts_ms, embedding_size, ({_FORGOTTEN}) "  # noqa: S608 - constant text
    "FROM dependency WHERE name = ?"
)
# SQLite takes the smaller of two by `min`, PostgreSQL by `least`; both know CASE.
_SEEN_VERSION = """
INSERT INTO dependency_version AS known VALUES (?, ?, ?, ?, ?)
ON CONFLICT (dependency_id, version_id) DO UPDATE SET
  n = known.n + excluded.n,
  first_ts_ms = CASE WHEN known.first_ts_ms < excluded.first_ts_ms
    THEN known.first_ts_ms ELSE excluded.first_ts_ms END,
  newest_ts_ms = CASE WHEN known.newest_ts_ms > excluded.newest_ts_ms
    THEN known.newest_ts_ms ELSE excluded.newest_ts_ms END
"""


@dataclass(slots=True)
class KnownDependency:
    """A dependency as a transaction that records it finds it."""

    id: int
    name: str
    rule: Rule
    first_ts_ms: int
    newest_ts_ms: int
    embedding_size: int | None
    kept_from_ms: int | None = None


def ruled(
    connection: Connection,
    catalogue: Catalogue,
    name: str,
    dependency_id: int,
    stored: str,
    settings: Settings,
    *,
    weight_e6: int = MICRO,
) -> Rule:
    """The rule that holds for a dependency; adopts the configured one where it has not yet.

    A row of a larger weight than any before changes the rule, in whatever order they come.
    """
    rule = Rule.parse(stored)
    largest = max(rule.weight_e6, weight_e6)
    if catalogue.first_rule(name):
        wanted = Rule.configured(settings, name, weight_e6=largest)
    else:
        wanted = replace(rule, weight_e6=largest)
    if wanted == rule:
        return rule
    rebuild_rollups(connection, catalogue, dependency_id, wanted)
    return wanted


def known_dependency(
    connection: Connection,
    catalogue: Catalogue,
    name: str,
    first_ms: int,
    settings: Settings,
    *,
    now_ms: int,
    weight_e6: int = MICRO,
) -> KnownDependency | None:
    """Find a dependency, or create it; None where there are too many to create one more."""
    found = connection.execute(_KNOWN, (name, name)).fetchone()
    if found is not None:
        catalogue.note_forgotten(name, found[5] or 0)
        rule = ruled(connection, catalogue, name, found[0], found[1], settings, weight_e6=weight_e6)
        from_ms = kept_from_ms(connection, found[0])
        if from_ms is not None and from_ms > now_ms:
            # Set by a clock that was ahead: nothing of today would be taken in for as long.
            from_ms = None
        return KnownDependency(found[0], name, rule, found[2], found[3], found[4], from_ms)
    if not catalogue.has_room(DEPENDENCIES_MAX):
        return None
    rule = Rule.configured(settings, name, weight_e6=weight_e6)
    catalogue.first_rule(name)
    before = connection.execute(_FORGOTTEN, (name,)).fetchone()
    times = 0 if before is None else int(before[0])
    catalogue.note_forgotten(name, times)
    # No revision of it before it was forgotten comes again: what was answered of those is past.
    rev = times << REV_BITS
    (number,) = connection.execute(
        "INSERT INTO dependency (id, name, rev, history_rev, first_ts_ms, newest_ts_ms, rule) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (catalogue.dependency_id(name), name, rev, rev, first_ms, first_ms, rule.text()),
    ).fetchone()
    # Nothing is newer than what is not there yet.
    return KnownDependency(number, name, rule, first_ms, -1, None)


def _span(
    connection: Connection,
    dependency: KnownDependency,
    rows: Sequence[Row],
    filled: Sequence[FilledRow],
) -> tuple[int, int]:
    """The earliest time at which something changes, and the newest of all rows then."""
    times = [row.ts_ms for row in rows] + [one.after.ts_ms for one in filled]
    newest = max([dependency.newest_ts_ms, *times])
    if any(one.before.ts_ms == newest != one.after.ts_ms for one in filled):
        newest = max(newest_ms_of(connection, dependency.id) or -1, *times)
    return min(times + [one.before.ts_ms for one in filled]), newest


def bump(
    connection: Connection,
    dependency: KnownDependency,
    arrivals: Arrivals,
    rows: Sequence[Row],
    filled: Sequence[FilledRow],
) -> None:
    """Raise the revision, the counts and the times; drop cached states from the change on."""
    earliest, newest = _span(connection, dependency, rows, filled)
    said = [o for o, _ in arrivals.fresh] + [each for one in filled for each in one.said]
    kinds = [o.kind for o in said if o.kind is not None]
    providers = [o.provider for o in said if o.provider is not None]
    versions: dict[int, list[int]] = {}
    for row in rows:
        versions.setdefault(row.version_id, []).append(row.ts_ms)
    raise_revision(
        connection,
        dependency,
        n=len(rows),
        first_ms=min(dependency.first_ts_ms, earliest),
        changed_ms=earliest,
        newest_ms=newest,
        kind=kinds[-1] if kinds else None,
        provider=providers[-1] if providers else None,
        versions={version: (len(seen), min(seen), max(seen)) for version, seen in versions.items()},
        reaches_back=earliest // DAY_MS < newest // DAY_MS,
    )
    move_versions(
        connection,
        dependency.id,
        [one for one in filled if one.has_moved],
        rows,
        kept_from_ms=dependency.kept_from_ms,
        are_all_rolled_up=dependency.rule.weight_e6 <= MICRO,
    )


def raise_revision(
    connection: Connection,
    dependency: KnownDependency,
    *,
    n: int,
    first_ms: int,
    changed_ms: int,
    newest_ms: int,
    kind: str | None,
    provider: str | None,
    versions: Mapping[int, tuple[int, int, int]],
    reaches_back: bool,
) -> None:
    """Raise the revision, and the counts by what is new; drop cached states from a change on.

    Args:
        connection: In a write transaction.
        dependency: Whose; its newest time is set.
        n: How many observations are new.
        first_ms: The first time of all.
        changed_ms: The earliest time at which something changed.
        newest_ms: The newest time of all.
        kind: Its kind, where that was said.
        provider: Its provider, where that was said.
        versions: Of what is new by version how many there are, the first and the newest.
        reaches_back: Whether something changed before the newest day.
    """
    connection.execute(
        "UPDATE dependency SET rev = rev + 1, n = n + ?, kind = coalesce(?, kind), "
        "history_rev = CASE WHEN ? > 0 THEN rev + 1 ELSE history_rev END, "
        "provider = coalesce(?, provider), newest_ts_ms = ?, first_ts_ms = ? WHERE id = ?",
        (n, kind, int(reaches_back), provider, newest_ms, first_ms, dependency.id),
    )
    dependency.newest_ts_ms = newest_ms
    connection.executemany(
        _SEEN_VERSION,
        [(dependency.id, version, *counts) for version, counts in sorted(versions.items())],
    )
    connection.execute(
        "DELETE FROM state_cache WHERE dependency_id = ? AND hour > ?",
        (dependency.id, changed_ms // HOUR_MS),
    )


def let_go_before(position: int, field: str, dependency: KnownDependency) -> Rejection:
    """The refusal of data from a time whose rows were deleted: they may have been counted before."""
    day = datetime.fromtimestamp((dependency.kept_from_ms or 0) / 1000, tz=UTC)
    problem = f"is before {day:%Y-%m-%d}; older calls of {dependency.name} were let go (retention)"
    return Rejection(position, field, problem, is_lost=False)


def no_room(position: int, name: str) -> Rejection:
    """The refusal of data for a dependency that would be one too many."""
    problem = (
        f"is new, and {DEPENDENCIES_MAX:,} are known already: is an id in the name? "
        "gonogo forget NAME removes one"
    )
    return Rejection(position, "dependency", problem, name)
