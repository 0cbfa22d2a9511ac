"""A store in which 16 bytes stand for an id: its calls are known by their ids as before."""

from __future__ import annotations

from pathlib import Path

import pytest

import engines
from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.observations import rows
from gonogo.store.observations.rows import ID_BYTES
from gonogo.store.reads.queries import read_callers

pytestmark = pytest.mark.anyio

NOW = 1_780_000_000_000
IDS = [f"call-{number}" for number in range(5)]


def calls(outcome: float | None) -> list[Observation]:
    """One of each id, at a time of its own."""
    return [
        Observation("m", NOW - 1000 * at, id=name, alias=f"trace-{name}", outcome=outcome)
        for at, name in enumerate(IDS)
    ]


async def test_calls_of_before_are_known_by_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their outcomes fill them in, by their ids and by their other ones, and none is stored twice."""
    with engines.schemas_of_then(tmp_path, monkeypatch, sqlite=28, postgres=22) as then:
        then.setattr(rows, "ID_BYTES", 16)
        db = await engines.opened(tmp_path)
        await engines.telemetry_of(db, Settings(store="unused")).record(calls(None), now_ms=NOW)
        await db.close()
    db = await engines.opened(tmp_path)
    try:
        lengths = await db.read(
            lambda c: c.execute("SELECT DISTINCT length(id) FROM observation_id").fetchall()
        )
        callers = await db.read(lambda c: read_callers(c, [*IDS, "trace-call-1", "unknown"]))
        told = await engines.telemetry_of(db, Settings(store="unused")).record(
            calls(1.0), now_ms=NOW
        )
        again = await engines.telemetry_of(db, Settings(store="unused")).record(
            calls(1.0), now_ms=NOW
        )
    finally:
        await db.close()
    assert [length for (length,) in lengths] == [ID_BYTES]
    assert callers == dict.fromkeys([*IDS, "trace-call-1"], "m")
    assert (told.accepted, told.updated, told.duplicates) == (0, 5, 0)
    assert (again.accepted, again.updated, again.duplicates) == (0, 0, 5)
