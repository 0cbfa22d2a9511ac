"""Storing a batch of observations and everything rolled up from them: one unit of work."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

from gonogo.records import DAY_MS, HOUR_MS, BookedCost, Observation, Rejection, Stored
from gonogo.store.engine import Connection
from gonogo.store.observations.arrivals import sort_out
from gonogo.store.observations.catalogue import Catalogue
from gonogo.store.observations.costs import costs_of
from gonogo.store.observations.rebuild import rebuild_rollups
from gonogo.store.observations.retention import kept_from_ms
from gonogo.store.observations.rows import Row, Rule, hash64
from gonogo.store.observations.samples import (
    add_answers,
    add_golden,
    golden_change,
    has_features,
    sample_outputs,
)
from gonogo.store.observations.slices import Slices
from gonogo.store.observations.stored_form import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.settings import Settings
    from gonogo.store.observations.arrivals import Arrivals
    from gonogo.store.observations.catalogue import CatalogueOf, Known
    from gonogo.store.observations.cells import Cells

__all__ = ["adopt_rule", "record_batch"]

# Each costs every look at the fleet something; whoever writes ids into names reaches it.
DEPENDENCIES_MAX = 100_000

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
class _Dependency:
    id: int
    name: str
    rule: Rule
    first_ts_ms: int
    newest_ts_ms: int
    embedding_size: int | None
    kept_from_ms: int | None = None


def record_batch(
    connection: Connection,
    observations: Sequence[Observation],
    *,
    now_ms: int,
    settings: Settings,
    known: Known,
    catalogue_of: CatalogueOf = Catalogue,
) -> tuple[Stored, Known]:
    """Store a batch, its rollups and its costs.

    Args:
        connection: In a write transaction.
        observations: Well-formed, of any dependencies, in order of arrival.
        now_ms: When they arrived, epoch milliseconds.
        settings: Rules of new dependencies, and whether texts are stored.
        known: Ids that are committed.
        catalogue_of: The catalogue of this engine.

    Returns:
        What became of the batch, and the ids found on the way, which hold once the transaction
        has committed.
    """
    catalogue = catalogue_of(connection, known)
    batches: dict[str, list[tuple[int, Observation]]] = {}
    for position, observation in enumerate(observations):
        batches.setdefault(observation.dependency, []).append((position, observation))
    cells: Cells = {}
    costs: list[BookedCost] = []
    accepted = duplicates = updated = 0
    rejected: list[Rejection] = []
    for name, named in batches.items():
        dependency = _dependency(connection, catalogue, name, named[0][1], settings)
        if dependency is None:
            problem = f"is new, and {DEPENDENCIES_MAX:,} are known already: is an id in the name?"
            rejected += [Rejection(position, "dependency", problem) for position, _ in named]
            continue
        batch = _refuse_old(dependency, named, rejected)
        kept = _refuse_embeddings(connection, dependency, batch, rejected)
        arrivals = sort_out(connection, catalogue, dependency.id, kept, now_ms)
        _store(connection, catalogue, dependency, arrivals, cells, now_ms, settings)
        costs += costs_of(name, arrivals, settings)
        accepted += len(arrivals.fresh)
        duplicates += arrivals.duplicates
        updated += arrivals.updated
    if cells:
        catalogue.apply(cells)
    if costs:
        catalogue.book(costs, now_ms=now_ms, settings=settings)
    rejected.sort(key=lambda rejection: rejection.position)
    return Stored(accepted, duplicates, updated, tuple(rejected)), catalogue.found


def adopt_rule(
    connection: Connection,
    name: str,
    *,
    settings: Settings,
    known: Known,
    catalogue_of: CatalogueOf = Catalogue,
) -> Known:
    """Rebuild a dependency whose rollups were made with another rule than the settings ask for.

    Once in a process and dependency: where two processes have different settings, both go on with
    the rule that was stored last, and neither undoes the other's work again and again.
    """
    catalogue = catalogue_of(connection, known)
    found = connection.execute("SELECT id, rule FROM dependency WHERE name = ?", (name,)).fetchone()
    if found is not None:
        _ruled(connection, catalogue, name, found[0], found[1], settings)
    return catalogue.found


def _ruled(
    connection: Connection,
    catalogue: Catalogue,
    name: str,
    dependency_id: int,
    stored: str,
    settings: Settings,
) -> Rule:
    """The rule that holds for a dependency; adopts the configured one where it has not yet."""
    wanted = Rule.configured(settings, name)
    if not catalogue.first_rule(name) or wanted.text() == stored:
        return Rule.parse(stored)
    rebuild_rollups(connection, catalogue, dependency_id, wanted)
    return wanted


def _dependency(
    connection: Connection,
    catalogue: Catalogue,
    name: str,
    first: Observation,
    settings: Settings,
) -> _Dependency | None:
    """What is known of it, made where it is new; None where there are too many to make one more."""
    found = connection.execute(
        "SELECT id, rule, first_ts_ms, newest_ts_ms, embedding_size FROM dependency WHERE name = ?",
        (name,),
    ).fetchone()
    if found is not None:
        rule = _ruled(connection, catalogue, name, found[0], found[1], settings)
        from_ms = kept_from_ms(connection, found[0])
        return _Dependency(found[0], name, rule, found[2], found[3], found[4], from_ms)
    if not catalogue.has_room(DEPENDENCIES_MAX):
        return None
    rule = Rule.configured(settings, name)
    catalogue.first_rule(name)
    (number,) = connection.execute(
        "INSERT INTO dependency (id, name, first_ts_ms, newest_ts_ms, rule) "
        "VALUES (?, ?, ?, ?, ?) RETURNING id",
        (catalogue.dependency_id(name), name, first.ts_ms, first.ts_ms, rule.text()),
    ).fetchone()
    # Nothing is newer than what is not there yet.
    return _Dependency(number, name, rule, first.ts_ms, -1, None)


def _refuse_old(
    dependency: _Dependency,
    batch: Sequence[tuple[int, Observation]],
    rejected: list[Rejection],
) -> Sequence[tuple[int, Observation]]:
    """Leave out what is older than the rows that are kept: it may have been counted before."""
    from_ms = dependency.kept_from_ms
    if from_ms is None or all(observation.ts_ms >= from_ms for _, observation in batch):
        return batch
    day = datetime.fromtimestamp(from_ms / 1000, tz=UTC)
    problem = f"is before {day:%Y-%m-%d}; older calls of {dependency.name} were let go (retention)"
    kept = []
    for position, observation in batch:
        if observation.ts_ms < from_ms:
            rejected.append(Rejection(position, "ts", problem))
        else:
            kept.append((position, observation))
    return kept


def _refuse_embeddings(
    connection: Connection,
    dependency: _Dependency,
    batch: Sequence[tuple[int, Observation]],
    rejected: list[Rejection],
) -> list[Observation]:
    """Leave out embeddings of another length than the dependency's first."""
    kept = []
    for position, observation in batch:
        if observation.embedding is not None:
            size = len(observation.embedding)
            if dependency.embedding_size is None:
                dependency.embedding_size = size
                connection.execute(
                    "UPDATE dependency SET embedding_size = ? WHERE id = ?", (size, dependency.id)
                )
            if size != dependency.embedding_size:
                problem = (
                    f"has {size} numbers; {dependency.name}'s first had {dependency.embedding_size}"
                )
                rejected.append(Rejection(position, "embedding", problem))
                continue
        kept.append(observation)
    return kept


