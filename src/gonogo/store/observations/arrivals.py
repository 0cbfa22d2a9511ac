"""Telling new observations of one dependency from those that are there, and what fills them in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

from gonogo.records import MICRO, NANO_A_MICRO, BatchReport, Observation
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import Catalogue
from gonogo.store.observations.costs import Pricing
from gonogo.store.observations.grades import regraded, regraded_row
from gonogo.store.observations.rows import COLUMNS, Place, Row, id_hash


class FilledRow(NamedTuple):
    """A stored row that another record of its id tells more of: as it was, and as it is now.

    `hashed` is of the id, and `said` such records in their order; a row whose time was only assumed
    may move.
    """

    before: Row
    after: Row
    hashed: bytes
    said: tuple[Observation, ...]

    @property
    def has_moved(self) -> bool:
        """Whether it is of another time or version now."""
        return (self.before.ts_ms, self.before.version_id) != (
            self.after.ts_ms,
            self.after.version_id,
        )


@dataclass(slots=True)
class Arrivals:
    """A batch sorted into new observations, with the hash of their id, and rows that it fills in."""

    fresh: list[tuple[Observation, bytes | None]] = field(default_factory=list)
    # By where they stood: an id and an alias may name one row.
    filled: dict[tuple[int, int], FilledRow] = field(default_factory=dict)
    # Other ids that the new ones are found by.
    aliases: dict[bytes, int] = field(default_factory=dict)
    duplicates: int = 0
    updated: int = 0
    # Of these: calls that were known at another cost, and by how much theirs changed, in 1e-9 USD.
    corrected: int = 0
    corrected_nano_usd: int = 0
    # Records of another outcome than their call has, by the same grader.
    contradicted: int = 0

    @property
    def report(self) -> BatchReport:
        """Count each sort."""
        return BatchReport(
            len(self.fresh),
            self.duplicates,
            self.updated,
            corrected=self.corrected,
            corrected_nano_usd=self.corrected_nano_usd,
            contradicted=self.contradicted,
        )

    def correct(self, before_nano: int, after_nano: int, weight: float | None) -> None:
        """Count a call whose cost is now another, and that of the calls for which it stands."""
        self.corrected += 1
        self.corrected_nano_usd += round((after_nano - before_nano) * (weight or 1))


# The seq of a row that stands at another time now, until it gets one there.
MOVED = -1
ROWS_A_QUERY = 200
# Of observations of one dependency, made rows with any seq.
RowsOf = Callable[[Sequence[Observation]], list[Row]]

_OF_KEY = frozenset({"dependency_id", "ts_ms", "seq", "writer_id", "outcome_lag_ms"})
# Who told what: `_told_by`.
_OF_TELLERS = frozenset({"outcome_writer_id", "filled_by_id"})
# What a call is judged by beside its outcome.
_JUDGED_BY = ("error_id", "latency_us", "version_id")
# These go with the outcome: `regraded_row`.
_OF_GRADE = frozenset({"outcome_by_id", "judge_id", "judge_e6"})
_TOKENS = ("input_tokens", "output_tokens")
# What a row is booked at goes with its cost and tokens: `Pricing.refilled`.
_BOOKED = frozenset({"booked_nano_usd"})
_FILLED_COLUMNS = tuple(
    (at, name)
    for at, name in enumerate(Row._fields)
    if name not in _OF_KEY | _OF_GRADE | _BOOKED | _OF_TELLERS
)


def outcome_lag_ms(came_ms: int | None, ts_ms: int, now_ms: int) -> int:
    """The time from a call to its outcome; an outcome without a time came on arrival."""
    return (now_ms if came_ms is None else came_ms) - ts_ms


def sort_out(
    connection: Connection,
    catalogue: Catalogue,
    dependency_id: int,
    observations: Sequence[Observation],
    now_ms: int,
    as_rows: RowsOf,
    pricing: Pricing,
) -> Arrivals:
    """Sort a batch of one dependency by what must be done with each.

    A record of an id that is there already fills what is empty: outcomes before calls or after
    them, in any number of parts, make the same row. What is told twice stays as it was told first; but a
    stated time takes the place of one that was only assumed, a person's outcome that of a judge's, and
    another cost, or tokens, that of the one before: bills are corrected and refunded, and the last one is paid.
    """
    arrivals = Arrivals()
    hashes = [None if o.id is None else id_hash(o.id) for o in observations]
    aliases = [None if o.alias is None else id_hash(o.alias) for o in observations]
    stored = catalogue.places_of(dependency_id, [h for h in (*hashes, *aliases) if h is not None])
    pending: dict[bytes, int] = {}
    known: list[tuple[bytes, Observation]] = []
    fresh = arrivals.fresh
    for observation, hashed, alias in zip(observations, hashes, aliases, strict=True):
        if hashed is None:
            fresh.append((observation, None))
        elif hashed in pending:
            _fill_pending(arrivals, pending[hashed], observation, now_ms)
        elif hashed in stored:
            known.append((hashed, _late(observation, now_ms)))
        else:
            pending[hashed] = len(fresh)
            if alias is not None and alias not in stored and alias not in pending:
                pending[alias] = arrivals.aliases[alias] = len(fresh)
            fresh.append((observation, hashed))
    if known:
        before = _stored_rows(connection, dependency_id, {h: stored[h] for h, _ in known})
        rows = as_rows([late for _, late in known])
        for (hashed, late), told in zip(known, rows, strict=True):
            first = before.get(hashed)
            if first is None:
                arrivals.duplicates += 1
            else:
                _fill_stored(
                    arrivals,
                    catalogue,
                    stored[hashed],
                    first,
                    DuplicateRow(hashed, late, told),
                    pricing,
                )
    return arrivals


# What an outcome says besides itself; all else belongs to a call.
_OF_OUTCOMES = frozenset(
    {
        *("dependency", "ts_ms", "id", "alias", "kind", "provider", "run", "ts_assumed"),
        *("outcome", "outcome_ts_ms", "outcome_ts_assumed", "outcome_by", "weight"),
    }
)
_OF_CALLS = tuple(each.name for each in fields(Observation) if each.name not in _OF_OUTCOMES)


def _is_outcome_alone(observation: Observation) -> bool:
    """Whether it says an outcome of an id, and neither a time nor anything that a call has."""
    return (
        observation.ts_assumed
        and observation.outcome is not None
        and all(getattr(observation, name) in (None, {}) for name in _OF_CALLS)
    )


def lost_outcomes(
    connection: Connection,
    catalogue: Catalogue,
    dependency_id: int,
    observations: Sequence[Observation],
) -> set[str]:
    """The ids that outcomes name alone, without a time, of which no call is known.

    None where a dependency's calls have their outcomes at once: who records so may well send nothing
    else.
    """
    alone: set[str] = set()
    whole: set[str] = set()
    for each in observations:
        if each.id is not None:
            (alone if _is_outcome_alone(each) else whole).add(each.id)
    alone -= whole
    if not alone or not _come_later(connection, dependency_id):
        return set()
    hashes = {name: id_hash(name) for name in alone}
    known = catalogue.places_of(dependency_id, list(hashes.values()))
    return {name for name, hashed in hashes.items() if hashed not in known}


def _come_later(connection: Connection, dependency_id: int) -> bool:
    """Whether outcomes of a dependency come after its calls, by the newest that are kept."""
    newest = connection.execute(
        "SELECT outcome_e6, outcome_lag_ms FROM observation WHERE dependency_id = ?"
        " ORDER BY ts_ms DESC, seq DESC LIMIT 100",
        (dependency_id,),
    ).fetchall()
    return not newest or any(outcome is None or (lag or 0) > 0 for outcome, lag in newest)


def _late(observation: Observation, now_ms: int) -> Observation:
    """An outcome that fills in later came on arrival, also where its file dates it with its call.

    Else a second file would make young hours look mature, which breaks the false-alarm promise.
    """
    if not observation.outcome_ts_assumed:
        return observation
    return replace(observation, outcome_ts_ms=now_ms)


def _fill_pending(arrivals: Arrivals, at: int, late: Observation, now_ms: int) -> None:
    first, hashed = arrivals.fresh[at]
    changed: dict[str, object] = {}
    for slot in _SLOTS:
        if getattr(first, slot) is None and (value := getattr(late, slot)) is not None:
            changed[slot] = value
    changed |= _restated(arrivals, first, late)
    for entries in ("segments", "metrics"):
        mine, theirs = getattr(first, entries), getattr(late, entries)
        if not theirs.keys() <= mine.keys():
            changed[entries] = {**theirs, **mine}
    if first.outcome is None and late.outcome is not None:
        changed |= {
            "outcome": late.outcome,
            "outcome_ts_ms": _late(late, now_ms).outcome_ts_ms,
            "outcome_ts_assumed": False,
            "outcome_by": late.outcome_by,
            "judged": late.judged,
        }
    else:
        changed |= regraded(first, _late(late, now_ms))
        kept = changed.get("outcome", first.outcome), changed.get("outcome_by", first.outcome_by)
        arrivals.contradicted += late.outcome not in (None, kept[0]) and late.outcome_by == kept[1]
    if first.ts_assumed and not late.ts_assumed:
        changed |= {"ts_ms": late.ts_ms, "ts_assumed": False}
        if first.outcome is not None and first.outcome_ts_assumed:
            # The outcome came when it was told, before its call.
            changed |= {"outcome_ts_ms": now_ms, "outcome_ts_assumed": False}
    if not changed:
        arrivals.duplicates += 1
        return
    arrivals.fresh[at] = replace(first, **changed), hashed  # type: ignore[arg-type]  # of its slots
    arrivals.updated += 1


def _restated(arrivals: Arrivals, first: Observation, late: Observation) -> dict[str, object]:
    """The changes of cost and use that a later record of a call in the same batch makes."""
    changed: dict[str, object] = {
        name: value
        for name in _TOKENS
        if (value := getattr(late, name)) is not None and value != getattr(first, name)
    }
    if late.cost_micro_usd is None:
        return changed
    if first.cost_micro_usd is not None:
        if _nano(late) == _nano(first):
            return changed
        arrivals.correct(_nano(first), _nano(late), first.weight or late.weight)
    return changed | {"cost_micro_usd": late.cost_micro_usd, "cost_nano_usd": late.cost_nano_usd}


def _was_billed(first: Row, after: Row) -> bool:
    """Whether it had a cost, or tokens that are others now: what it is booked at was no gap."""
    changed = (getattr(first, name) not in (None, getattr(after, name)) for name in _TOKENS)
    return first.cost_micro_usd is not None or any(changed)


def _nano(known: Observation | Row) -> int:
    """The cost of a call, or the amount its row is booked at, in 1e-9 USD."""
    finer = known.cost_nano_usd if isinstance(known, Observation) else known.booked_nano_usd
    return (known.cost_micro_usd or 0) * NANO_A_MICRO if finer is None or finer < 0 else finer


# Each stands for itself; the outcome goes with its time, and entries by name.
_SLOTS = tuple(
    slot.name
    for slot in fields(Observation)
    if slot.name
    not in {
        *("dependency", "ts_ms", "id", "alias", "ts_assumed", "segments", "metrics"),
        *("outcome", "outcome_ts_ms", "outcome_ts_assumed", "outcome_by", "judged"),
        *("cost_micro_usd", "cost_nano_usd", "input_tokens", "output_tokens"),
    }
)


class DuplicateRow(NamedTuple):
    """Another record of a stored id, and the row that it would make alone."""

    hashed: bytes
    late: Observation
    row: Row


def _fill_stored(
    arrivals: Arrivals,
    catalogue: Catalogue,
    place: Place,
    before: Row,
    told: DuplicateRow,
    pricing: Pricing,
) -> None:
    known = arrivals.filled.get((place.ts_ms, place.seq))
    first = before if known is None else known.after
    graded = regraded_row(first, told.row)
    after = _filled(catalogue, graded, told.row)
    is_other = told.row.outcome_e6 not in (None, after.outcome_e6)
    arrivals.contradicted += is_other and told.row.outcome_by_id == after.outcome_by_id
    newer = graded if graded.outcome_e6 is not None else told.row
    came_ms = None if newer.outcome_lag_ms is None else newer.ts_ms + newer.outcome_lag_ms
    if place.assumed and not told.late.ts_assumed and first.seq != MOVED:
        after = after._replace(ts_ms=told.row.ts_ms, seq=MOVED)
    after = after._replace(outcome_lag_ms=None if came_ms is None else came_ms - after.ts_ms)
    after = pricing.refilled(
        first, _told_by(first, after, told.row.writer_id), told.late, catalogue
    )
    if _nano(after) != _nano(first) and _was_billed(first, after):
        arrivals.correct(_nano(first), _nano(after), (after.weight_e6 or MICRO) / MICRO)
    if after == first:
        arrivals.duplicates += 1
        return
    said = (*(() if known is None else known.said), told.late)
    arrivals.filled[place.ts_ms, place.seq] = FilledRow(before, after, told.hashed, said)
    arrivals.updated += 1


def _told_by(first: Row, after: Row, teller: int | None) -> Row:
    """With whose word the outcome is now, and who filled in what the call is judged by: not always its writer's."""
    other = None if teller == first.writer_id else teller
    if (after.outcome_e6, after.outcome_by_id) != (first.outcome_e6, first.outcome_by_id):
        after = after._replace(outcome_writer_id=other)
    if other is not None and any(getattr(after, n) != getattr(first, n) for n in _JUDGED_BY):
        after = after._replace(filled_by_id=other)
    return after


