"""What charts are drawn from: points, band and alarm of drift, a fleet's weeks, a budget's course."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, calls, hour_of, open_world
from gonogo.answers import rfc3339
from gonogo.answers.chart_points import BudgetHistory, DriftHistory, FleetHistory
from gonogo.app import Gonogo
from gonogo.app.incident_actions import record_change
from gonogo.records import DAY_MS, HOUR_MS, MICRO, Observation
from gonogo.settings import BudgetSettings, Settings

pytestmark = pytest.mark.anyio


@pytest.fixture(name="world")
async def degraded(tmp_path: Path) -> AsyncIterator[World]:
    """Two weeks at 6 % wrong, then a week at 16 %; half of it in one declared slice."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06, segments={"lang": "de"}))
        await world.record(calls("m", 7, 0.16, first_day=14, seed=2))
        yield world


async def drift(world: World, *, days: float | None = None, **asked: str) -> DriftHistory:
    """The history of a drift report on "m"."""
    report = await world.app.check_model_drift("m", **asked)  # type: ignore[arg-type]
    history = await world.app.history(report, {"dependency": "m", **asked}, days=days)
    assert isinstance(history, DriftHistory)
    return history


async def test_every_label_is_in_one_point_and_the_means_are_the_data(world: World) -> None:
    """Oracle: the observations themselves, counted by UTC day."""
    history = await drift(world)
    first = START_MS // DAY_MS
    by_day: dict[int, list[float]] = {}
    for seen in world.seen:
        assert seen.outcome is not None
        by_day.setdefault(seen.ts_ms // DAY_MS - first, []).append(seen.outcome)
    assert (history.bucket, history.bucket_s) == ("day", 86_400)
    assert history.at == sorted(by_day)
    assert history.n == [len(by_day[at]) for at in history.at]
    assert history.mean == pytest.approx(
        [sum(by_day[at]) / len(by_day[at]) for at in history.at], abs=1e-3
    )
    assert history.low is not None
    assert history.high is not None
    for low, mean, high in zip(history.low, history.mean, history.high, strict=True):
        assert low <= mean <= high


async def test_changes_of_the_time_that_is_drawn_stand_on_the_chart(world: World) -> None:
    """Of this dependency or of all, oldest first; not of another, nor from before the chart begins."""
    stores = await world.app.stores()
    now_ms = world.app.clock()
    for what, names, days in (
        ("deploy", ["m"], 7),
        ("prompt", [], 3),
        ("config", ["m"], 90),
    ):
        at = rfc3339(now_ms - days * DAY_MS)
        await record_change(stores, what, names, version="v2", at=at, now_ms=now_ms)
    history = await drift(world)
    assert history.changes is not None
    assert [one.text for one in history.changes] == ["deploy v2", "prompt v2"]
    assert [one.at for one in history.changes] == [
        rfc3339(now_ms - days * DAY_MS) for days in (7, 3)
    ]
    assert [one.text for one in (await drift(world, days=5)).changes or ()] == ["prompt v2"]


async def test_the_band_holds_the_healthy_days_and_not_the_bad_ones(world: World) -> None:
    """Nineteen of twenty healthy points lie within it; the alarm stands after the change."""
    history = await drift(world)
    assert history.baseline is not None
    assert history.baseline.band95 is not None
    low, high = history.baseline.band95
    outside = [not low <= mean <= high for mean in history.mean]
    assert sum(outside[:14]) <= 2
    assert sum(outside[14:]) >= 5
    assert history.alarm is not None
    changed = (START_MS + 14 * DAY_MS) // HOUR_MS
    assert changed < hour_of(history.alarm) <= changed + 3 * 24


async def test_a_healthy_stream_has_no_alarm(tmp_path: Path) -> None:
    """Nothing changed, so there is nothing to mark."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 10, 0.06))
        assert (await drift(world)).alarm is None


async def test_a_range_cuts_from_the_end_and_shows_hours(world: World) -> None:
    """The last two days, hour by hour, are all of their labels."""
    history = await drift(world, days=2)
    assert history.bucket == "hour"
    assert sum(history.n) == 2 * 240


async def outage(
    tmp_path: Path, hours: int, *, a_day: int, over_after: int = 10_000
) -> DriftHistory:
    """Ten days at 4 % wrong that end in an outage of so many hours, which may be over again."""
    async with open_world(tmp_path) as world:
        seen = calls("m", 10, 0.04, a_day=a_day)
        start_ms = START_MS + 10 * DAY_MS - hours * HOUR_MS
        end_ms = start_ms + over_after * HOUR_MS
        await world.record(
            replace(call, outcome=0.0) if start_ms <= call.ts_ms < end_ms else call for call in seen
        )
        history = await drift(world)
    fallen = [at for at, mean in zip(history.at, history.mean, strict=True) if mean < 0.5]
    assert history.bucket == "hour"
    assert len(history.at) <= 96
    begun = hour_of(history.start) + fallen[0]
    assert begun == start_ms // HOUR_MS
    assert fallen[0] >= 24  # the day before it is there to be compared with
    return history


@pytest.mark.parametrize(("hours", "a_day"), [(3, 480), (20, 96), (60, 48)])
async def test_an_outage_is_drawn_by_the_hour_by_itself(
    tmp_path: Path, hours: int, a_day: int
) -> None:
    """A day is too long for what happened: the hour of the fall is a point of the chart."""
    assert (await outage(tmp_path, hours, a_day=a_day)).alarm is not None


async def test_an_outage_that_is_over_is_still_drawn_by_the_hour(tmp_path: Path) -> None:
    """It can be seen when it began and when it ended, also on the day after."""
    history = await outage(tmp_path, 40, a_day=480, over_after=4)
    assert sum(mean < 0.5 for mean in history.mean) == 4


async def test_all_can_be_asked_for_in_an_outage(tmp_path: Path) -> None:
    """Who names a range gets that range."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 10, np.r_[np.full(9, 0.04), 0.9]))
        assert (await drift(world)).bucket == "hour"
        assert (await drift(world, days=3650)).bucket == "day"


async def test_a_slow_fall_is_drawn_by_the_day(tmp_path: Path) -> None:
    """Nothing happened within an hour, so hours would show noise."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 24, np.r_[np.full(14, 0.04), np.linspace(0.04, 0.24, 10)]))
        assert (await drift(world)).bucket == "day"


async def test_a_slice_and_another_metric_have_their_own_points(world: World) -> None:
    """The slice was seen for two weeks; the error rate is zero throughout."""
    assert sum((await drift(world, segment="lang=de")).n) == 14 * 240
    errors = await drift(world, metric="error")
    assert set(errors.mean) == {0.0}


async def test_what_has_no_mean_has_no_points(world: World) -> None:
    """Categories that were predicted are judged, and not drawn as a line."""
    report = await world.app.check_model_drift("m")
    categorical = report.model_copy(update={"metric": "prediction"})
    assert await world.app.history(categorical, {"dependency": "m"}) is None


async def test_asking_changes_nothing(world: World) -> None:
    """A history is read; the decision log has the checks and no more."""
    report = await world.app.check_model_drift("m")
    before = len(await world.app.decisions())
    await world.app.history(report, {"dependency": "m"})
    assert len(await world.app.decisions()) == before


async def test_a_fleet_has_a_line_each_with_gaps_on_silent_days(world: World) -> None:
    """Three weeks that end today; a day without calls is a gap, not a zero."""
    await world.record(calls("quiet", 1, 0.0, first_day=18))
    report = await world.app.get_trust_score_health()
    history = await world.app.history(report, {})
    assert isinstance(history, FleetHistory)
    assert history.lines.keys() == {"m", "quiet"}
    quiet = history.lines["quiet"]
    assert len(quiet) == 21
    assert [value for value in quiet if value is not None] == [1.0]
    assert datetime.fromisoformat(history.start).timestamp() * 1000 == START_MS


async def test_a_budget_s_course_ends_at_what_the_check_says_was_spent(tmp_path: Path) -> None:
    """Cumulated, never falling, from the window's start to now."""
    now_ms = START_MS + 10 * HOUR_MS
    settings = Settings(
        store=str(tmp_path / "gonogo.db"),
        budgets={"day": BudgetSettings("day", 5 * MICRO, window="day", dependencies=("m",))},
    )
    spent = [
        Observation(dependency="m", ts_ms=START_MS + hour * HOUR_MS, cost_micro_usd=100_000)
        for hour in (1, 2, 3, 8)
    ]
    async with Gonogo(settings, clock=lambda: now_ms) as app:
        await (await app.stores()).telemetry.record(spent, now_ms)
        check = await app.check_budget_with_confidence("day")
        history = await app.history(check, {"budget": "day"})
    assert isinstance(history, BudgetHistory)
    assert history.spent_usd[-1] == check.spent_usd == 0.4
    assert history.spent_usd == sorted(history.spent_usd)
    assert history.at_s[-1] == 10 * 3600
    half = next(i for i, at in enumerate(history.at_s) if at >= 5 * 3600)
    assert history.spent_usd[half] == 0.3


async def test_an_answer_that_is_not_drawn_has_no_history(world: World) -> None:
    """A list of incidents is its own picture."""
    assert await world.app.history(await world.app.get_incidents(), {}) is None
