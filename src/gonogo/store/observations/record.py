"""Storing a batch of observations and everything rolled up from them: one unit of work."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b

from gonogo.ports.booked_costs import BookedCost
from gonogo.records import HOUR_MS, MICRO, BatchReport, Observation, Rejection
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.arrival_times import note_arrivals
from gonogo.store.observations.arrivals import (
    MOVED,
    Arrivals,
    FilledRow,
    RowsOf,
    lost_outcomes,
    sort_out,
)
from gonogo.store.observations.batch_parts import added
from gonogo.store.observations.catalogue import Catalogue, CatalogueOf, CommittedIds
from gonogo.store.observations.cells import Cells
from gonogo.store.observations.costs import Pricing, costs_of
from gonogo.store.observations.dependencies import (
    KnownDependency,
    bump,
    known_dependency,
    let_go_before,
    no_room,
    ruled,
)
from gonogo.store.observations.grades import GradeKey, add_grades, grade_change
from gonogo.store.observations.rows import Row, hash64
from gonogo.store.observations.samples import (
    add_answers,
    add_golden,
    golden_change,
    has_answer,
    has_features,
    move_samples,
    sample_outputs,
    take_answers,
)
from gonogo.store.observations.slices import Slices
from gonogo.store.observations.stored_form import rows_of


def record_batch(
    connection: Connection,
    told: Sequence[Observation],
    *,
    now_ms: int,
    settings: Settings,
    known: CommittedIds,
    catalogue_of: CatalogueOf = Catalogue,
    writer: str | None = None,
) -> tuple[BatchReport, CommittedIds]:
    """Store a batch, its rollups and its costs.

    Args:
        connection: In a write transaction.
        told: Well-formed, of any dependencies, in order of arrival.
        now_ms: When they arrived, epoch milliseconds.
        settings: Rules of new dependencies, and whether texts are stored.
        known: Ids that are committed.
        catalogue_of: The catalogue of this engine.
        writer: Who writes, kept with every row.

    Returns:
        What became of the batch, and the ids found on the way, which hold once the transaction
        has committed.
    """
    catalogue = catalogue_of(connection, known)
    batches: dict[str, list[tuple[int, Observation]]] = {}
    for position, observation in enumerate(told):
        batches.setdefault(observation.dependency, []).append((position, observation))
    cells: Cells = {}
    costs: list[BookedCost] = []
    report, rejected = BatchReport(), list[Rejection]()
    for name, named in batches.items():
        first_ms = named[0][1].ts_ms
        weight_e6 = round(max(each.weight or 1.0 for _, each in named) * MICRO)
        dependency = known_dependency(
            connection, catalogue, name, first_ms, settings, now_ms=now_ms, weight_e6=weight_e6
        )
        if dependency is None:
            rejected += [no_room(at, name) for at, _ in named]
            continue
        batch = _refuse_old(dependency, named, rejected)
        batch = _refuse_late(connection, catalogue, dependency, batch, rejected)
        kept = _refuse_embeddings(connection, dependency, batch, rejected)
        slices = Slices(catalogue, dependency.id, dependency.rule)
        pricing = Pricing(name, settings)
        as_rows = _as_rows(catalogue, dependency.id, slices, now_ms, settings, pricing, writer)
        arrivals = sort_out(connection, catalogue, dependency.id, kept, now_ms, as_rows, pricing)
        rows = _store(connection, catalogue, dependency, arrivals, cells, slices, as_rows)
        filled = [each[:2] for each in arrivals.filled.values()]
        hours = {row.ts_ms // HOUR_MS for row in (*rows, *(after for _, after in filled))}
        note_arrivals(
            connection, catalogue, dependency.id, len(rows), hours, writer=writer, now_ms=now_ms
        )
        costs += costs_of(name, rows, filled, catalogue, settings)
        report = added(report, arrivals.report)
    if cells:
        catalogue.apply(cells)
    if costs:
        catalogue.book(costs, now_ms=now_ms, settings=settings)
    rejected.sort(key=lambda rejection: rejection.position)
    return replace(report, rejected=tuple(rejected)), catalogue.found


def adopt_rule(
    connection: Connection,
    name: str,
    *,
    settings: Settings,
    known: CommittedIds,
    catalogue_of: CatalogueOf = Catalogue,
) -> CommittedIds:
    """Rebuild a dependency whose rollups were made with another rule than the settings ask for.

    Once in a process and dependency: where two processes have different settings, both go on with
    the rule that was stored last, and neither undoes the other's work again and again.
    """
    catalogue = catalogue_of(connection, known)
    found = connection.execute("SELECT id, rule FROM dependency WHERE name = ?", (name,)).fetchone()
    if found is not None:
        ruled(connection, catalogue, name, found[0], found[1], settings)
    return catalogue.found


def _refuse_old(
    dependency: KnownDependency,
    batch: Sequence[tuple[int, Observation]],
    rejected: list[Rejection],
) -> Sequence[tuple[int, Observation]]:
    """Leave out what is older than the rows that are kept: it may have been counted before."""
    from_ms = dependency.kept_from_ms
    if from_ms is None or all(observation.ts_ms >= from_ms for _, observation in batch):
        return batch
    kept = []
    for position, observation in batch:
        if observation.ts_ms < from_ms:
            rejected.append(let_go_before(position, "ts", dependency))
        else:
            kept.append((position, observation))
    return kept


def _refuse_late(
    connection: Connection,
    catalogue: Catalogue,
    dependency: KnownDependency,
    batch: Sequence[tuple[int, Observation]],
    rejected: list[Rejection],
) -> Sequence[tuple[int, Observation]]:
    """Leave out outcomes of calls that were let go: each would be counted as a call of now."""
    if dependency.kept_from_ms is None:
        return batch
    sent = [observation for _, observation in batch]
    lost = lost_outcomes(connection, catalogue, dependency.id, sent)
    day = datetime.fromtimestamp(dependency.kept_from_ms / 1000, tz=UTC)
    problem = (
        f"names no call that is kept: those of {dependency.name} before {day:%Y-%m-%d} were let go "
        "(retention), and an outcome alone is no call. Send it with its `ts`, if it is one"
    )
    rejected += [
        Rejection(at, "id", problem, is_lost=False) for at, each in batch if each.id in lost
    ]
    return [(at, each) for at, each in batch if each.id not in lost]


def _refuse_embeddings(
    connection: Connection,
    dependency: KnownDependency,
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
                rejected.append(Rejection(position, "embedding", problem, dependency.name))
                continue
        kept.append(observation)
    return kept


def _as_rows(
    catalogue: Catalogue,
    dependency_id: int,
    slices: Slices,
    now_ms: int,
    settings: Settings,
    pricing: Pricing,
    writer: str | None,
) -> RowsOf:
    """Makes rows of one dependency's observations; each still needs its seq."""

    def as_rows(observations: Sequence[Observation]) -> list[Row]:
        return rows_of(
            observations,
            [0] * len(observations),
            dependency_id=dependency_id,
            catalogue=catalogue,
            slices=slices,
            now_ms=now_ms,
            store_text=settings.store_text,
            booked=pricing,
            writer=writer,
        )

    return as_rows


