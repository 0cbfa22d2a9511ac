"""What is kept beside the rollups, each bounded, and the same in any order of arrival."""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections import Counter
from typing import TYPE_CHECKING

from gonogo.records import DAY_MS
from gonogo.store.cells import effective_outcome_e6
from gonogo.store.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gonogo.records import Observation

__all__ = ["add_answers", "add_golden", "golden_change", "sample_outputs"]

ANSWER_INPUTS_MAX = 500
ANSWER_OUTPUTS_MAX = 64
OUTPUTS_A_DAY_MAX = 64

GoldenKey = tuple[int, int, int, int]  # dependency, item, version, day


def golden_change(row: Row, sign: int) -> tuple[GoldenKey, int, int] | None:
    """What a row adds to the answers of its golden item: key, answers, outcome sum."""
    outcome = effective_outcome_e6(row)
    if row.item_id is None or outcome is None:
        return None
    key = row.dependency_id, row.item_id, row.version_id, row.ts_ms // DAY_MS
    return key, sign, sign * outcome


def add_golden(
    connection: sqlite3.Connection, changes: Iterable[tuple[GoldenKey, int, int] | None]
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
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET n = n + excluded.n, outcome_sum = outcome_sum + excluded.outcome_sum",
        [(*key, n[key], total[key]) for key in sorted(n) if n[key] or total[key]],
    )


def add_answers(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Count which output each input got, for the inputs and outputs with the smallest hashes."""
    found: dict[tuple[int, int], Counter[tuple[int, int]]] = {}
    for row in rows:
        if row.input_hash is not None and row.output_hash is not None:
            counts = found.setdefault((row.dependency_id, row.version_id), Counter())
            counts[row.input_hash, row.output_hash] += 1
    for slot, counts in found.items():
        _add_answers(connection, slot, counts)


_BOUNDARY = (
    "SELECT DISTINCT input_hash FROM answer WHERE dependency_id = ? AND version_id = ? "
    "ORDER BY input_hash LIMIT 1 OFFSET ?"
)


def _add_answers(
    connection: sqlite3.Connection, slot: tuple[int, int], counts: Counter[tuple[int, int]]
) -> None:
    run = connection.execute
    last = run(_BOUNDARY, (*slot, ANSWER_INPUTS_MAX - 1)).fetchone()
    kept = sorted(pair for pair in counts if last is None or pair[0] <= last[0])
    connection.executemany(
        "INSERT INTO answer VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        [(*slot, *pair, counts[pair]) for pair in kept],
    )
    for given in sorted({pair[0] for pair in kept}):
        surplus = run(
            "SELECT output_hash FROM answer WHERE dependency_id = ? AND version_id = ? "
            "AND input_hash = ? ORDER BY output_hash LIMIT 1 OFFSET ?",
            (*slot, given, ANSWER_OUTPUTS_MAX),
        ).fetchone()
        if surplus is not None:
            run(
                "DELETE FROM answer WHERE dependency_id = ? AND version_id = ? "
                "AND input_hash = ? AND output_hash >= ?",
                (*slot, given, surplus[0]),
            )
    first_out = run(_BOUNDARY, (*slot, ANSWER_INPUTS_MAX)).fetchone() if kept else None
    if first_out is not None:
        run(
            "DELETE FROM answer WHERE dependency_id = ? AND version_id = ? AND input_hash >= ?",
            (*slot, first_out[0]),
        )


def sample_outputs(
    connection: sqlite3.Connection, fresh: Sequence[tuple[Observation, Row, int]]
) -> None:
    """Keep the features of the outputs with the smallest hashes of each version and day.

    Args:
        connection: In a transaction.
        fresh: New observations, their rows and the hash that stands for each.
    """
    slots: dict[tuple[int, int, int], list[tuple[int, Observation]]] = {}
    for observation, row, hashed in fresh:
        if observation.embedding is not None:
            slot = row.dependency_id, row.version_id, row.ts_ms // DAY_MS
            slots.setdefault(slot, []).append((hashed, observation))
    for slot, found in slots.items():
        _sample(connection, slot, found)


def _sample(
    connection: sqlite3.Connection,
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
        "INSERT INTO output_sample VALUES (?, ?, ?, ?, ?)",
        [(*slot, hashed, _features(offered[hashed])) for hashed in fresh],
    )
    connection.execute(
        "DELETE FROM output_sample "
        "WHERE dependency_id = ? AND version_id = ? AND day = ? AND hash > ?",
        (*slot, kept[-1]),
    )


def _features(observation: Observation) -> bytes:
    """The embedding as little-endian float32."""
    numbers = array("f", observation.embedding or ())
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