def _store(
    connection: Connection,
    catalogue: Catalogue,
    dependency: _Dependency,
    arrivals: Arrivals,
    cells: Cells,
    now_ms: int,
    settings: Settings,
) -> None:
    """Write the rows of one dependency, and add them to `cells` and the samples."""
    if not arrivals.fresh and not arrivals.filled:
        return
    slices = Slices(catalogue, dependency.id, dependency.rule)
    seqs = _seqs(connection, dependency, [o.ts_ms for o, _ in arrivals.fresh])
    rows = rows_of(
        [o for o, _ in arrivals.fresh],
        seqs,
        dependency_id=dependency.id,
        catalogue=catalogue,
        slices=slices,
        now_ms=now_ms,
        store_text=settings.store_text,
    )
    catalogue.add_rows("observation", sorted(rows))
    ids = [
        (dependency.id, hashed, row.ts_ms, row.seq)
        for (_, hashed), row in zip(arrivals.fresh, rows, strict=True)
        if hashed is not None
    ]
    catalogue.add_rows("observation_id", sorted(ids))
    for before, after in arrivals.filled:
        connection.execute(
            "UPDATE observation SET outcome_e6 = ?, outcome_lag_ms = ? "
            "WHERE dependency_id = ? AND ts_ms = ? AND seq = ?",
            (after.outcome_e6, after.outcome_lag_ms, *before[:3]),
        )
        slices.correct(cells, before, after)
    slices.contribute(cells, rows)
    golden = [golden_change(row, 1) for row in rows if row.item_id is not None]
    for before, after in arrivals.filled:
        golden += [golden_change(before, -1), golden_change(after, 1)]
    add_golden(connection, golden)
    add_answers(connection, rows)
    sampled = [
        (o, row, _sample_hash(o))
        for (o, _), row in zip(arrivals.fresh, rows, strict=True)
        if has_features(o)
    ]
    sample_outputs(connection, sampled)
    _bump(connection, dependency, arrivals, rows)


