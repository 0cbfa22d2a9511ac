"""The contract of `ports.telemetry.Telemetry`, for every store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from gonogo.detectors.bins import layout_named
from gonogo.errors import ParameterError, StoreError
from gonogo.ports.telemetry import Telemetry
from gonogo.records import DAY_MS, HOUR_MS, BatchReport, Observation, Rejection
from gonogo.settings import DependencySettings, Settings
from gonogo.store.observations import dependencies as recording
from telemetry_worlds import NOW_MS, START_MS, OpenTelemetry

if TYPE_CHECKING:
    from gonogo.store.reads.telemetry_store import StoredTelemetry

pytestmark = pytest.mark.anyio

HOUR = START_MS // HOUR_MS
CALL = Observation(dependency="gpt", ts_ms=START_MS, id="1", version="v1", latency_ms=80.0)


async def test_an_id_is_stored_once_and_only_an_empty_outcome_is_filled(
    telemetry: Telemetry,
) -> None:
    """Again changes nothing; a late outcome fills, without moving the call; another one does not, and is counted."""
    assert await telemetry.record([CALL, replace(CALL, ts_ms=START_MS + 9)], NOW_MS) == BatchReport(
        1, 1
    )
    assert await telemetry.record([replace(CALL, latency_ms=1.0)], NOW_MS) == BatchReport(0, 1)
    late = replace(CALL, ts_ms=START_MS + DAY_MS, outcome=0.0)
    assert await telemetry.record([late], START_MS + 7_200_000) == BatchReport(0, 0, 1)
    assert await telemetry.record([replace(CALL, outcome=1.0)], NOW_MS) == BatchReport(
        0, 1, contradicted=1
    )
    counts = await telemetry.hours("gpt")
    assert (counts.hour.tolist(), counts.n.tolist()) == ([HOUR], [1])
    assert (counts.labels.tolist(), counts.good.tolist()) == ([1], [0])
    lag = await telemetry.histograms("gpt", "outcome_lag_s")
    assert lag.sum.tolist() == [7_200_000_000]


async def test_an_outcome_that_fills_in_came_on_arrival_where_its_file_dates_it_with_its_call(
    telemetry: Telemetry,
) -> None:
    """Else a second file would make young hours look mature; a time that is stated stands."""
    stated = replace(CALL, id="2")
    await telemetry.record([CALL, stated], NOW_MS)
    second_file = [
        replace(CALL, outcome=1.0, outcome_ts_ms=START_MS, outcome_ts_assumed=True),
        replace(stated, outcome=1.0, outcome_ts_ms=START_MS),
    ]
    assert await telemetry.record(second_file, START_MS + HOUR_MS) == BatchReport(0, 0, 2)
    lag = await telemetry.histograms("gpt", "outcome_lag_s")
    assert lag.sum.tolist() == [HOUR_MS * 1000]


async def test_one_dependency_too_many_is_refused_and_the_others_are_kept(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes ids into names fills no store with them; what is known goes on."""
    monkeypatch.setattr(recording, "DEPENDENCIES_MAX", 3)
    names = ["a", "b", "c", "d", "a", "e"]
    calls = [Observation(name, NOW_MS - i) for i, name in enumerate(names)]
    stored = await telemetry.record(calls, NOW_MS)
    assert stored.accepted == 4
    assert [(refused.position, refused.field) for refused in stored.rejected] == [
        (3, "dependency"),
        (5, "dependency"),
    ]
    assert stored.rejected[0].problem.startswith("is new, and 3 are known already")
    again = await telemetry.record([Observation("f", NOW_MS), Observation("b", NOW_MS)], NOW_MS)
    assert (again.accepted, len(again.rejected)) == (1, 1)
    assert [known.name for known in await telemetry.dependencies()] == ["a", "b", "c"]


async def test_the_same_id_of_another_dependency_is_another_call(telemetry: Telemetry) -> None:
    """Ids are a dependency's own; calls without an id are always new."""
    anonymous = replace(CALL, id=None)
    batch = [CALL, replace(CALL, dependency="other"), anonymous, anonymous]
    assert await telemetry.record(batch, NOW_MS) == BatchReport(4)
    assert await telemetry.record([anonymous], NOW_MS) == BatchReport(1)


async def test_a_call_is_found_by_its_id_alone(telemetry: Telemetry) -> None:
    """Whose it is; an id that nobody has is left out, and many are asked for at once."""
    calls = [replace(CALL, dependency=name, id=id_) for name, id_ in (("gpt", "1"), ("s", "2"))]
    await telemetry.record(calls, NOW_MS)
    asked = ["1", "2", *(f"nobody's-{i}" for i in range(600)), "1"]
    found = await cast("StoredTelemetry", telemetry).dependencies_of(asked)
    assert found == {"1": "gpt", "2": "s"}


