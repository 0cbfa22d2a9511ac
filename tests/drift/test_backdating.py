"""What is dated far back: history is mature at once, and a closed baseline stays closed."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, calls, open_world
from gonogo.answers import rfc3339
from gonogo.ingest.batches import Reading
from gonogo.ingest.mapping_options import parse_mapping
from gonogo.records import DAY_MS, HOUR_MS

pytestmark = pytest.mark.anyio


def dated(n: int, first_ms: int, *, step_ms: int, wrong: float, seed: int = 3) -> list[object]:
    """Observations as an agent sends them, with their outcome and without `outcome_ts`."""
    bad = np.random.default_rng(seed).random(n) < wrong
    return [
        {"dependency": "m", "ts": rfc3339(first_ms + at * step_ms), "outcome": int(not bad[at])}
        for at in range(n)
    ]


async def send(world: World, observations: list[object]) -> list[str]:
    """Record through the tool, a thousand at a time; what the answers noted."""
    notes: list[str] = []
    for at in range(0, len(observations), 1000):
        batch = [dict(one) for one in observations[at : at + 1000] if isinstance(one, dict)]
        answer = await world.app.record_observations(batch)
        assert answer.accepted == len(batch)
        notes += answer.notes or []
    return notes


async def fallen(world: World) -> None:
    """Two good weeks, then a fall."""
    await world.record(calls("m", 14, 0.05))
    await world.record(calls("m", 5, 0.4, first_day=14, seed=2))


OLD = {
    "weeks before": (210, START_MS - 30 * DAY_MS, HOUR_MS),
    "in 2001": (300, round(datetime(2001, 5, 1, tzinfo=UTC).timestamp() * 1000), HOUR_MS),
    "the days before": (380, START_MS - 4 * DAY_MS, 900_000),
    "since": (210, START_MS + 5 * DAY_MS, 600_000),
}


@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("when", list(OLD))
async def test_old_labels_do_not_blind_a_verdict(
    tmp_path: Path, when: str, *, asked_before: bool
) -> None:
    """A no_go with its baseline stays, whatever an agent dates back; it is said and logged."""
    n, first_ms, step_ms = OLD[when]
    async with open_world(tmp_path) as world:
        await fallen(world)
        before = await world.app.check_model_drift("m") if asked_before else None
        notes = await send(world, dated(n, first_ms, step_ms=step_ms, wrong=0.05))
        after = await world.app.check_model_drift("m")
        log = await (await world.app.stores()).decisions.actions()
    assert (after.verdict, after.status) == ("no_go", "degraded")
    assert after.baseline is not None
    assert after.baseline.source == "learned"
    assert after.baseline.start == rfc3339(START_MS)
    if before is not None and when != "since":
        assert after.baseline == before.baseline
        assert after.evidence == before.evidence
    assert any("more than a day back" in note for note in notes)
    held = [one for one in log if one.kind == "baseline"]
    if when != "since":
        assert any("gonogo baseline m --accept --from" in note for note in notes)
        assert "stays where it was closed" in held[0].summary
        assert len(held) == 1
    else:
        assert not held


async def test_a_person_can_take_the_older_labels_for_the_baseline(tmp_path: Path) -> None:
    """What holds a baseline is undone by accepting one: the newest entry holds."""
    async with open_world(tmp_path) as world:
        await fallen(world)
        old_ms = START_MS - 10 * DAY_MS
        await send(world, dated(900, old_ms, step_ms=600_000, wrong=0.4))
        assert (await world.app.check_model_drift("m")).verdict == "no_go"
        world.now_ms += 1000
        await world.app.accept_baseline("m", start=rfc3339(old_ms)[:10])
        accepted = await world.app.check_model_drift("m")
    assert accepted.baseline is not None
    assert accepted.baseline.start is not None
    assert accepted.baseline.start[:10] == rfc3339(old_ms)[:10]


async def test_history_sent_by_the_tool_is_mature_at_once(tmp_path: Path) -> None:
    """Forty days brought in through the tool today: judged today, as from a file."""
    async with open_world(tmp_path) as world:
        end_ms = START_MS + 40 * DAY_MS
        world.now_ms = end_ms
        n = 4000
        notes = await send(world, dated(n, START_MS, step_ms=40 * DAY_MS // n, wrong=0.06))
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("go", "stable")
    assert report.immature is None
    # Of each batch: what is history, and how a late outcome is told.
    assert all("as history" in note for note in notes[::2])
    assert all("outcome_ts" in note for note in notes[1::2])
    assert len(notes) == 2 * 4


async def test_an_audit_of_old_calls_does_not_make_others_wait(tmp_path: Path) -> None:
    """A twelfth of the calls get their outcome six weeks later: the others are judged as before."""
    async with open_world(tmp_path) as world:
        silent = calls("m", 10, 0.06, a_day=20)
        await world.record(calls("m", 19, 0.05))
        before = await world.app.check_model_drift("m")
        observed = [
            {"dependency": "m", "id": f"c{at}", "ts": rfc3339(call.ts_ms)}
            for at, call in enumerate(silent)
        ]
        await send(world, list(observed))
        world.now_ms += 42 * DAY_MS
        await world.record(calls("m", 19, 0.05, first_day=42, seed=4))
        filled = [{"dependency": "m", "id": f"c{at}", "outcome": 1} for at in range(len(silent))]
        answer = await world.app.record_observations(filled)
        after = await world.app.check_model_drift("m")
    assert answer.updated == len(silent)
    assert before.verdict == after.verdict == "go"
    assert after.immature is None


async def test_files_may_come_in_any_order_until_a_verdict_is_told(tmp_path: Path) -> None:
    """May after June: the baseline is May's, unless an answer already rests on June's."""
    starts = []
    for told in (False, True):
        async with open_world(tmp_path / str(told)) as world:
            world.now_ms = START_MS + 40 * DAY_MS
            for first in (14, 0):
                path = tmp_path / f"{told}-{first}.jsonl"
                lines = [
                    f'{{"dependency":"m","ts":{call.ts_ms / 1000},"outcome":{call.outcome}}}'
                    for call in calls("m", 14, 0.06, first_day=first, seed=first + 1)
                ]
                path.write_text("\n".join(lines))
                loaded = await world.app.ingest(
                    [str(path)],
                    parse_mapping([], [], ignore_unknown=False),
                    reading=Reading(),
                    stdin=BytesIO(),
                    progress=lambda _: None,
                )
                assert loaded.accepted == len(lines)
                if told:
                    await world.app.check_model_drift("m")
            assert bool(loaded.notes) is told
            report = await world.app.check_model_drift("m", until="2026-03-29")
            assert report.baseline is not None
            starts.append(report.baseline.start)
    assert starts == [rfc3339(START_MS), rfc3339(START_MS + 14 * DAY_MS)]


def golden_run(day: int, wrong: int) -> list[object]:
    """A run of 40 golden items at noon of a day, so many of them wrong."""
    ts = rfc3339(START_MS + day * DAY_MS + 12 * HOUR_MS)
    return [
        {"dependency": "m", "ts": ts, "item": f"q{at}", "outcome": int(at >= wrong)}
        for at in range(40)
    ]


@pytest.mark.parametrize("runs", [2, 12])
@pytest.mark.parametrize("before", [3, 700])
async def test_old_golden_runs_do_not_become_the_reference(
    tmp_path: Path, runs: int, before: int
) -> None:
    """A golden set that broke stays no_go when runs as bad are dated back; a person may take them."""
    async with open_world(tmp_path) as world:
        for day in range(runs):
            world.now_ms = START_MS + (day + 1) * DAY_MS
            await send(world, golden_run(day, 30 if day == runs - 1 else 0))
        told = await world.app.check_model_drift("m")
        notes = await send(world, [one for k in range(8) for one in golden_run(k - before - 8, 30)])
        after = await world.app.check_model_drift("m")
        world.now_ms += 1000
        await world.app.accept_baseline("m", start=rfc3339(START_MS - 800 * DAY_MS)[:10])
        accepted = await world.app.check_model_drift("m")
    assert (told.verdict, after.verdict) == ("no_go", "no_go")
    assert (after.baseline, after.evidence, after.golden) == (
        told.baseline,
        told.evidence,
        told.golden,
    )
    assert any("golden runs from before the first of its baseline" in note for note in notes)
    assert accepted.verdict != "no_go"


async def test_a_new_normal_begins_a_golden_set_anew(tmp_path: Path) -> None:
    """What a person accepts is the golden set's reference from that day on."""
    async with open_world(tmp_path) as world:
        for day in range(27):
            world.now_ms = START_MS + (day + 1) * DAY_MS
            await send(world, golden_run(day, 20 if day >= 12 else 0))
        told = await world.app.check_model_drift("m")
        world.now_ms += 1000
        await world.app.accept_baseline("m", start=rfc3339(START_MS + 12 * DAY_MS)[:10])
        accepted = await world.app.check_model_drift("m")
    assert told.verdict == "no_go"
    assert (accepted.verdict, accepted.status) == ("go", "stable")
    assert accepted.baseline is not None
    assert accepted.baseline.mean == 0.5
