"""Single calls as columns, for whoever plays history again; answers are made from rollups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.store.engine import Connection

if TYPE_CHECKING:
    from gonogo.records import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class CallColumns:
    """Calls of one dependency, oldest first; shapes (n,). What was not recorded is NaN.

    `segments` is an index into `segment_sets`, `version` one into `versions`.
    """

    ts_ms: Ints
    version: Ints
    versions: tuple[str | None, ...]
    outcome_e6: Floats
    outcome_lag_ms: Floats
    failed: Ints  # 1: an explicit error
    confidence_e6: Floats
    latency_us: Floats
    cost_micro_usd: Floats
    booked_micro_usd: Floats  # as budgets count it: also where its tokens alone have a price
    tokens: Floats
    segments: Ints
    segment_sets: tuple[frozenset[str], ...]  # each of `key=value`


def read_calls(
    connection: Connection, dependency: str, *, start_ms: int, end_ms: int
) -> CallColumns:
    """The calls of `start_ms <= ts < end_ms`; golden ones are left out."""
    import numpy as np

    rows = connection.execute(
        "SELECT ts_ms, version_id, outcome_e6, outcome_lag_ms, "
        "CASE WHEN error_id IS NULL THEN 0 ELSE 1 END, confidence_e6, latency_us, "
        "cost_micro_usd, CASE WHEN booked_nano_usd >= 0 THEN booked_nano_usd / 1000.0 ELSE cost_micro_usd END, "
        "CASE WHEN coalesce(input_tokens, output_tokens) IS NULL THEN NULL "
        "ELSE coalesce(input_tokens, 0) + coalesce(output_tokens, 0) END, segments FROM observation "
        "WHERE dependency_id = (SELECT id FROM dependency WHERE name = ?) "
        "AND ts_ms >= ? AND ts_ms < ? AND item_id IS NULL ORDER BY ts_ms, seq",
        (dependency, start_ms, end_ms),
    ).fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    version_ids, version = np.unique(np.array(columns[1], dtype=np.int64), return_inverse=True)
    texts = {text: at for at, text in enumerate(dict.fromkeys(columns[10]))}
    return CallColumns(
        ts_ms=np.array(columns[0], dtype=np.int64),
        version=version,
        versions=tuple(_name(connection, number) for number in version_ids.tolist()),
        outcome_e6=np.array(columns[2], dtype=np.float64),
        outcome_lag_ms=np.array(columns[3], dtype=np.float64),
        failed=np.array(columns[4], dtype=np.int64),
        confidence_e6=np.array(columns[5], dtype=np.float64),
        latency_us=np.array(columns[6], dtype=np.float64),
        cost_micro_usd=np.array(columns[7], dtype=np.float64),
        booked_micro_usd=np.array(columns[8], dtype=np.float64),
        tokens=np.array(columns[9], dtype=np.float64),
        segments=np.array([texts[text] for text in columns[10]], dtype=np.int64),
        segment_sets=tuple(_segments(connection, text) for text in texts),
    )


def _name(connection: Connection, number: int) -> str | None:
    found = connection.execute("SELECT text FROM name WHERE id = ?", (number,)).fetchone()
    return None if number == 0 or found is None else str(found[0])


def _segments(connection: Connection, text: str | None) -> frozenset[str]:
    parts: list[int | str] = [] if text is None else json.loads(text)
    names = (_name(connection, part) if isinstance(part, int) else part for part in parts)
    return frozenset(name for name in names if name is not None)
