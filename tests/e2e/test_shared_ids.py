"""Calls that all bear one id: they are kept as one, and that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from product import answer, typed

from drift_world import START_MS, open_world
from gonogo.answers import rfc3339
from gonogo.records import HOUR_MS

Line = dict[str, object]


def _call(k: int, **said: object) -> Line:
    return {"dependency": "m", "ts": rfc3339(START_MS + k * HOUR_MS), "outcome": 1, **said}


def _failing_lose_theirs(k: int) -> Line:
    failed = k % 3 == 0
    return _call(k, id="null" if failed else f"call {k}", outcome=0 if failed else 1)


def _each_its_own(k: int) -> Line:
    return _call(k, id=f"call {k}")


def _in_parts(k: int) -> Line:
    """Of each call its start, its end and two grades, at four times."""
    return _call(k, id=f"call {k // 4}")


def _counted_anew(k: int) -> Line:
    """As a server that is started again counts: each id is two calls, hours apart."""
    return _call(k, id=f"call {k % 30}" if k % 30 else "null", latency_ms=100 + k)


def _priced_late(k: int) -> Line:
    """Of each call its latency, and its cost an hour later."""
    part: Line = {"cost_usd": 0.01} if k % 2 else {"latency_ms": 100}
    return {
        "dependency": "m",
        "ts": rfc3339(START_MS + k * HOUR_MS),
        "id": f"call {k // 2}",
        **part,
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "repeats"),
    [
        (_failing_lose_theirs, 19),
        (_each_its_own, 0),
        (_in_parts, 0),
        (_counted_anew, 30),
        (_priced_late, 0),
    ],
)
async def test_an_agent_is_told_of_calls_that_share_an_id(
    tmp_path: Path, line: Callable[[int], Line], repeats: int
) -> None:
    """How many, which id, and that they count for nothing; parts of a call are none."""
    async with open_world(tmp_path) as world:
        world.now_ms = START_MS + 100 * HOUR_MS
        said = await world.app.record_observations([line(k) for k in range(60)])
    notes = " ".join(said.notes or [])
    assert ("were taken for parts of it" in notes) == bool(repeats)
    assert (f"{repeats} records with the id" in notes) == bool(repeats)
    assert ("'null'" in notes) == bool(repeats)


def test_a_file_whose_calls_share_an_id_is_said(tmp_path: Path) -> None:
    """The count of duplicates alone looks like a file that was read before."""
    file = tmp_path / "calls.jsonl"
    file.write_text("".join(json.dumps(_failing_lose_theirs(k)) + "\n" for k in range(90)))
    told = answer(typed("ingest", "--json", str(file), store=tmp_path / "gonogo.db"))
    assert told["duplicates"] == 29
    assert any("29 records with the id of a call at another time" in note for note in told["notes"])