def _stored_rows(
    connection: Connection, dependency_id: int, places: dict[bytes, Place]
) -> dict[bytes, Row]:
    """The rows that ids stand for; one that was let go is not there."""
    at = {(place.ts_ms, place.seq): hashed for hashed, place in places.items()}
    keys = sorted(at)
    rows: dict[bytes, Row] = {}
    for start in range(0, len(keys), ROWS_A_QUERY):
        chunk = keys[start : start + ROWS_A_QUERY]
        found = connection.execute(
            f"SELECT {COLUMNS} FROM observation WHERE dependency_id = ? AND (ts_ms, seq) IN "  # noqa: S608 - constant names
            f"(VALUES {', '.join(['(?, ?)'] * len(chunk))})",
            (dependency_id, *(part for key in chunk for part in key)),
        )
        for values in found:
            row = Row(*values)
            rows[at[row.ts_ms, row.seq]] = row
    # An alias and its id stand for one row.
    return {
        hashed: rows[at[p.ts_ms, p.seq]]
        for hashed, p in places.items()
        if at[p.ts_ms, p.seq] in rows
    }


def _filled(catalogue: Catalogue, first: Row, told: Row) -> Row:
    """Merge two records of one call: the first one's values, and those of the second where the first has none."""
    changed: dict[str, object] = {}
    for at, name in _FILLED_COLUMNS:
        value = told[at]
        if value is None or value == first[at]:
            continue
        if first[at] is None or name in _TOKENS or (name == "version_id" and first[at] == 0):
            changed[name] = value
        elif name == "segments":
            changed[name] = _both_segments(catalogue, str(first[at]), str(value))
        elif name == "metrics":
            both = {**json.loads(str(value)), **json.loads(str(first[at]))}
            changed[name] = json.dumps(both, separators=(",", ":"), sort_keys=True)
    return first._replace(**changed)  # type: ignore[arg-type]  # of its columns


def _both_segments(catalogue: Catalogue, first: str, told: str) -> str:
    """Two stored `segments` as one; what was told first of a key stays."""
    parts: dict[str, int | str] = {}
    for part in (*json.loads(told), *json.loads(first)):
        text = part if isinstance(part, str) else catalogue.name_text(part)
        parts[text.partition("=")[0]] = part
    ordered = [parts[key] for key in sorted(parts)]
    return json.dumps(ordered, separators=(",", ":"), ensure_ascii=False)
