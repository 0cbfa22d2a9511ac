"""One history makes one store, in any order and split; what is taken back was never there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from gonogo.ingest.observation import parse_observation
from gonogo.records import DAY_MS, HOUR_MS, Decision, Observation
from gonogo.store.engine import Connection
from gonogo.store.observations.forget import ForgottenRows, Selection
from gonogo.store.repair import compare
from telemetry_worlds import OpenTelemetry

if TYPE_CHECKING:
    from gonogo.store.reads.telemetry_store import StoredTelemetry

NOW_MS = 1_780_000_000_000
METRICS = ("latency_ms", "cost_usd", "input_tokens", "outcome", "outcome_lag_s", "metrics.len")

# What is kept of answers and outputs, by the name of the version.
SAMPLES = {
    "answers": "SELECT text, input_hash, output_hash, n FROM answer JOIN name ON version_id = id"
    " ORDER BY 1, 2, 3",
    "answers by day": "SELECT text, day, input_hash, output_hash, n FROM answer_day"
    " JOIN name ON version_id = id ORDER BY 1, 2, 3, 4",
    "outputs": "SELECT text, day, hash FROM output_sample JOIN name ON version_id = id"
    " ORDER BY 1, 2, 3",
}


def parsed(fields: dict[str, object], *, run: str | None = None) -> Observation:
    """One record, as a file brings it."""
    found = parse_observation({"dependency": "m", **fields}, now_ms=NOW_MS, from_file=True, run=run)
    assert isinstance(found, Observation), found
    return found


def parts(n: int, *, run: str | None = None, start: int = 0) -> list[Observation]:
    """Calls told in up to four parts, by their ids: who, when, what it cost, how good it was."""
    told = []
    for i in range(start, start + n):
        ts = (NOW_MS - 3 * DAY_MS + i * HOUR_MS // 3) / 1000
        answer = {"input_hash": f"{i % 9}", "output_hash": f"{i % 4}", "output": f"text {i % 4}"}
        told += [
            parsed({"id": f"c{i}", "ts": ts, "latency_ms": 100 + i} | answer, run=run),
            parsed({"id": f"c{i}", "cost_usd": 0.01 * (i % 5), "input_tokens": i}, run=run),
            parsed({"id": f"c{i}", "version": f"v{i % 2}", "weight": (None, 1, 4)[i % 3]}, run=run),
        ]
        if i % 3:
            score: dict[str, object] = {
                "id": f"c{i}",
                "outcome": float(i % 4 > 0),
                "metrics": {"len": i},
            }
            told.append(parsed(score, run=run))
        if i % 4 == 1:
            tiers: dict[str, object] = {
                "id": f"c{i}",
                "segments": {"tier": "new"},
                "error": "timeout",
            }
            told.append(parsed(tiers, run=run))
    return told


def _rows(connection: Connection, *, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


async def picture(telemetry: StoredTelemetry) -> dict[str, Any]:
    """All that answers are made of."""
    known = await telemetry.dependency("m")
    if known is None:
        return {}
    found: dict[str, Any] = {"known": (known.n, known.first_ts_ms, known.newest_ts_ms)}
    found["versions"] = known.versions
    for segment in (None, *await telemetry.segments("m")):
        hours = await telemetry.hours("m", segment=segment)
        columns = (hours.hour, hours.n, hours.errors, hours.labels, hours.outcome_sum, hours.good)
        rows = zip(*(c.tolist() for c in columns), strict=True)
        named = [hours.versions[v] for v in hours.version]
        found[f"hours {segment}"] = sorted(zip(rows, map(str, named), strict=True))
        for metric in METRICS:
            for daily in (False, True):
                one = await telemetry.histograms("m", metric, segment=segment, daily=daily)
                sums = list(zip(one.bucket.tolist(), one.n.tolist(), one.sum.tolist(), strict=True))
                bins = sorted(zip(one.bins.tolist(), one.counts.tolist(), strict=True))
                found[f"{metric} {segment} {daily}"] = sorted(row for row in sums if row[1]), bins
    for name, query in SAMPLES.items():
        found[name] = await telemetry._database.read(partial(_rows, query=query))
    costs = await telemetry.newest_costs("m")
    found["costs"] = costs.cost_micro_usd.tolist(), costs.input_tokens.tolist()
    return found


async def record(telemetry: StoredTelemetry, told: Sequence[Observation], size: int) -> None:
    """Record in batches of a size."""
    for start in range(0, len(told), size):
        assert not (await telemetry.record(told[start : start + size], NOW_MS)).rejected


def entry(_: ForgottenRows) -> Decision:
    """The log entry of taking back."""
    return Decision(
        id=f"d{random.getrandbits(60):x}",
        ts_ms=NOW_MS,
        kind="forget",
        verdict=None,
        summary="forgot",
        inputs="{}",
        answer="{}",
        action=True,
        dependency="m",
        last_ts_ms=NOW_MS,
    )


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_split_makes_the_same_store(
    open_telemetry: OpenTelemetry, seed: int
) -> None:
    """Scores before calls, a cost before its time: the oracle is the history told in one piece."""
    told = parts(40)
    shuffled = [*told, *told[:20]]
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret
    size = (1, 7, 1000)[seed % 3]
    telemetry = cast("StoredTelemetry", await open_telemetry())
    await record(telemetry, shuffled, size)
    found = await picture(telemetry)
    # Every record again changes nothing.
    stored = await telemetry.record(told, NOW_MS)
    assert (stored.accepted, stored.updated, stored.duplicates) == (0, 0, len(told))
    assert await picture(telemetry) == found
    await telemetry.rebuild("m")
    assert await picture(telemetry) == found
    await telemetry.forget("m", Selection(), now_ms=NOW_MS, entry=entry)
    assert await picture(telemetry) == {}
    await record(telemetry, told, 1000)
    whole = await picture(telemetry)
    assert whole == found
    assert whole["known"][0] == 40


@pytest.mark.anyio
@pytest.mark.parametrize(
    "selection",
    [
        Selection(run="bad"),
        Selection(start_ms=NOW_MS - 3 * DAY_MS + 30 * HOUR_MS // 3),
        Selection(writer="nobody", run="bad"),
    ],
)
async def test_what_is_taken_back_was_never_there(
    open_telemetry: OpenTelemetry, selection: Selection
) -> None:
    """Rows, rollups and slices equal those of a store that only ever had the rest.

    But for outputs, which are not stored: no other could take a place in their sample.
    """
    telemetry = cast("StoredTelemetry", await open_telemetry())
    await record(telemetry, parts(30), 1000)
    before = {**await picture(telemetry), "outputs": []}
    await record(telemetry, parts(30, run="bad", start=30), 16)
    done = await telemetry.forget("m", selection, now_ms=NOW_MS, entry=entry)
    if selection.writer is not None:
        assert done is None
        return
    assert done is not None
    assert (done[0].rows, done[0].remaining) == (30, 30)
    assert {**await picture(telemetry), "outputs": []} == before
    # Another process, whose memory of ids is older, goes on.
    await record(telemetry, parts(30, start=30), 7)
    other = cast("StoredTelemetry", await open_telemetry())
    grown = await picture(other)
    await other.rebuild("m")
    assert await picture(other) == grown
    assert grown["known"][0] == 60


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(4))
async def test_versions_and_times_that_come_late_leave_no_figure_behind(
    open_telemetry: OpenTelemetry, seed: int
) -> None:
    """After every batch counts, times and answers are those of the rows, with more answers than are kept."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    first_s, told = (NOW_MS - 2 * DAY_MS) / 1000, []
    for i in range(400):
        at = first_s + dice.randrange(40) * 3601
        parts_of_it: list[dict[str, object]] = [
            {"input_hash": f"{dice.randrange(120)}", "output_hash": f"{dice.randrange(300)}"},
            {"ts": at, "latency_ms": 5},
            {"version": f"v{dice.randrange(3)}"} if dice.randrange(5) else {"outcome": 1},
        ]
        told += [(i + dice.randrange(60), {"id": f"c{i}"} | part) for part in parts_of_it]
    told.sort(key=lambda one: one[0])
    telemetry = cast("StoredTelemetry", await open_telemetry())
    for start in range(0, len(told), 53):
        batch = [parsed(part) for _, part in told[start : start + 53]]
        await telemetry.record(batch, NOW_MS)
        found = await compare(telemetry._database, has_time=lambda: True, now_ms=NOW_MS)
        assert [figure for figure in found.figures if figure.amiss] == []