def _store(
    connection: Connection,
    catalogue: Catalogue,
    dependency: KnownDependency,
    arrivals: Arrivals,
    cells: Cells,
    slices: Slices,
    as_rows: RowsOf,
) -> list[Row]:
    """Write the rows of one dependency, and add them to `cells` and the samples; the new ones."""
    if not arrivals.fresh and not arrivals.filled:
        return []
    seqs = _seqs(connection, dependency, [o.ts_ms for o, _ in arrivals.fresh])
    made = as_rows([o for o, _ in arrivals.fresh])
    rows = [row._replace(seq=seq) if seq else row for row, seq in zip(made, seqs, strict=True)]
    catalogue.add_rows("observation", sorted(rows))
    ids = [
        (dependency.id, hashed, row.ts_ms, row.seq, int(o.ts_assumed))
        for (o, hashed), row in zip(arrivals.fresh, rows, strict=True)
        if hashed is not None
    ]
    ids += [
        (dependency.id, alias, rows[at].ts_ms, rows[at].seq, 0)
        for alias, at in arrivals.aliases.items()
    ]
    catalogue.add_rows("observation_id", sorted(ids))
    filled = _write_filled(connection, catalogue, dependency, list(arrivals.filled.values()))
    for before, after, _, _ in filled:
        slices.correct(cells, before, after)
    slices.contribute(cells, rows)
    golden = [golden_change(row, 1) for row in rows if row.item_id is not None]
    for before, after, _, _ in filled:
        golden += [golden_change(before, -1), golden_change(after, 1)]
    add_golden(connection, golden)
    add_grades(connection, _grade_changes(rows, filled, dependency.rule.bar_e6))
    answered = [f for f in filled if not has_answer(f.before) or f.has_moved]
    add_answers(connection, [*rows, *(f.after for f in answered)])
    take_answers(connection, (f.before for f in answered), kept_from_ms=dependency.kept_from_ms)
    sampled = [
        (o, row, _sample_hash(o))
        for (o, _), row in zip(arrivals.fresh, rows, strict=True)
        if has_features(o)
    ]
    sampled += [(o, f.after, _sample_hash(o)) for f in filled for o in f.said if has_features(o)]
    move_samples(
        connection, [(f.before, f.after, _sample_hash(f.said[-1])) for f in filled if f.has_moved]
    )
    sample_outputs(connection, sampled)
    bump(connection, dependency, arrivals, rows, filled)
    return rows