def _seqs(connection: Connection, dependency: _Dependency, times: Sequence[int]) -> list[int]:
    """A free seq for each new row; only times that may be taken are looked up."""
    following: dict[int, int] = {}
    seqs = []
    for ts_ms in times:
        seq = following.get(ts_ms)
        if seq is None:
            seq = 0
            if ts_ms <= dependency.newest_ts_ms:
                (seq,) = connection.execute(
                    "SELECT coalesce(max(seq) + 1, 0) FROM observation "
                    "WHERE dependency_id = ? AND ts_ms = ?",
                    (dependency.id, ts_ms),
                ).fetchone()
        seqs.append(seq)
        following[ts_ms] = seq + 1
    return seqs


def _sample_hash(observation: Observation) -> int:
    """Chooses the sample of outputs: by the id, so that it is the same in any order."""
    if observation.id is not None:
        return hash64(observation.id)
    text = (observation.output or "").encode(errors="surrogatepass")
    content = array("d", observation.embedding or ()).tobytes() or text
    digest = blake2b(content, digest_size=8, salt=observation.ts_ms.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big", signed=True)


def _bump(
    connection: Connection,
    dependency: _Dependency,
    arrivals: Arrivals,
    rows: Sequence[Row],
) -> None:
    """Raise the revision, the counts and the times; drop cached states from the change on."""
    times = [row.ts_ms for row in rows]
    earliest = min(times + [before.ts_ms for before, _ in arrivals.filled])
    newest = max([dependency.newest_ts_ms, *times])
    before_newest_day = earliest // DAY_MS < newest // DAY_MS
    kinds = [o.kind for o, _ in arrivals.fresh if o.kind is not None]
    providers = [o.provider for o, _ in arrivals.fresh if o.provider is not None]
    connection.execute(
        "UPDATE dependency SET rev = rev + 1, n = n + ?, kind = coalesce(?, kind), "
        "history_rev = CASE WHEN ? > 0 THEN rev + 1 ELSE history_rev END, "
        "provider = coalesce(?, provider), newest_ts_ms = ?, first_ts_ms = ? WHERE id = ?",
        (
            len(rows),
            kinds[-1] if kinds else None,
            int(before_newest_day),
            providers[-1] if providers else None,
            newest,
            min(dependency.first_ts_ms, earliest),
            dependency.id,
        ),
    )
    dependency.newest_ts_ms = newest
    versions: dict[int, list[int]] = {}
    for row in rows:
        versions.setdefault(row.version_id, []).append(row.ts_ms)
    connection.executemany(
        _SEEN_VERSION,
        [
            (dependency.id, version, len(seen), min(seen), max(seen))
            for version, seen in sorted(versions.items())
        ],
    )
    connection.execute(
        "DELETE FROM state_cache WHERE dependency_id = ? AND hour > ?",
        (dependency.id, earliest // HOUR_MS),
    )