# What is added up by day: calls and errors; micro-dollars; calls and tokens.
SUMS = (
    "SELECT sum(n), sum(errors) FROM rollup WHERE daily = 1",
    "SELECT sum(micro_usd) FROM spend WHERE daily = 1",
    "SELECT sum(calls), sum(tokens) FROM used WHERE daily = 1",
)


@pytest.mark.anyio
async def test_calls_that_stand_for_others_count_as_they_were(
    open_telemetry: OpenTelemetry,
) -> None:
    """Every failure is kept, of good calls one in ten: money is that of all, rates are of one in ten of each.

    The oracle: 300 failures beside 3,000 good calls, of which 1 in 10 are 30 and 300.
    """
    calls: list[dict[str, object]] = [
        {"id": f"c{i}", "ts": (NOW_MS - 3 * DAY_MS + i * 300_000) / 1000, "cost_usd": 0.01}
        | {"input_tokens": 10, "error": "timeout" if i % 2 else None}
        for i in range(600)
    ]
    weights = [{"id": f"c{i}", "weight": 10} for i in range(0, 600, 2)]
    later = [parsed(fields) for fields in (*calls, *weights)]
    whole = [parsed(call | (weights[i // 2] if not i % 2 else {})) for i, call in enumerate(calls)]
    telemetry = cast("StoredTelemetry", await open_telemetry())
    seen = []
    for told in (whole, later):
        await record(telemetry, told, 250)
        read = telemetry._database.read
        sums = [tuple((await read(partial(_rows, query=query)))[0]) for query in SUMS]
        compared = await compare(telemetry._database, has_time=lambda: True, now_ms=NOW_MS)
        amiss = [problem for figure in compared.figures for problem in figure.amiss]
        seen.append((sums, amiss, await picture(telemetry)))
        await telemetry.forget("m", Selection(), now_ms=NOW_MS, entry=entry)
    assert seen[0] == seen[1]
    ((n, errors), spent, used), amiss, _ = seen[0]
    assert amiss == []
    assert (spent, used) == ((33_000_000,), (3300, 33_000))
    assert n - errors == 300
    assert 15 <= errors <= 45
