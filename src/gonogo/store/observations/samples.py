"""Samples kept beside the rollups, each bounded and the same in any order of arrival."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gonogo.records import DAY_MS, Observation
from gonogo.store.engine import Connection
from gonogo.store.observations.cells import effective_outcome_e6
from gonogo.store.observations.rows import Row

ANSWER_INPUTS_MAX = 500
ANSWER_OUTPUTS_MAX = 64
DAILY_INPUTS_MAX = 64
DAILY_OUTPUTS_MAX = 8
OUTPUTS_A_DAY_MAX = 64

GoldenKey = tuple[int, int, int, int]  # dependency, item, version, day


def golden_change(row: Row, sign: int) -> tuple[GoldenKey, int, int] | None:
    """The answers that a row adds to its golden item: key, answers, outcome sum."""
    outcome = effective_outcome_e6(row)
    if row.item_id is None or outcome is None:
        return None
    key = row.dependency_id, row.item_id, row.version_id, row.ts_ms // DAY_MS
    return key, sign, sign * outcome


def add_golden(
    connection: Connection, changes: Iterable[tuple[GoldenKey, int, int] | None]
) -> None:
    """Add golden answers; None is passed over."""
    n: Counter[GoldenKey] = Counter()
    total: Counter[GoldenKey] = Counter()
    for change in changes:
        if change is not None:
            n[change[0]] += change[1]
            total[change[0]] += change[2]
    connection.executemany(
        "INSERT INTO golden_answer (dependency_id, item_id, version_id, day, n, outcome_sum) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (dependency_id, version_id, day, item_id) DO UPDATE "
        "SET n = golden_answer.n + excluded.n, "
        "outcome_sum = golden_answer.outcome_sum + excluded.outcome_sum",
        [(*key, n[key], total[key]) for key in sorted(n) if n[key] or total[key]],
    )
    less = sorted({key[0] for key in n if n[key] < 0})
    connection.executemany(
        "DELETE FROM golden_answer WHERE dependency_id = ? AND n = 0", [(one,) for one in less]
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """A table of answers: the columns that name a slot of it, and how much a slot may hold."""

    table: str
    slot: tuple[str, ...]
    inputs_max: int
    outputs_max: int

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of its key."""
        return (*self.slot, "input_hash", "output_hash")

    @property
    def where(self) -> str:
        """The condition that picks a slot."""
        return " AND ".join(f"{column} = ?" for column in self.slot)


_WHOLE = _Answers("answer", ("dependency_id", "version_id"), ANSWER_INPUTS_MAX, ANSWER_OUTPUTS_MAX)
_DAILY = _Answers(
    "answer_day", ("dependency_id", "version_id", "day"), DAILY_INPUTS_MAX, DAILY_OUTPUTS_MAX
)


_Slot = tuple[int, ...]
_Pairs = Counter[tuple[int, int]]


def add_answers(connection: Connection, rows: Iterable[Row], *, over_all_time: bool = True) -> None:
    """Count which output each input got, for the inputs and outputs with the smallest hashes.

    Over all time, where that is asked for, and again day by day.
    """
    for (answers, slot), counts in _by_slot(rows).items():
        if over_all_time or answers is not _WHOLE:
            _add_answers(connection, answers, slot, counts)


