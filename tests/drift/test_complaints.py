"""Outcomes that only complaints bring: how often somebody complains is followed, not how few of those are good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_world import START_MS, World, calls, hour_of, labelled_where, open_world
from gonogo.hours.measured import COMPLAINTS_GOOD_MAX, FEW_SHARE, are_complaints
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import BaselineSettings, DependencySettings

pytestmark = pytest.mark.anyio


def complained(
    days: int, rate: float, *, first_day: int = 0, seed: int = 1, version: str | None = None
) -> list[Observation]:
    """Calls of which a share has a bad outcome, and no other has one."""
    made = calls("m", days, rate, first_day=first_day, seed=seed, version=version)
    return labelled_where(made, [call.outcome == 0 for call in made])


async def test_complaints_do_not_say_that_nothing_is_right(tmp_path: Path) -> None:
    """Three calls in a hundred have an outcome, each bad: a caution that says so, and no 0 % of trust."""
    async with open_world(tmp_path) as world:
        await world.record(complained(14, 0.03))
        trust = await world.app.get_trust_score_health("m")
        drift = await world.app.check_model_drift("m")
        fleet = await world.app.get_trust_score_health()
        asked = await world.app.check_model_drift("m", metric="outcome")
    assert trust.verdict == "caution"
    assert trust.score is not None
    assert trust.score > 99
    assert set(trust.parts or {}) == {"availability"}
    assert "known by complaints alone" in trust.summary
    assert (drift.verdict, drift.metric, drift.status) == ("go", "complaint", "stable")
    assert "taken for complaints" in drift.summary
    assert (asked.verdict, asked.missing) == (
        "unknown",
        "Record outcomes of calls picked at random.",
    )
    assert fleet.fleet is not None
    assert (fleet.fleet[0].verdict, fleet.fleet[0].score) == ("caution", trust.score)


async def test_more_complaints_are_a_fall(tmp_path: Path) -> None:
    """From three calls in a hundred to fifteen: no_go, by how much, and since when."""
    async with open_world(tmp_path) as world:
        await world.record(complained(14, 0.03))
        fell_ms = world.now_ms
        await world.record(complained(3, 0.15, first_day=14, seed=2))
        drift = await world.app.check_model_drift("m")
        ready = await world.app.preflight(dependencies=["m"])
    assert (drift.verdict, drift.metric) == ("no_go", "complaint")
    assert drift.change is not None
    assert drift.change.absolute == pytest.approx(0.12, abs=0.04)
    assert drift.onset is not None
    assert (
        hour_of(drift.onset.earliest) <= fell_ms // HOUR_MS + 1 <= hour_of(drift.onset.latest) + 1
    )
    assert ready.verdict == "no_go"


async def test_a_version_that_is_complained_about_more_is_worse(tmp_path: Path) -> None:
    """Versions are held against each other by complaints too; one without a complaint is not unlabelled."""
    async with open_world(tmp_path) as world:
        await world.record(complained(10, 0.03, version="1"))
        await world.record(complained(5, 0.15, first_day=10, seed=2, version="2"))
        worse = await world.app.check_model_drift("m", baseline_version="1", version="2")
        await world.record(complained(5, 0.0, first_day=15, seed=3, version="3"))
        better = await world.app.check_model_drift("m", baseline_version="2", version="3")
        now = await world.app.check_model_drift("m")
    assert (worse.verdict, worse.metric) == ("no_go", "complaint")
    assert (better.verdict, better.status) == ("go", "improved")
    assert "no outcome of its own" not in now.summary


async def verdict_of(world: World, made: Sequence[Observation]) -> tuple[str, str, str]:
    """Drift's metric and both verdicts about recorded calls."""
    await world.record(made)
    drift = await world.app.check_model_drift("m")
    return drift.metric, drift.verdict, (await world.app.get_trust_score_health("m")).verdict


async def test_outcomes_that_are_drawn_or_declared_are_rates(tmp_path: Path) -> None:
    """Few labels of which most are good, or a declared baseline: outcomes are judged as before."""
    drawn = calls("m", 14, 0.06)
    chosen = np.random.default_rng(5).random(len(drawn)) < 0.08
    few = labelled_where(drawn, chosen.tolist())
    async with open_world(tmp_path / "drawn") as world:
        assert await verdict_of(world, few) == ("outcome", "go", "go")
        asked = await world.app.check_model_drift("m", metric="complaint")
    assert (asked.verdict, asked.missing) == ("unknown", "Ask about outcome.")
    declared = DependencySettings("m", baseline=BaselineSettings(outcome=0.9))
    async with open_world(tmp_path / "declared", m=declared) as world:
        assert await verdict_of(world, complained(20, 0.03)) == ("outcome", "no_go", "no_go")


async def test_a_tool_with_complaints_is_judged_by_its_errors_and_by_them(tmp_path: Path) -> None:
    """A tool needs no outcome; a complaint about one of thirty calls does not make it a caution."""
    made = [replace(call, kind="tool") for call in complained(14, 0.03)]
    async with open_world(tmp_path) as world:
        assert await verdict_of(world, made) == ("complaint", "go", "go")


async def test_complaints_about_one_are_no_prior_of_others(tmp_path: Path) -> None:
    """Four models with complaints alone say nothing of a fifth that has ten good outcomes."""
    alone = [replace(call, dependency="new") for call in calls("m", 1, 0.0, a_day=240)[:12]]
    scores = []
    for others in (0, 4):
        async with open_world(tmp_path / str(others)) as world:
            for at in range(others):
                await world.record(
                    [replace(c, dependency=f"m{at}") for c in complained(1, 0.03, seed=at)]
                )
            await world.record(alone)
            world.now_ms = START_MS + DAY_MS
            scores.append((await world.app.get_trust_score_health("new")).parts)
    without, beside = scores
    assert without is not None
    assert beside is not None
    assert beside["quality"].rate == pytest.approx(without["quality"].rate, abs=1e-9)


@given(st.integers(50, 5_000), st.integers(0, 5_000), st.integers(0, 5_000))
def test_complaints_are_few_and_nearly_all_bad(n: int, labels: int, good: int) -> None:
    """More labels, or more good ones, never make a rate of what were complaints."""
    labels, good = min(labels, n), min(good, labels, n)
    found = bool(are_complaints(*np.array([[n], [labels], [good]]))[0])
    assert found == (0 < labels < FEW_SHARE * n and good <= COMPLAINTS_GOOD_MAX * labels)