async def test_hours_count_the_joint_events(open_telemetry: OpenTelemetry) -> None:
    """Oracle: counted by hand for an SLO of 100 ms and a quality bar of 0.8."""
    known = {"gpt": DependencySettings("gpt", latency_slo_ms=100, quality_bar=0.8)}
    telemetry = await open_telemetry(Settings(store="", dependencies=MappingProxyType(known)))
    call = Observation(dependency="gpt", ts_ms=START_MS)
    await telemetry.record(
        [
            replace(call, latency_ms=100.0, outcome=0.8),
            replace(call, latency_ms=100.001, outcome=1.0),
            replace(call, error="timeout"),
            replace(call, error="refusal", outcome=0.0, latency_ms=3.0),
            replace(call, outcome=0.79),
            replace(call, ts_ms=START_MS + HOUR_MS, version="v2"),
        ],
        NOW_MS,
    )
    counts = await telemetry.hours("gpt")
    assert counts.versions == (None, "v2")
    table = {
        name: getattr(counts, name).tolist()
        for name in counts.__dataclass_fields__
        if name != "versions"
    }
    assert table == {
        "hour": [HOUR, HOUR + 1],
        "version": [0, 1],
        "n": [5, 1],
        "errors": [2, 0],
        "timed": [3, 0],
        "slo_met": [2, 0],
        "labels": [4, 0],
        "outcome_sum": [2_590_000, 0],
        "good": [2, 0],
        "ok": [2, 1],
        "ok_labels": [2, 0],
        "ok_good": [1, 0],
    }
    assert counts.n.dtype == np.int64


async def test_slices_golden_and_hours_are_told_apart(telemetry: Telemetry) -> None:
    """Golden calls only with `golden`; a segment is a slice; hours are half-open."""
    await telemetry.record(
        [
            replace(CALL, id=str(i), ts_ms=START_MS + i * HOUR_MS, segments=segments, item=item)
            for i, (segments, item) in enumerate(
                [
                    ({"tier": "new"}, None),
                    ({"tier": "old"}, None),
                    ({"tier": "new", "area": "x,y=z"}, "q"),
                ]
            )
        ],
        NOW_MS,
    )
    assert await telemetry.segments("gpt") == ["area=x,y=z", "tier=new", "tier=old"]
    for arguments, hours in (
        ({}, [HOUR, HOUR + 1]),
        ({"golden": True}, [HOUR + 2]),
        ({"segment": "tier=new"}, [HOUR]),
        ({"segment": "area=x,y=z", "golden": True}, [HOUR + 2]),
        ({"segment": "tier=none"}, []),
        ({"start_hour": HOUR + 1}, [HOUR + 1]),
        ({"end_hour": HOUR + 1}, [HOUR]),
    ):
        counts = await telemetry.hours("gpt", **arguments)
        assert counts.hour.tolist() == hours, arguments


async def test_configured_pairs_of_segments_are_slices(open_telemetry: OpenTelemetry) -> None:
    """A combined slice is written with its keys sorted, and none appears unasked."""
    pairs = Settings(store="", rolled_up_segment_pairs=(("tier", "area"),))
    telemetry = await open_telemetry(pairs)
    await telemetry.record([replace(CALL, segments={"tier": "new", "area": "x"})], NOW_MS)
    assert await telemetry.segments("gpt") == ["area=x", "area=x,tier=new", "tier=new"]
    counts = await telemetry.hours("gpt", segment="area=x,tier=new")
    assert counts.n.tolist() == [1]