def _by_slot(rows: Iterable[Row]) -> dict[tuple[_Answers, _Slot], _Pairs]:
    """The inputs and outputs of rows that have both: of a version, and of a day of it."""
    found: dict[tuple[_Answers, _Slot], _Pairs] = {}
    for row in rows:
        if has_answer(row):
            whole = row.dependency_id, row.version_id
            for answers, slot in ((_WHOLE, whole), (_DAILY, (*whole, row.ts_ms // DAY_MS))):
                counts = found.setdefault((answers, slot), Counter())
                counts[row.input_hash or 0, row.output_hash or 0] += 1
    return found


def has_answer(row: Row) -> bool:
    """Whether a row says which output an input got."""
    return row.input_hash is not None and row.output_hash is not None


def take_answers(connection: Connection, left: Iterable[Row], *, kept_from_ms: int | None) -> None:
    """Take out of the counts the rows with an answer as they were, before their version or time became known."""
    for (answers, slot), counts in _by_slot(left).items():
        if not _take_answers(connection, answers, slot, counts):
            continue
        if answers is _DAILY:
            _count_anew(connection, answers, slot, (slot[2] * DAY_MS, (slot[2] + 1) * DAY_MS))
        elif kept_from_ms is None:  # rows of all time can be counted only where none was let go
            _count_anew(connection, answers, slot, (0, sys.maxsize))


def _take_answers(connection: Connection, answers: _Answers, slot: _Slot, counts: _Pairs) -> bool:
    """Take answers out of a slot; whether one that was beyond its limits may have a place now."""
    run, of = connection.execute, f"{answers.table} WHERE {answers.where}"
    taken = f"UPDATE {answers.table} SET n = n - ? WHERE {answers.where} AND input_hash = ? AND output_hash = ?"  # noqa: S608 - constant names
    connection.executemany(taken, [(n, *slot, *pair) for pair, n in sorted(counts.items())])
    emptied = run(f"SELECT DISTINCT input_hash FROM {of} AND n <= 0", slot).fetchall()  # noqa: S608 - constant names
    if not emptied:
        return False
    (inputs,) = run(f"SELECT count(DISTINCT input_hash) FROM {of}", slot).fetchone()  # noqa: S608 - constant names
    outputs = f"SELECT count(*) FROM {of} AND input_hash = ?"  # noqa: S608 - constant names
    is_full = inputs >= answers.inputs_max or any(
        run(outputs, (*slot, given)).fetchone()[0] >= answers.outputs_max for (given,) in emptied
    )
    run(f"DELETE FROM {of} AND n <= 0", slot)  # noqa: S608 - constant names
    return is_full


def _count_anew(
    connection: Connection, answers: _Answers, slot: _Slot, span: tuple[int, int]
) -> None:
    connection.execute(f"DELETE FROM {answers.table} WHERE {answers.where}", slot)  # noqa: S608 - constant names
    counted = connection.execute(
        "SELECT input_hash, output_hash, count(*) FROM observation WHERE dependency_id = ?"
        " AND version_id = ? AND ts_ms >= ? AND ts_ms < ? AND input_hash IS NOT NULL"
        " AND output_hash IS NOT NULL GROUP BY 1, 2",
        (*slot[:2], *span),
    ).fetchall()
    _add_answers(connection, answers, slot, Counter({(row[0], row[1]): row[2] for row in counted}))


def kept_answers(
    counts: Mapping[tuple[int, int, int, int], int], *, by_day: bool
) -> dict[tuple[int, ...], int]:
    """Cut counts of outputs by version, day, input and output to those that `add_answers` keeps.

    Returns:
        By version, day where `by_day`, input and output.
    """
    slots: dict[tuple[int, ...], dict[int, Counter[int]]] = {}
    for (version, day, given, output), n in counts.items():
        slot = (version, day) if by_day else (version,)
        slots.setdefault(slot, {}).setdefault(given, Counter())[output] += n
    answers = _DAILY if by_day else _WHOLE
    return {
        (*slot, given, output): inputs[given][output]
        for slot, inputs in slots.items()
        for given in sorted(inputs)[: answers.inputs_max]
        for output in sorted(inputs[given])[: answers.outputs_max]
    }


def _add_answers(connection: Connection, answers: _Answers, slot: _Slot, counts: _Pairs) -> None:
    run, table, where = connection.execute, answers.table, answers.where
    boundary = (
        f"SELECT DISTINCT input_hash FROM {table} WHERE {where} "  # noqa: S608 - constant names
        "ORDER BY input_hash LIMIT 1 OFFSET ?"
    )
    last = run(boundary, (*slot, answers.inputs_max - 1)).fetchone()
    kept = sorted(pair for pair in counts if last is None or pair[0] <= last[0])
    marks = ", ".join("?" * (len(slot) + 3))
    connection.executemany(
        f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({', '.join(answers.key)}) "  # noqa: S608 - constant names
        f"DO UPDATE SET n = {table}.n + excluded.n",
        [(*slot, *pair, counts[pair]) for pair in kept],
    )
    for given in sorted({pair[0] for pair in kept}):
        surplus = run(
            f"SELECT output_hash FROM {table} WHERE {where} "  # noqa: S608 - constant names
            "AND input_hash = ? ORDER BY output_hash LIMIT 1 OFFSET ?",
            (*slot, given, answers.outputs_max),
        ).fetchone()
        if surplus is not None:
            run(
                f"DELETE FROM {table} WHERE {where} AND input_hash = ? AND output_hash >= ?",  # noqa: S608 - constant names
                (*slot, given, surplus[0]),
            )
    first_out = run(boundary, (*slot, answers.inputs_max)).fetchone() if kept else None
    if first_out is not None:
        run(f"DELETE FROM {table} WHERE {where} AND input_hash >= ?", (*slot, first_out[0]))  # noqa: S608 - constant names


def sample_outputs(connection: Connection, fresh: Sequence[tuple[Observation, Row, int]]) -> None:
    """Keep the features of the outputs with the smallest hashes of each version and day.

    Args:
        connection: In a transaction.
        fresh: New observations, their rows and the hash that stands for each.
    """
    slots: dict[tuple[int, int, int], list[tuple[int, Observation]]] = {}
    for observation, row, hashed in fresh:
        if has_features(observation):
            slot = row.dependency_id, row.version_id, row.ts_ms // DAY_MS
            slots.setdefault(slot, []).append((hashed, observation))
    for slot, found in slots.items():
        _sample(connection, slot, found)


def move_samples(connection: Connection, moves: Iterable[tuple[Row, Row, int]]) -> None:
    """Let a sampled output follow its call, whose version or day became known, by its hash."""
    connection.executemany(
        "UPDATE output_sample SET version_id = ?, day = ?"
        " WHERE dependency_id = ? AND version_id = ? AND day = ? AND hash = ?",
        [
            (
                after.version_id,
                after.ts_ms // DAY_MS,
                before.dependency_id,
                before.version_id,
                before.ts_ms // DAY_MS,
                hashed,
            )
            for before, after, hashed in moves
        ],
    )


def _sample(
    connection: Connection,
    slot: tuple[int, int, int],
    found: list[tuple[int, Observation]],
) -> None:
    stored = [
        row[0]
        for row in connection.execute(
            "SELECT hash FROM output_sample "
            "WHERE dependency_id = ? AND version_id = ? AND day = ? ORDER BY hash",
            slot,
        )
    ]
    # Features cost far more than hashes: they are made only for what stays.
    offered = dict(found)
    kept = sorted({*stored, *offered})[:OUTPUTS_A_DAY_MAX]
    fresh = sorted(set(kept).difference(stored))
    connection.executemany(
        "INSERT INTO output_sample VALUES (?, ?, ?, ?, ?, ?)",
        [
            (*slot, hashed, _features(offered[hashed]), int(offered[hashed].embedding is not None))
            for hashed in fresh
        ],
    )
    connection.execute(
        "DELETE FROM output_sample "
        "WHERE dependency_id = ? AND version_id = ? AND day = ? AND hash > ?",
        (*slot, kept[-1]),
    )


def has_features(observation: Observation) -> bool:
    """Whether an observation says something of its output's content."""
    return observation.embedding is not None or observation.output is not None


def _features(observation: Observation) -> bytes:
    """The embedding, or the features of the text, as little-endian float32."""
    given = observation.embedding
    if given is None:
        from gonogo.detectors.outputs.text_features import text_features

        given = tuple(text_features(observation.output or ""))
    numbers = array("f", given)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