def _grade_changes(
    rows: Sequence[Row], filled: Sequence[FilledRow], bar_e6: int
) -> Iterator[tuple[GradeKey, int] | None]:
    """The changes of a batch to the counts of grades."""
    for row in rows:
        yield grade_change(row, 1, bar_e6)
    for one in filled:
        yield grade_change(one.before, -1, bar_e6)
        yield grade_change(one.after, 1, bar_e6)


_CHANGED = Row._fields[3:]
_UPDATE = (
    f"UPDATE observation SET {', '.join(f'{name} = ?' for name in _CHANGED)} "  # noqa: S608 - constant names
    "WHERE dependency_id = ? AND ts_ms = ? AND seq = ?"
)


def _write_filled(
    connection: Connection,
    catalogue: Catalogue,
    dependency: KnownDependency,
    filled: list[FilledRow],
) -> list[FilledRow]:
    """Write what was filled in; a row whose time is known by now moves there."""
    moved = [one for one in filled if one.after.seq == MOVED]
    seqs = iter(_seqs(connection, dependency, [one.after.ts_ms for one in moved], any_time=True))
    written = [
        one._replace(after=one.after._replace(seq=next(seqs))) if one.after.seq == MOVED else one
        for one in filled
    ]
    stay = [one for one in written if one.before[:3] == one.after[:3]]
    connection.executemany(_UPDATE, [(*one.after[3:], *one.before[:3]) for one in stay])
    moves = [one for one in written if one.before[:3] != one.after[:3]]
    connection.executemany(
        "DELETE FROM observation WHERE dependency_id = ? AND ts_ms = ? AND seq = ?",
        [one.before[:3] for one in moves],
    )
    catalogue.add_rows("observation", sorted(one.after for one in moves))
    connection.executemany(
        "UPDATE observation_id SET ts_ms = ?, seq = ?, assumed = 0 "
        "WHERE dependency_id = ? AND id = ?",
        [(one.after.ts_ms, one.after.seq, dependency.id, one.hashed) for one in moves],
    )
    return written


def _seqs(
    connection: Connection,
    dependency: KnownDependency,
    times: Sequence[int],
    *,
    any_time: bool = False,
) -> list[int]:
    """A free seq for each new row; only times that may be taken are looked up."""
    following: dict[int, int] = {}
    seqs = []
    for ts_ms in times:
        seq = following.get(ts_ms)
        if seq is None:
            seq = 0
            if any_time or ts_ms <= dependency.newest_ts_ms:
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
