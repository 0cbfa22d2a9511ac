"""What charts are drawn from: points, band and alarm of drift, a fleet's weeks, a budget's course."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from drift_world import START_MS, World, calls, hour_of, open_world

from gonogo.answers.history import BudgetHistory, DriftHistory, FleetHistory
from gonogo.app import Gonogo
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
