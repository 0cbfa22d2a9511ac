"""Rollups are a function of the rows: any order, any batching, late outcomes, a rebuild."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.records import HOUR_MS, Observation
from gonogo.settings import DependencySettings, Settings
from gonogo.store.observations import slices
from gonogo.store.observations.catalogue import CommittedIds
from gonogo.store.observations.rebuild import rebuild_dependency
from gonogo.store.observations.record import record_batch
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.migrate import migrate
from telemetry_worlds import NOW_MS, START_MS, histories, rollups_of, unlabelled

CONFIGURED = Settings(
    store="",
    dependencies=MappingProxyType(
        {"model": DependencySettings("model", latency_slo_ms=2000, quality_bar=0.731)}
    ),
    rolled_up_segment_pairs=(("tier", "area"),),
)
Tables = dict[str, list[tuple[object, ...]]]


def stored(batches: Sequence[Sequence[Observation]], bulk_rows_min: int) -> tuple[Tables, Tables]:
    """The rollup tables after recording the batches, and after a rebuild from the rows."""
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=FileConnection)
    migrate(connection, Path(":memory:"))
    known = CommittedIds()
    was, slices.BULK_ROWS_MIN = slices.BULK_ROWS_MIN, bulk_rows_min
    try:
        for batch in batches:
            _, found = record_batch(
                connection, batch, now_ms=NOW_MS, settings=CONFIGURED, known=known
            )
            known.learn(found)
        recorded = rollups_of(connection)
        for name in ("model", "tool"):
            rebuild_dependency(connection, name)
        return recorded, rollups_of(connection)
    finally:
        slices.BULK_ROWS_MIN = was
        connection.close()


@settings(max_examples=15, deadline=None)
@given(histories(), st.data())
def test_order_batching_and_late_outcomes_leave_no_trace(
    history: list[Observation], data: st.DataObject
) -> None:
    """Oracle: the same observations at once, one by one in pure Python, and a rebuild."""
    whole, rebuilt = stored([[o] for o in history], bulk_rows_min=10_000)
    assert whole == rebuilt
    arrivals = data.draw(st.permutations(history))
    late = data.draw(st.lists(st.sampled_from(history), unique_by=lambda o: o.id))
    first = [unlabelled(o) if o in late else o for o in arrivals]
    sent = first + data.draw(st.permutations(late)) + data.draw(st.permutations(history))[:3]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    batches = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    in_bulk = data.draw(st.sampled_from([1, 3, 10_000]))
    again, again_rebuilt = stored(batches, bulk_rows_min=in_bulk)
    assert again == whole
    assert again_rebuilt == whole


def test_many_rows_are_rolled_up_the_same_by_numpy_and_by_hand() -> None:
    """800 random rows over five days, in bulk and in small batches, forwards and shuffled."""
    dice = random.Random(7)  # noqa: S311 - no secret is made
    rows = [
        Observation(
            dependency="model",
            ts_ms=START_MS + dice.randrange(120 * HOUR_MS),
            id=str(i),
            version=dice.choice([None, "v1"]),
            outcome=dice.choice([None, dice.random()]),
            outcome_ts_ms=START_MS + 240 * HOUR_MS,
            error=dice.choice([None, "timeout"]),
            confidence=dice.betavariate(8, 2),
            latency_ms=dice.lognormvariate(7, 2),
            cost_micro_usd=int(dice.lognormvariate(5, 3)),
            input_tokens=int(dice.lognormvariate(5, 3)),
            item=dice.choice([None, "q1"]),
            segments=MappingProxyType({"tier": dice.choice("ab")}),
            metrics=MappingProxyType({"score": dice.gauss(0, 1000)}),
        )
        for i in range(800)
    ]
    bulk, rebuilt = stored([rows], bulk_rows_min=64)
    dice.shuffle(rows)
    by_hand, _ = stored([rows[i : i + 50] for i in range(0, 800, 50)], bulk_rows_min=64)
    assert bulk == rebuilt
    assert by_hand == bulk


def test_a_key_with_too_many_values_stops_being_rolled_up_in_any_order() -> None:
    """201 values drop the key, its combinations, errors, metrics; 200 are kept."""
    rows = [
        Observation(
            dependency="model",
            ts_ms=START_MS + i,
            error=f"e{i % 201}",
            segments=MappingProxyType({"user": f"u{i % 201}", "tier": "x", "page": f"p{i % 200}"}),
            metrics=MappingProxyType({f"m{i % 201}": 1.0}),
        )
        for i in range(300)
    ]
    forwards, rebuilt = stored([rows[i : i + 7] for i in range(0, 300, 7)], bulk_rows_min=3)
    backwards, _ = stored([rows[::-1]], bulk_rows_min=3)
    seen = {row[3] for row in forwards["rollup"]}
    assert "tier=x" in seen
    assert sum(str(name).startswith("page=") for name in seen) == 200
    assert not any("user=" in str(name) for name in seen)
    assert forwards["category"] == []
    assert not any(str(row[4]).startswith("metrics.") for row in forwards["histogram"])
    assert forwards == rebuilt == backwards
