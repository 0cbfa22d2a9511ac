"""A judge on every call and people on a few: which of the two moved, through the application."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, open_world
from gonogo.records import DAY_MS, Observation

pytestmark = pytest.mark.anyio

A_DAY = 400
JUDGE = "judge:grader-1"


def graded(
    days: tuple[int, int],
    *,
    bad: float = 0.06,
    right: float = 0.9,
    harsher: float = 0.0,
    people: float = 0.1,
    seed: int = 0,
) -> list[Observation]:
    """Calls that a judge graded, followed by people's grades of some of the same calls."""
    rng = np.random.default_rng((seed, *days))
    calls, persons = [], []
    for day in range(*days):
        for at in range(A_DAY):
            is_bad = rng.random() < bad
            says_bad = (rng.random() < right) == is_bad
            says_bad = says_bad or rng.random() < harsher
            call = Observation(
                "m",
                START_MS + day * DAY_MS + at * (DAY_MS // A_DAY),
                id=f"{day}-{at}",
                kind="model",
                outcome=float(not says_bad),
                outcome_by=JUDGE,
            )
            calls.append(replace(call, outcome_ts_ms=call.ts_ms))
            if rng.random() < people:
                persons.append(replace(calls[-1], outcome=float(not is_bad), outcome_by="human"))
    return [*calls, *persons]


async def lived(world: World, *parts: list[Observation]) -> None:
    """Record them."""
    for part in parts:
        await world.record(part)


async def test_a_judge_that_moves_is_no_model_that_degraded(tmp_path: Path) -> None:
    """Ten points harsher: caution, the judge named with its points, the model told to be stable."""
    async with open_world(tmp_path) as world:
        await lived(world, graded((0, 28)), graded((28, 38), harsher=0.12))
        report = await world.app.check_model_drift("m")
        trust = await world.app.get_trust_score_health("m")
    assert (report.verdict, report.status) == ("caution", "shifted")
    assert report.judges is not None
    assert [one.status for one in report.judges] == ["moved"]
    assert report.judges[0].judge == JUDGE
    assert report.judges[0].points == pytest.approx(10, abs=4)
    assert "judge:grader-1 grades bad" in report.summary
    assert "the model is stable" in report.summary
    assert trust.verdict != "no_go"


async def test_a_model_that_falls_is_degraded_by_people(tmp_path: Path) -> None:
    """Eight points worse, the judge as it was: no_go, with people's means and an interval below 0."""
    async with open_world(tmp_path) as world:
        await lived(world, graded((0, 28)), graded((28, 38), bad=0.16))
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status, report.metric) == ("no_go", "degraded", "outcome")
    assert report.baseline is not None
    assert report.baseline.mean == pytest.approx(0.94, abs=0.03)
    assert report.current is not None
    assert report.current.mean == pytest.approx(0.84, abs=0.04)
    assert report.change is not None
    assert report.change.interval95 is not None
    assert report.change.interval95[1] < 0
    assert "people's grades" in report.summary


async def test_a_judge_alone_cannot_tell(tmp_path: Path) -> None:
    """Without people a fall of its grades is a caution, and says that it cannot tell the two apart."""
    async with open_world(tmp_path) as world:
        await lived(world, graded((0, 28), people=0), graded((28, 38), bad=0.3, people=0))
        report = await world.app.check_model_drift("m")
        trust = await world.app.get_trust_score_health("m")
        ready = await world.app.preflight(dependencies=["m"])
        fleet = await world.app.get_trust_score_health()
    assert (report.verdict, report.status) == ("caution", "shifted")
    assert "model or judge, cannot tell" in report.summary
    assert report.judges is not None
    assert report.judges[0].status == "alone"
    assert (trust.verdict, ready.verdict) == ("caution", "caution")
    assert JUDGE in trust.summary
    assert [line.verdict for line in fleet.fleet or ()] == ["caution"]


async def test_two_judges_that_stand_alone_are_both_named(tmp_path: Path) -> None:
    """Each graded half of what fell: it is either of them, or the model."""
    calls = [graded((0, 28), people=0), graded((28, 38), bad=0.3, people=0)]
    shared = [
        replace(call, outcome_by=JUDGE if k % 2 else "judge:other")
        for k, call in enumerate(call for part in calls for call in part)
    ]
    async with open_world(tmp_path) as world:
        await lived(world, shared)
        report = await world.app.check_model_drift("m")
    assert (report.verdict, report.status) == ("caution", "shifted")
    assert JUDGE in report.summary
    assert "judge:other" in report.summary


async def test_people_who_see_chosen_calls_are_said_to(tmp_path: Path) -> None:
    """People are sent what the judge called bad: the judge's finding is withheld, and the model stands."""
    calls = graded((0, 40), people=0)
    rng = np.random.default_rng(3)
    chosen = [
        replace(
            call,
            outcome=float(rng.random() < (0.6 if call.outcome == 0 else 0.99)),
            outcome_by="human",
        )
        for call in calls
        if rng.random() < (0.4 if call.outcome == 0 else 0.05)
    ]
    async with open_world(tmp_path) as world:
        await lived(world, calls, chosen)
        report = await world.app.check_model_drift("m")
    assert report.judges is not None
    assert report.judges[0].status == "withheld"
    assert report.verdict in ("go", "caution")


async def test_grades_are_the_same_in_any_order(tmp_path: Path) -> None:
    """A person's grade before the judge's, after it, and in one batch with it make the same counts."""
    judge = graded((0, 2), people=0)
    persons = [replace(call, outcome=1.0, outcome_by="human") for call in judge[::7]]
    found = []
    for at, order in enumerate(
        ([judge, persons], [persons, judge], [[*persons, *judge]], [[*judge, *persons]])
    ):
        async with open_world(tmp_path / str(at)) as world:
            await lived(world, *order)
            telemetry = (await world.app.stores()).telemetry
            grades = await telemetry.grades("m")
            found.append(
                {judge: [column.tolist() for column in own] for judge, own in grades.items()}
            )
            hours = await telemetry.hours("m")
            found[-1]["labels"] = [hours.labels.tolist(), hours.good.tolist()]
    assert found[0][JUDGE][3]
    assert all(one == found[0] for one in found)
