"""A value that the engine does not hold costs its own row; a failure in the middle costs no call twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engines
from gonogo.errors import StoreError
from gonogo.records import BatchReport, Observation
from gonogo.settings import Settings
from gonogo.store.observations.batch_parts import stored_in_parts

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000
CALL = Observation(dependency="m", ts_ms=NOW_MS)
# Checks let none of them in; whatever does one day costs its own row.
BAD: dict[str, Callable[[Observation], Observation]] = {
    "a rule of the column": lambda one: replace(one, cost_micro_usd=-1),
    "beyond 64 bits": lambda one: replace(one, ts_ms=2**70),
    "no text": lambda one: replace(one, prediction="\ud800"),
    "of another type": lambda one: replace(one, latency_ms="slow"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_value_that_is_not_held_costs_its_own_row(tmp_path: Path, bad: str) -> None:
    """Three of sixty rows, of two dependencies: the others are stored, and each has its reason."""
    database = await engines.opened(tmp_path)
    telemetry = engines.telemetry_of(database, Settings(store=""))
    calls = [replace(CALL, dependency="mn"[i % 2], ts_ms=NOW_MS + i) for i in range(60)]
    places = (0, 31, 58)
    for at in places:
        calls[at] = BAD[bad](calls[at])
    stored = await telemetry.record(calls, NOW_MS)
    names = {one.name: one.n for one in await telemetry.dependencies()}
    await database.close()
    assert (stored.accepted, stored.left) == (57, ())
    assert tuple(one.position for one in stored.rejected) == places
    assert all(one.problem.startswith("cannot be stored: ") for one in stored.rejected)
    assert names == {"m": 28, "n": 29}


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    bad=st.sets(st.integers(0, 29), max_size=4),
    fails_after=st.integers(0, 12),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_is_left_is_exactly_what_is_not_stored(
    sizes: list[int], bad: set[int], fails_after: int
) -> None:
    """Whichever transaction fails: sending what is left again stores each call once."""
    kept: list[int] = []
    done = 0

    async def store(part: list[Observation]) -> BatchReport:
        nonlocal done
        done += 1
        if done > fails_after:
            raise StoreError("the disk is full")
        places = [one.ts_ms for one in part]
        if bad.intersection(places):
            raise OverflowError(places)
        kept.extend(places)
        return BatchReport(accepted=len(part))

    places = iter(range(sum(sizes)))
    parts = [[(at, replace(CALL, ts_ms=at)) for _, at in zip(range(n), places)] for n in sizes]  # noqa: B905 - as many as are asked for
    try:
        stored = await stored_in_parts(parts, store)  # type: ignore[arg-type]
    except StoreError:
        assert kept == []
        return
    refused = {one.position for one in stored.rejected}
    assert stored.accepted == len(kept) == len(set(kept))
    assert refused <= bad
    assert sorted([*kept, *refused, *stored.left]) == list(range(sum(sizes)))
    assert bool(stored.left) == bool(stored.problem)
