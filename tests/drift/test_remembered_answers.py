"""A drift report that is remembered says what one made anew would say, at every moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drift_world import World, calls, open_world
from gonogo.answers import DriftReport
from gonogo.answers.brief import briefly
from gonogo.app import Gonogo
from gonogo.drift.drift_check import check_drift
from gonogo.drift.finding import DriftQuestion
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.settings import DependencySettings

pytestmark = pytest.mark.anyio


async def asked_anew(world: World) -> DriftReport:
    """The answer where nothing is remembered."""
    stores, question = await world.app.stores(), DriftQuestion(dependency="m")
    report = await check_drift(
        stores.telemetry, stores.decisions, world.app.settings, question, now_ms=world.now_ms
    )
    return briefly(report)


def said(report: DriftReport) -> dict[str, object]:
    """All of a report but the log entry's id."""
    return report.model_dump(exclude={"decision_id"})


async def test_time_alone_turns_an_answer_when_it_is_due(tmp_path: Path) -> None:
    """Hours ripen in the middle of an hour, and data grow stale: asked every eleven minutes."""
    own = DependencySettings("m", stale_after_s=5 * 3600)
    async with open_world(tmp_path, m=own) as world:
        late = [
            replace(o, outcome_ts_ms=o.ts_ms + 5 * HOUR_MS // 2)
            for o in calls("m", 15, 0.06, a_day=48)
        ]
        await world.record(late)
        verdicts = []
        for _ in range(45):
            world.now_ms += 11 * 60_000
            report = await world.app.check_model_drift("m")
            assert said(report) == said(await asked_anew(world))
            verdicts.append(report.verdict)
    assert {"go", "unknown"} == set(verdicts)


async def test_what_is_recorded_or_accepted_is_seen_at_once(tmp_path: Path) -> None:
    """By this process and by another."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 10, 0.05))
        assert (await world.app.check_model_drift("m")).status == "stable"
        async with Gonogo(world.app.settings, clock=lambda: world.now_ms) as other:
            bad = calls("m", 12, 0.25, first_day=10, seed=2)
            await (await other.stores()).telemetry.record(bad, bad[-1].ts_ms)
            world.now_ms = bad[-1].ts_ms
            assert (await world.app.check_model_drift("m")).status == "degraded"
            await other.accept_baseline("m")
            assert (await world.app.check_model_drift("m")).status == "stable"


async def test_a_remembered_go_still_closes_an_incident(tmp_path: Path) -> None:
    """A drop opens one; well again, it is resolved by answers that were all remembered."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.05, a_day=480))
        await world.record(calls("m", 6, 0.20, first_day=14, a_day=480, seed=2))
        await world.app.check_model_drift("m")
        assert [i.status for i in (await world.app.get_incidents()).incidents] == ["open"]
        await world.record(calls("m", 5, 0.05, first_day=20, a_day=480, seed=3))
        world.now_ms = world.now_ms // DAY_MS * DAY_MS + DAY_MS
        for _ in range(3):
            world.now_ms += 6 * 60_000
            assert (await world.app.check_model_drift("m")).verdict == "go"
        assert [i.status for i in (await world.app.get_incidents()).incidents] == ["resolved"]


async def test_every_answer_is_logged_under_its_own_id(tmp_path: Path) -> None:
    """Answers that were remembered fold into one entry, and each is found by its id."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 10, 0.05))
        ids = []
        for _ in range(20):
            world.now_ms += 1000
            ids.append((await world.app.check_model_drift("m")).decision_id)
    async with Gonogo(world.app.settings, clock=lambda: world.now_ms) as later:
        [entry] = await later.decisions(kind="check_model_drift")
        assert entry.count == len(set(ids)) == 20
        for one in ids:
            assert one is not None
            assert (await later.decision(one)).summary == entry.summary
