"""Outcomes that only praise brings: how often somebody is content is followed, and no quality of 100 % is read from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift_world import START_MS, calls, hour_of, labelled_where, open_world
from gonogo.hours.measured import PRAISE_MIN, PRAISE_SHARE, are_praise
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import BaselineSettings, DependencySettings

pytestmark = pytest.mark.anyio


def praised(
    days: int, rate: float, *, first_day: int = 0, seed: int = 1, version: str | None = None
) -> list[Observation]:
    """Calls of which a share has a good outcome, and no other has one."""
    made = calls("m", days, 1 - rate, first_day=first_day, seed=seed, version=version)
    return labelled_where(made, [call.outcome == 1 for call in made])


async def test_praise_does_not_say_that_all_is_right(tmp_path: Path) -> None:
    """A third of the calls has an outcome, each good: a caution that says so, and no quality of 100 %."""
    async with open_world(tmp_path) as world:
        await world.record(praised(14, 0.3))
        trust = await world.app.get_trust_score_health("m")
        drift = await world.app.check_model_drift("m")
        fleet = await world.app.get_trust_score_health()
        asked = await world.app.check_model_drift("m", metric="outcome")
        ready = await world.app.preflight(dependencies=["m"])
    assert trust.verdict == "caution"
    assert set(trust.parts or {}) == {"availability"}
    assert "known by praise alone" in trust.summary
    assert trust.label_coverage is not None
    assert trust.label_coverage.bad == 0
    assert (drift.verdict, drift.metric, drift.status) == ("go", "praise", "stable")
    assert "taken for praise" in drift.summary
    assert (asked.verdict, asked.missing) == (
        "unknown",
        "Record outcomes of calls picked at random.",
    )
    assert ready.verdict == "caution"
    assert fleet.fleet is not None
    assert (fleet.fleet[0].verdict, fleet.fleet[0].score) == ("caution", trust.score)


@pytest.mark.parametrize(("rate", "days"), [(0.3, 3), (0.1, 6)])
async def test_less_praise_is_a_fall(tmp_path: Path, rate: float, days: int) -> None:
    """Half of the praise is gone, of a third of the calls or of one in ten: no_go, and since when."""
    async with open_world(tmp_path) as world:
        await world.record(praised(14, rate))
        fell_ms = world.now_ms
        await world.record(praised(days, rate / 2, first_day=14, seed=2))
        drift = await world.app.check_model_drift("m")
    assert (drift.verdict, drift.metric, drift.status) == ("no_go", "praise", "degraded")
    assert drift.change is not None
    assert drift.change.absolute == pytest.approx(-rate / 2, abs=rate / 4)
    assert drift.change.interval95 is not None
    assert drift.change.interval95[1] < 0
    assert drift.onset is not None
    assert hour_of(drift.onset.earliest) <= fell_ms // HOUR_MS + 1


async def test_praise_that_stops_is_no_outage_for_sure(tmp_path: Path) -> None:
    """From a third of the calls to none at all: a caution, since praise may not be recorded any more."""
    async with open_world(tmp_path) as world:
        await world.record(praised(14, 0.3))
        await world.record(praised(3, 0.0, first_day=14, seed=2))
        drift = await world.app.check_model_drift("m")
    assert (drift.verdict, drift.status) == ("caution", "degraded")
    assert "may have degraded" in drift.summary
    assert "praise is not recorded any more" in drift.summary


async def test_one_bad_outcome_shows_that_bad_ones_are_recorded(tmp_path: Path) -> None:
    """A third of the calls is graded and all were good: once they fall, it is the share of good calls that fell."""
    made = calls("m", 14, 0.0)
    later = calls("m", 3, 0.3, first_day=14, seed=2)
    chosen = np.random.default_rng(5).random(len(made) + len(later)) < 0.33
    async with open_world(tmp_path) as world:
        await world.record(labelled_where(made, chosen[: len(made)].tolist()))
        before = await world.app.check_model_drift("m")
        await world.record(labelled_where(later, chosen[len(made) :].tolist()))
        drift = await world.app.check_model_drift("m")
        trust = await world.app.get_trust_score_health("m")
    assert (before.verdict, before.metric) == ("go", "praise")
    assert (drift.verdict, drift.metric) == ("no_go", "outcome")
    assert trust.verdict == "no_go"
    assert "quality" in (trust.parts or {})


async def test_what_is_always_right_is_so(tmp_path: Path) -> None:
    """Every call graded and good, late or from some day on, or a declared baseline: quality is known, and go."""
    every = calls("m", 14, 0.0)
    from_day_8 = [call.ts_ms >= START_MS + 8 * DAY_MS for call in every]
    until_day_9 = [call.ts_ms < START_MS + 9 * DAY_MS for call in every]
    few = (np.random.default_rng(5).random(len(every)) < 0.1).tolist()
    declared = DependencySettings("m", baseline=BaselineSettings(outcome=0.98))
    for name, kept, own in (
        ("every", [True] * len(every), {}),
        ("from a day on", from_day_8, {}),
        ("on their way", until_day_9, {}),
        ("declared", few, {"m": declared}),
    ):
        async with open_world(tmp_path / name, **own) as world:
            await world.record(labelled_where(every, kept))
            drift = await world.app.check_model_drift("m")
            trust = await world.app.get_trust_score_health("m")
        assert (name, trust.verdict, drift.metric) == (name, "go", "outcome")
        assert "quality" in (trust.parts or {})


async def test_a_version_that_is_praised_less_is_worse(tmp_path: Path) -> None:
    """Versions are held against each other by praise too; one without any is not unlabelled."""
    async with open_world(tmp_path) as world:
        await world.record(praised(10, 0.3, version="1"))
        await world.record(praised(5, 0.15, first_day=10, seed=2, version="2"))
        worse = await world.app.check_model_drift("m", baseline_version="1", version="2")
        await world.record(praised(5, 0.0, first_day=15, seed=3, version="3"))
        none = await world.app.check_model_drift("m", baseline_version="2", version="3")
        now = await world.app.check_model_drift("m")
    assert (worse.verdict, worse.metric) == ("no_go", "praise")
    assert (none.verdict, none.metric) == ("no_go", "praise")
    assert "no outcome of its own" not in now.summary


async def test_praise_of_one_is_no_prior_of_others(tmp_path: Path) -> None:
    """Four models with praise alone say nothing of a fifth that has ten good outcomes."""
    alone = [replace(call, dependency="new") for call in calls("m", 1, 0.0, a_day=240)[:12]]
    scores = []
    for others in (0, 4):
        async with open_world(tmp_path / str(others)) as world:
            for at in range(others):
                await world.record(
                    [replace(c, dependency=f"m{at}") for c in praised(2, 0.3, seed=at)]
                )
            await world.record(alone)
            world.now_ms = START_MS + 2 * DAY_MS
            scores.append((await world.app.get_trust_score_health("new")).parts)
    without, beside = scores
    assert without is not None
    assert beside is not None
    assert beside["quality"].rate == pytest.approx(without["quality"].rate, abs=1e-9)


@given(st.integers(50, 5_000), st.integers(0, 5_000), st.integers(0, 5_000))
def test_praise_is_of_a_part_and_has_no_bad_one(n: int, labels: int, good: int) -> None:
    """More calls graded, or a bad one, never make praise of what was a rate."""
    labels = min(labels, n)
    good = min(good, labels)
    found = bool(are_praise(*np.array([[n], [labels], [good]]))[0])
    assert found == (PRAISE_MIN <= labels < PRAISE_SHARE * n and good == labels)


async def test_praise_says_nothing_of_stated_confidence(tmp_path: Path) -> None:
    """Confidence of .8 where only praise is recorded: no calibration can be told, and none is called bad."""
    made = [replace(call, confidence=0.8) for call in praised(14, 0.3)]
    async with open_world(tmp_path) as world:
        await world.record(made)
        health = (await world.app.get_trust_score_health("m")).score_health
    assert health is not None
    assert (health.status, health.ece) == ("unknown", None)
    assert health.note is not None
    assert "of praise alone it says nothing" in health.note