async def test_histograms_hold_every_value_in_its_bin(telemetry: Telemetry) -> None:
    """Oracle: each value lies between the edges of a bin; sums are exact; days add up hours."""
    values = [0.0, 0.001, 12.5, 80.0, 80.0, 2e6]
    await telemetry.record(
        [
            replace(CALL, id=str(i), latency_ms=value, ts_ms=START_MS + i * HOUR_MS // 2)
            for i, value in enumerate(values)
        ],
        NOW_MS,
    )
    hourly = await telemetry.histograms("gpt", "latency_ms")
    layout = layout_named(hourly.layout)
    seen = np.repeat(hourly.bins, hourly.counts)
    assert (layout.lower(seen) <= np.array(values)).all()
    assert (np.array(values) <= layout.upper(seen)).all()
    assert hourly.n.tolist() == [2, 2, 2]
    assert hourly.row.tolist() == [0, 0, 1, 1, 2, 2]
    assert hourly.sum.tolist() == [1000, 92_500_000, 2_000_080_000_000]
    daily = await telemetry.histograms("gpt", "latency_ms", daily=True)
    assert daily.bucket.tolist() == [START_MS // DAY_MS]
    assert daily.sum.sum() == hourly.sum.sum()
    assert daily.counts.tolist() == [1, 1, 1, 2, 1]
    assert not len((await telemetry.histograms("gpt", "cost_usd")).bucket)
    with pytest.raises(ParameterError, match="No histogram"):
        await telemetry.histograms("gpt", "nonsense")


async def test_golden_answers_count_an_error_as_wrong(telemetry: Telemetry) -> None:
    """By item, version and day; without outcome and error there is no answer yet."""
    golden = replace(CALL, id=None, item="q1", outcome=1.0)
    await telemetry.record(
        [
            golden,
            replace(golden, outcome=0.5),
            replace(golden, outcome=None, error="timeout"),
            replace(golden, outcome=None, item="q2"),
            replace(golden, version="v2", item="q2"),
        ],
        NOW_MS,
    )
    answers = await telemetry.golden_answers("gpt")
    found = [
        (answers.items[item], answers.versions[version], int(n), int(total))
        for item, version, n, total in zip(
            answers.item, answers.version, answers.n, answers.outcome_sum, strict=True
        )
    ]
    assert sorted(found, key=str) == [("q1", "v1", 3, 1_500_000), ("q2", "v2", 1, 1_000_000)]


async def test_the_newest_costs_come_oldest_first(telemetry: Telemetry) -> None:
    """Calls with a cost or tokens; -1 where one of them is missing."""
    call = replace(CALL, id=None)
    await telemetry.record(
        [
            replace(call, cost_micro_usd=7, ts_ms=START_MS + 3),
            replace(call, input_tokens=5, version=None),
            replace(call, cost_micro_usd=1, ts_ms=START_MS - 1),
            call,
        ],
        NOW_MS,
    )
    costs = await telemetry.newest_costs("gpt", limit=2)
    assert costs.ts_ms.tolist() == [START_MS, START_MS + 3]
    assert costs.cost_micro_usd.tolist() == [-1, 7]
    assert costs.input_tokens.tolist() == [5, -1]
    assert [costs.versions[v] for v in costs.version] == [None, "v1"]


async def test_dependencies_are_listed_by_name_in_pages(telemetry: Telemetry) -> None:
    """By part of the name in any case, after a name; with versions, metrics and counts."""
    names = ["alpha", "Beta", "gamma-ß", "delta"]
    await telemetry.record(
        [replace(CALL, dependency=name, kind="tool", provider="acme") for name in names], NOW_MS
    )
    listed = await telemetry.dependencies(limit=2)
    assert [d.name for d in listed] == ["Beta", "alpha"]
    rest = await telemetry.dependencies(after=listed[-1].name)
    assert [d.name for d in rest] == ["delta", "gamma-ß"]
    assert [d.name for d in await telemetry.dependencies(query="SS")] == ["gamma-ß"]
    await telemetry.record([replace(CALL, dependency="alpha", id="2", ts_ms=START_MS + 5)], NOW_MS)
    alpha = await telemetry.dependency("alpha")
    assert alpha is not None
    assert (alpha.kind, alpha.provider, alpha.n) == ("tool", "acme", 2)
    assert (alpha.first_ts_ms, alpha.newest_ts_ms) == (START_MS, START_MS + 5)
    assert alpha.metrics == ("latency_ms",)
    assert [(v.version, v.n) for v in alpha.versions] == [("v1", 2)]
    assert await telemetry.dependency("nobody") is None


async def test_rev_changes_with_the_evidence_and_only_then(telemetry: Telemetry) -> None:
    """A new call and a filled-in outcome change it; a duplicate does not."""

    async def rev() -> int:
        known = await telemetry.dependency("gpt")
        assert known is not None
        return known.rev

    await telemetry.record([CALL], NOW_MS)
    revs = [await rev()]
    for again in (CALL, replace(CALL, outcome=1.0), replace(CALL, id="2")):
        await telemetry.record([again], NOW_MS)
        revs.append(await rev())
    assert revs[0] == revs[1] < revs[2] < revs[3]


async def test_unknown_dependencies_read_as_empty(telemetry: Telemetry) -> None:
    """No error from the store: the services say what is not known."""
    assert not len((await telemetry.hours("nobody")).hour)
    assert not len((await telemetry.histograms("nobody", "outcome")).bucket)
    assert await telemetry.segments("nobody") == []
    assert not len((await telemetry.golden_answers("nobody")).item)
    assert not len((await telemetry.newest_costs("nobody")).ts_ms)
    assert await telemetry.cached_state("nobody", "k") is None


async def test_an_embedding_of_another_length_is_refused_alone(telemetry: Telemetry) -> None:
    """The dependency's first embedding says how long they are; the rest of the batch is kept."""
    stored = await telemetry.record(
        [
            replace(CALL, id="a", embedding=(1.0, 2.0)),
            replace(CALL, id="b", embedding=(1.0, 2.0, 3.0)),
            replace(CALL, id="c"),
        ],
        NOW_MS,
    )
    problem = "has 3 numbers; gpt's first had 2"
    assert stored == BatchReport(2, rejected=(Rejection(1, "embedding", problem, "gpt"),))


async def test_a_changed_rule_remakes_what_was_rolled_up_by_the_old(
    open_telemetry: OpenTelemetry,
) -> None:
    """Seen at the first read; a second process with the old rule goes on with the new one."""
    old = await open_telemetry()
    await old.record([replace(CALL, outcome=0.6)], NOW_MS)
    assert (await old.hours("gpt")).ok_good.tolist() == [1]
    strict = {"gpt": DependencySettings("gpt", quality_bar=0.7)}
    new = await open_telemetry(Settings(store="", dependencies=MappingProxyType(strict)))
    assert (await new.hours("gpt")).ok_good.tolist() == [0]
    await old.record([replace(CALL, id="2", outcome=0.6)], NOW_MS)
    assert (await new.hours("gpt")).ok_good.tolist() == [0]
    assert (await old.hours("gpt")).labels.tolist() == [2]


async def test_cached_states_fall_with_the_hours_before_them(telemetry: Telemetry) -> None:
    """A change drops the states that saw its hour; one overtaken meanwhile is not kept."""
    call = replace(CALL, ts_ms=START_MS + 5 * HOUR_MS)
    await telemetry.record([call], NOW_MS)
    known = await telemetry.dependency("gpt")
    assert known is not None
    midnight, after = HOUR, HOUR + 6
    for key, hour in (("day", midnight), ("open", after)):
        await telemetry.cache_state("gpt", key, hour, b"state", rev=known.rev)
    await telemetry.record([replace(call, id="2")], NOW_MS)
    assert await telemetry.cached_state("gpt", "day") == (midnight, b"state")
    assert await telemetry.cached_state("gpt", "open") is None
    await telemetry.cache_state("gpt", "day", midnight, b"newer", rev=known.rev)
    await telemetry.cache_state("gpt", "open", after, b"overtaken", rev=known.rev)
    await telemetry.record([replace(call, id="3", ts_ms=START_MS + 2 * DAY_MS)], NOW_MS)
    assert await telemetry.cached_state("gpt", "day") == (midnight, b"newer")
    assert await telemetry.cached_state("gpt", "open") is None
    await telemetry.record([replace(call, id="4", ts_ms=START_MS - 1)], NOW_MS)
    assert await telemetry.cached_state("gpt", "day") is None
    await telemetry.cache_state("gpt", "day", midnight, b"overtaken", rev=known.rev)
    await telemetry.record([call], NOW_MS)
    assert await telemetry.cached_state("gpt", "day") is None


async def test_a_store_open_for_reading_answers_and_records_nothing(
    open_telemetry: OpenTelemetry,
) -> None:
    """Reads work beside a writer; recording is refused with words."""
    writer = await open_telemetry()
    await writer.record([CALL], NOW_MS)
    reader = await open_telemetry(read_only=True)
    assert (await reader.hours("gpt")).n.tolist() == [1]
    with pytest.raises(StoreError, match="reading only"):
        await reader.record([CALL], NOW_MS)


async def test_concurrent_batches_of_two_writers_are_all_counted(
    open_telemetry: OpenTelemetry,
) -> None:
    """Two connections, 40 batches at once, half of them the same ids."""
    writers = [await open_telemetry(), await open_telemetry()]
    results = await asyncio.gather(
        *(
            writers[i % 2].record([replace(CALL, id=str(i // 2), outcome=1.0)], NOW_MS)
            for i in range(40)
        )
    )
    assert sum(stored.accepted for stored in results) == 20
    assert sum(stored.duplicates for stored in results) == 20
    assert (await writers[0].hours("gpt")).outcome_sum.tolist() == [20_000_000]
