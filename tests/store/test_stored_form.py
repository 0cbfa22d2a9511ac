"""What lies in each column of a stored observation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import engines
from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.rows import COLUMNS, QUANTITY_MAX, Row, hash64
from telemetry_worlds import NOW_MS, START_MS

pytestmark = pytest.mark.anyio


WIDE = Observation(
    dependency="gpt",
    ts_ms=START_MS + 5,
    version="v1",
    outcome=0.25,
    outcome_ts_ms=START_MS + 12,
    error="timeout",
    confidence=0.5000004,
    latency_ms=0.0,
    cost_micro_usd=31,
    input_tokens=41,
    output_tokens=QUANTITY_MAX + 1,
    item="question",
    budget="team",
    reservation="held",
    prediction="cat",
    label="dog",
    input_hash="in",
    output_hash="out",
    segments={"tier": "new"},
    metrics={"b": 2.5, "a": 1.0},
    output="said",
)


def _named(row: Row, names: dict[int, str]) -> dict[str, object]:
    """Its columns that hold something, by their name, ids as the texts that they stand for."""
    columns = {name: value for name, value in row._asdict().items() if value is not None}
    del columns["dependency_id"]
    if not columns["version_id"]:
        del columns["version_id"]
    if row.segments is not None:
        columns["segments"] = [names[part] for part in json.loads(row.segments)]
    return {
        name: names[value] if name.endswith("_id") else value for name, value in columns.items()
    }


async def test_each_field_of_an_observation_lies_in_its_own_column(tmp_path: Path) -> None:
    """Every field with a value of its own, beside an observation that has none of them."""
    engine = await engines.opened(tmp_path)
    telemetry = engines.telemetry_of(engine, Settings(store="", store_text=True))
    await telemetry.record([WIDE, Observation(dependency="gpt", ts_ms=START_MS + 5)], NOW_MS)

    def read(connection: Connection) -> tuple[list[Row], dict[int, str]]:
        rows = connection.execute(f"SELECT {COLUMNS} FROM observation ORDER BY seq")  # noqa: S608
        found = [Row(*row) for row in rows]
        return found, dict(connection.execute("SELECT id, text FROM name").fetchall())

    rows, names = await engine.read(read)
    await engine.close()
    assert [_named(row, names) for row in rows] == [
        {
            "ts_ms": START_MS + 5,
            "seq": 0,
            "version_id": "v1",
            "item_id": "question",
            "outcome_e6": 250_000,
            "outcome_lag_ms": 7,
            "error_id": "timeout",
            "confidence_e6": 500_000,
            "latency_us": 0,
            "cost_micro_usd": 31,
            "input_tokens": 41,
            "output_tokens": QUANTITY_MAX,
            "segments": ["tier=new"],
            "budget_id": "team",
            "reservation": "held",
            "prediction_id": "cat",
            "label_id": "dog",
            "input_hash": hash64("in"),
            "output_hash": hash64("out"),
            "metrics": '{"a":1.0,"b":2.5}',
            "output": "said",
        },
        {"ts_ms": START_MS + 5, "seq": 1},
    ]
