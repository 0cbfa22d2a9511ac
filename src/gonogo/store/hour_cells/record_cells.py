"""Storing a batch of hour cells: each once, a corrected one in place of the one before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gonogo.ports.booked_costs import BookedCost
from gonogo.ports.hour_cells import CellContent, HourCell
from gonogo.records import DAY_MS, HOUR_MS, MICRO, BatchReport, Rejection
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.hour_cells.stored_cells import (
    CELL_COLUMNS,
    StoredCell,
    booked_of,
    cell_key,
    contribute,
    golden_of,
    packed,
    see_values,
    unpacked,
)
from gonogo.store.observations.arrival_times import note_arrivals
from gonogo.store.observations.batch_parts import added
from gonogo.store.observations.catalogue import Catalogue, CatalogueOf, CommittedIds
from gonogo.store.observations.cells import Cells
from gonogo.store.observations.dependencies import (
    KnownDependency,
    known_dependency,
    let_go_before,
    no_room,
    raise_revision,
    ruled,
)
from gonogo.store.observations.observation_counts import recount
from gonogo.store.observations.rows import Rule
from gonogo.store.observations.samples import add_golden
from gonogo.store.observations.slices import Slices

HOURS_A_QUERY = 500
_TWICE = (
    "is counted twice, otherwise, under one version, item and segments: add the two up, or give "
    "each a source"
)
_WEIGHTS = (
    "is not that of this dependency's other calls, and from hours none can be drawn: bring in calls of several "
    "weights themselves"
)
_SAMPLES = "SELECT 1 FROM hour_cell WHERE dependency_id = ? AND item_id IS NULL AND n > 0 LIMIT 1"
_KEYS = "dependency_id = ? AND hour = ? AND cell = ?"
Key = tuple[int, bytes]  # hour, and what tells its cells apart


class _Change(NamedTuple):
    """A cell before and after a batch, and what it counts now; None: it was not there."""

    before: StoredCell | None
    after: StoredCell
    content: CellContent


def record_cells(
    connection: Connection,
    told: Sequence[HourCell],
    *,
    now_ms: int,
    settings: Settings,
    known: CommittedIds,
    catalogue_of: CatalogueOf = Catalogue,
    writer: str | None = None,
) -> tuple[BatchReport, CommittedIds]:
    """Store a batch of cells and add them to the rollups; arguments and result as of `record_batch`.

    `updated` counts the cells that took the place of others.
    """
    catalogue = catalogue_of(connection, known)
    named: dict[str, list[tuple[int, HourCell]]] = {}
    for position, cell in enumerate(told):
        named.setdefault(cell.dependency, []).append((position, cell))
    changed: Cells = {}
    costs: list[BookedCost] = []
    report, rejected = BatchReport(), list[Rejection]()
    for name, own in named.items():
        first_ms = min(cell.first_ts_ms for _, cell in own)
        dependency = known_dependency(
            connection, catalogue, name, first_ms, settings, now_ms=now_ms
        )
        if dependency is None:
            rejected += [no_room(at, name) for at, _ in own]
            continue
        weight_e6 = _weight_of(connection, dependency, own)
        fitting = _refuse(dependency, own, rejected, weight_e6)
        dependency = _weighted(connection, catalogue, dependency, weight_e6, settings)
        if dependency.newest_ts_ms < 0 and not any(cell.content.n for _, cell in fitting):
            # Nothing is known of it, and nothing comes: no name is made of what was refused.
            connection.execute("DELETE FROM dependency WHERE id = ?", (dependency.id,))
            report = replace(report, duplicates=report.duplicates + len(fitting))
            continue
        slices = Slices(catalogue, dependency.id, dependency.rule)
        changes, counted = _changes(connection, catalogue, dependency, fitting, slices, writer)
        rejected += counted.rejected
        report = added(report, counted)
        if changes:
            costs += _store(connection, catalogue, dependency, changes, changed, slices)
            _date(connection, dependency, changes, [cell for _, cell in fitting])
            n = sum(each.after.n for each in changes if each.before is None)
            # Late hours are noted of rows alone: they say where a writer's own calls are looked for.
            note_arrivals(connection, catalogue, dependency.id, n, (), writer=writer, now_ms=now_ms)
    if changed:
        catalogue.apply(changed)
    if costs:
        catalogue.book(costs, now_ms=now_ms, settings=settings)
    rejected.sort(key=lambda one: one.position)
    return replace(report, rejected=tuple(rejected)), catalogue.found


def _refuse(
    dependency: KnownDependency,
    cells: Sequence[tuple[int, HourCell]],
    rejected: list[Rejection],
    weight_e6: int | None,
) -> list[tuple[int, HourCell]]:
    """Leave out what was counted by another rule, and what is older than what is kept."""
    kept = []
    for at, cell in cells:
        found = _other_rule(cell, dependency.rule)
        if found is None and _is_sample(cell) and cell.content.weight_e6 != weight_e6:
            found = "weight", _WEIGHTS
        if found is not None:
            rejected.append(Rejection(at, *found, dependency.name))
        elif cell.hour * HOUR_MS < (dependency.kept_from_ms or 0):
            rejected.append(let_go_before(at, "hour", dependency))
        else:
            kept.append((at, cell))
    return kept


def _is_sample(cell: HourCell) -> bool:
    """Whether its calls may stand for others: those of a golden set are all there."""
    return cell.item is None and cell.content.n > 0


def _weight_of(
    connection: Connection, dependency: KnownDependency, cells: Sequence[tuple[int, HourCell]]
) -> int | None:
    """The weight that cells of a dependency may have: no call can be drawn from an hour; None where they have several."""
    told = {cell.content.weight_e6 for _, cell in cells if _is_sample(cell)}
    known = dependency.rule.weight_e6
    if len(told) != 1:
        return None if told else known
    (weight_e6,) = told
    if weight_e6 <= known:
        return known
    stored = connection.execute(_SAMPLES, (dependency.id,)).fetchone()
    return weight_e6 if stored is None else known


def _weighted(
    connection: Connection,
    catalogue: Catalogue,
    dependency: KnownDependency,
    weight_e6: int | None,
    settings: Settings,
) -> KnownDependency:
    """The dependency under the rule of this weight, where it is larger than any before."""
    if weight_e6 is None or weight_e6 <= dependency.rule.weight_e6:
        return dependency
    was = dependency.name, dependency.id, dependency.rule.text()
    rule = ruled(connection, catalogue, *was, settings, weight_e6=weight_e6)
    return replace(dependency, rule=rule)


def _other_rule(cell: HourCell, rule: Rule) -> tuple[str, str] | None:
    """The field that says that a cell was counted by another rule, and what is wrong with it."""
    counts = cell.content.counts
    if counts[4] and cell.bar_e6 != rule.bar_e6:
        return "quality_bar", (
            f"counted with {cell.bar_e6 / MICRO:g}; this dependency's quality_bar is "
            f"{rule.bar_e6 / MICRO:g}: make the cells again with it"
        )
    if counts[2] and cell.slo_us != rule.slo_us:
        mine, theirs = (
            "none" if us is None else f"{us / 1000:g} ms" for us in (rule.slo_us, cell.slo_us)
        )
        return "latency_slo_ms", (
            f"counted with {theirs}; this dependency's latency_slo_ms is {mine}: make the cells "
            "again with it"
        )
    return None


def _changes(
    connection: Connection,
    catalogue: Catalogue,
    dependency: KnownDependency,
    cells: Sequence[tuple[int, HourCell]],
    slices: Slices,
    writer: str | None,
) -> tuple[list[_Change], BatchReport]:
    """The cells to write; those that change nothing are only counted."""
    stored = _stored(connection, dependency.id, {cell.hour for _, cell in cells})
    latest: dict[Key, tuple[StoredCell, CellContent]] = {}
    accepted = duplicates = updated = 0
    rejected: list[Rejection] = []
    for at, cell in cells:
        row = _row(cell, dependency.id, catalogue, slices, writer)
        key = row.hour, row.cell
        before = latest[key][0] if key in latest else stored.get(key)
        if before is None:
            accepted += row.n > 0
            duplicates += not row.n
        elif before.revision > row.revision or _counts_alike(before, row):
            duplicates += 1
            if before.revision >= row.revision:
                continue
        elif key in latest and before.revision == row.revision:
            # Within one batch neither is a correction: a key that was not made one, or two sources.
            rejected.append(Rejection(at, "hour", _TWICE, dependency.name))
            continue
        else:
            updated += 1
        latest[key] = row, cell.content
    changes = [_Change(stored.get(key), *latest[key]) for key in sorted(latest)]
    return changes, BatchReport(accepted, duplicates, updated, tuple(rejected))


def _counts_alike(one: StoredCell, other: StoredCell) -> bool:
    if one.nano_usd != other.nano_usd:
        return False
    # A cell of a store of before may be written otherwise, and count alike.
    return one.content == other.content or unpacked(one.content) == unpacked(other.content)


def _row(
    cell: HourCell, dependency_id: int, catalogue: Catalogue, slices: Slices, writer: str | None
) -> StoredCell:
    def number(text: str | None) -> int | None:
        return None if text is None else catalogue.name_id(text)

    return StoredCell(
        dependency_id,
        cell.hour,
        cell_key(cell),
        number(cell.version) or 0,
        number(cell.item),
        slices.encode(cell.segments) if cell.segments else None,
        cell.content.n,
        cell.first_ts_ms,
        cell.newest_ts_ms,
        cell.revision,
        cell.nano_usd if cell.content.n else None,
        number(cell.run),
        number(writer),
        packed(cell.content),
    )


def _stored(
    connection: Connection, dependency_id: int, hours: Iterable[int]
) -> dict[Key, StoredCell]:
    found: dict[Key, StoredCell] = {}
    listed = sorted(hours)
    for start in range(0, len(listed), HOURS_A_QUERY):
        some = listed[start : start + HOURS_A_QUERY]
        rows = connection.execute(
            f"SELECT {CELL_COLUMNS} FROM hour_cell WHERE dependency_id = ? AND hour IN "  # noqa: S608 - constant names, marks
            f"({', '.join('?' * len(some))})",
            (dependency_id, *some),
        )
        for row in rows:
            found[row[1], bytes(row[2])] = StoredCell(*row)._replace(cell=bytes(row[2]))
    return found


def _store(
    connection: Connection,
    catalogue: Catalogue,
    dependency: KnownDependency,
    changes: Sequence[_Change],
    cells: Cells,
    slices: Slices,
) -> list[BookedCost]:
    """Write changed cells and their golden answers, and add them to `cells`; what they cost."""
    for change in changes:  # every value, before anything is added
        see_values(catalogue, dependency.id, change.content)
    golden = []
    costs: list[BookedCost] = []
    for change in changes:
        signed = [(change.after, change.content, 1)]
        if change.before is not None:
            signed.append((change.before, unpacked(change.before.content), -1))
        for row, content, sign in signed:
            contribute(cells, row, content, catalogue=catalogue, slices=slices, sign=sign)
            if row.item_id is not None:
                golden.append(golden_of(row, content, sign))
            costs.append(booked_of(dependency.name, row, content, sign))
    add_golden(connection, golden)
    connection.executemany(
        f"DELETE FROM hour_cell WHERE {_KEYS}",  # noqa: S608 - constant names
        [change.before[:3] for change in changes if change.before is not None],
    )
    connection.insert("hour_cell", StoredCell._fields, [change.after for change in changes])
    return costs


def _date(
    connection: Connection,
    dependency: KnownDependency,
    changes: Sequence[_Change],
    cells: Sequence[HourCell],
) -> None:
    """Raise the revision, and the counts and times by what has changed."""
    versions: dict[int, list[_Change]] = {}
    for change in changes:
        versions.setdefault(change.after.version_id, []).append(change)
    added = {version: _added(own) for version, own in versions.items()}
    there = [change.after for change in changes if change.after.n]
    newest = max([dependency.newest_ts_ms, *(row.newest_ts_ms for row in there)])
    earliest = min(change.after.hour for change in changes) * HOUR_MS
    kinds = [cell.kind for cell in cells if cell.kind is not None]
    providers = [cell.provider for cell in cells if cell.provider is not None]
    raise_revision(
        connection,
        dependency,
        n=sum(n for n, _, _ in added.values()),
        first_ms=min([dependency.first_ts_ms, *(row.first_ts_ms for row in there)]),
        changed_ms=earliest,
        newest_ms=newest,
        kind=kinds[-1] if kinds else None,
        provider=providers[-1] if providers else None,
        versions=added,
        reaches_back=earliest // DAY_MS < newest // DAY_MS,
    )
    if any(
        change.before is not None and _shrinks(change.before, change.after) for change in changes
    ):
        # What was the first or the newest of all may be so no longer.
        recount(connection, dependency.id)


def _added(changes: Sequence[_Change]) -> tuple[int, int, int]:
    """The calls that a version gained, with the first and the newest time of the cells that changed."""
    n = sum(c.after.n - (0 if c.before is None else c.before.n) for c in changes)
    rows = [c.after for c in changes if c.after.n] or [c.after for c in changes]
    return n, min(row.first_ts_ms for row in rows), max(row.newest_ts_ms for row in rows)


def _shrinks(before: StoredCell, after: StoredCell) -> bool:
    """Whether a cell no longer reaches as far as it did."""
    if not before.n:
        return False
    return (
        not after.n
        or after.first_ts_ms > before.first_ts_ms
        or after.newest_ts_ms < before.newest_ts_ms
    )
