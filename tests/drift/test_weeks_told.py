"""Weekends that are worse by habit: what is told of them is held against weekends, as the verdict is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, open_world
from gonogo.answers.chart_points import DriftHistory
from gonogo.records import HOUR_MS, Observation

pytestmark = pytest.mark.anyio

HARD_FROM_DAY, PER_HOUR = 5, 12


async def _live(world: World, days: range, *, weekday: float = 0.93, weekend: float = 0.81) -> None:
    """Calls of whole days, good at a rate on weekdays and at another at weekends; they begin on a Monday."""
    rng = np.random.default_rng(days[0] + 1)
    hours = range(days[0] * 24, (days[-1] + 1) * 24)
    chance = np.repeat(
        [weekend if h // 24 % 7 >= HARD_FROM_DAY else weekday for h in hours], PER_HOUR
    )
    good = rng.random(len(chance)) < chance
    first, step = START_MS + hours[0] * HOUR_MS, HOUR_MS // PER_HOUR
    times = [first + place * step for place in range(len(chance))]
    await world.record(
        Observation(
            dependency="m",
            ts_ms=at,
            outcome=float(is_good),
            outcome_ts_ms=at,
            segments={"tier": "a" if place % 2 else "b"},
        )
        for place, (at, is_good) in enumerate(zip(times, good.tolist(), strict=True))
    )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Five weeks of it, after a baseline of three weekdays."""
    async with open_world(tmp_path) as world:
        await _live(world, range(35))
        yield world


async def test_a_learned_weekend_is_no_change_in_words_object_and_chart(world: World) -> None:
    """The baseline of weekdays is told as what it comes to in a week; its own mean stands beside it."""
    report = await world.app.check_model_drift("m", detail="full")
    assert (report.verdict, report.status) == ("go", "stable")
    assert report.baseline is not None
    assert report.current is not None
    assert report.change is not None
    assert report.change.interval95 is not None
    low, high = report.change.interval95
    assert low < 0 < high
    assert abs(report.change.absolute) < 0.015
    assert report.baseline.measured == pytest.approx(0.93, abs=0.03)
    assert report.baseline.mean == pytest.approx(0.896, abs=0.02)
    assert f"the baseline had {report.baseline.measured:.4g} itself" in report.summary
    drawn = await world.app.history(report, {"dependency": "m"})
    assert isinstance(drawn, DriftHistory)
    assert drawn.baseline is not None
    assert drawn.baseline.band95 is not None
    low, high = drawn.baseline.band95
    assert low < 0.81
    assert high > 0.93


async def test_no_slice_is_named_for_its_weekends(world: World) -> None:
    """A slice of weekends is held against weekends; hours and tiers hold some of both."""
    report = await world.app.check_model_drift("m", detail="full")
    told = {part.segment: part for part in report.segments or ()}
    assert {"day_type=weekend", "hour_band=18-24", "tier=a"} <= set(told)
    assert [part.segment for part in told.values() if part.drifted] == []
    assert max(abs(part.change) for part in told.values()) < 0.06
    assert report.mix_shift is not None
    assert abs(report.mix_shift["within"]) < 0.015


async def test_a_fall_of_weekends_beyond_their_own_is_found(world: World) -> None:
    """From 81 to 56 at weekends alone, for three of them: the newest is told against weekends."""
    await _live(world, range(35, 56), weekend=0.56)
    report = await world.app.check_model_drift("m", detail="full")
    assert (report.verdict, report.status) == ("no_go", "degraded")
    assert report.baseline is not None
    assert report.baseline.mean == pytest.approx(0.81, abs=0.04)
    weekend = next(part for part in report.segments or () if part.segment == "day_type=weekend")
    assert weekend.baseline_mean == pytest.approx(0.81, abs=0.04)


async def test_an_interval_of_one_look_beside_a_stable_verdict_says_so(tmp_path: Path) -> None:
    """A first weekend that makes the mean lower for sure, at one look, and raises no alarm."""
    said = []
    async with open_world(tmp_path) as world:
        for day in range(7):
            await _live(world, range(day, day + 1), weekend=0.86)
            said.append(await world.app.check_model_drift("m"))
    intervals = [report.change.interval95 for report in said if report.change]
    outside = [
        report
        for report, interval in zip(said[-len(intervals) :], intervals, strict=True)
        if report.status == "stable" and interval and interval[1] < 0
    ]
    assert outside
    assert all("that interval is of one look" in report.summary for report in outside)
