"""What a verdict rests on: errors where there are no outcomes, labels of the version that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_world import START_MS, World, calls, labelled_where, open_world
from gonogo.records import DAY_MS, HOUR_MS, Kind, Observation
from gonogo.settings import DependencySettings

pytestmark = pytest.mark.anyio


def without_outcomes(
    observations: Sequence[Observation], *, kind: Kind = "tool", fails_each: int = 200
) -> list[Observation]:
    """The same calls without an outcome; every so-manyth ends in an error."""
    return [
        replace(
            call,
            kind=kind,
            outcome=None,
            outcome_ts_ms=None,
            error="timeout" if at % fails_each == fails_each - 1 else None,
        )
        for at, call in enumerate(observations)
    ]


@pytest.mark.parametrize("kind", ["tool", "api"])
async def test_a_tool_without_outcomes_is_go_by_its_errors(tmp_path: Path, kind: Kind) -> None:
    """Two clean weeks of a tool: drift, trust and preflight are go, and say what is not measured."""
    async with open_world(tmp_path) as world:
        await world.record(without_outcomes(calls("search", 14, 0.0), kind=kind))
        drift = await world.app.check_model_drift("search")
        trust = await world.app.get_trust_score_health("search")
        ready = await world.app.preflight(dependencies=["search"])
    assert (drift.verdict, drift.status, drift.metric) == ("go", "stable", "error")
    assert (trust.verdict, ready.verdict) == ("go", "go")
    for said in (drift.summary, trust.summary, ready.summary):
        assert said is not None
        assert "quality is not measured" in said.lower()


async def test_a_tool_whose_errors_rise_is_no_go(tmp_path: Path) -> None:
    """Errors decide both ways: from one in two hundred to one in eight."""
    async with open_world(tmp_path) as world:
        await world.record(without_outcomes(calls("search", 14, 0.0)))
        await world.record(
            without_outcomes(calls("search", 3, 0.0, first_day=14, seed=2), fails_each=8)
        )
        drift = await world.app.check_model_drift("search")
        ready = await world.app.preflight(dependencies=["search"])
    assert (drift.verdict, drift.metric) == ("no_go", "error")
    assert ready.verdict == "no_go"


async def test_a_slice_of_a_tool_is_followed_by_its_errors(tmp_path: Path) -> None:
    """One region in ten begins to fail: it is named, though the tool never had an outcome."""
    async with open_world(tmp_path) as world:
        for first, days, each in ((0, 14, 200), (14, 7, 5)):
            rest = calls("search", days, 0.0, first_day=first, a_day=432, segments={"at": "us"})
            own = calls("search", days, 0.0, first_day=first, a_day=48, segments={"at": "eu"})
            await world.record(without_outcomes(rest))
            await world.record(without_outcomes(own, fails_each=each))
        drift = await world.app.check_model_drift("search")
    assert drift.verdict == "no_go"
    assert drift.segments is not None
    assert all("at=eu" in s.segment for s in drift.segments if s.drifted)
    assert any(s.drifted for s in drift.segments)


async def test_a_model_without_outcomes_is_not_go(tmp_path: Path) -> None:
    """A model that answers without error may still be wrong: unknown, unless its user says so."""
    silent = without_outcomes(calls("m", 14, 0.0), kind="model")
    async with open_world(tmp_path / "a") as world:
        await world.record(silent)
        assert (await world.app.check_model_drift("m")).verdict == "unknown"
    by_errors = DependencySettings("m", quality="errors")
    async with open_world(tmp_path / "b", m=by_errors) as world:
        await world.record(silent)
        assert (await world.app.check_model_drift("m")).verdict == "go"
        assert (await world.app.get_trust_score_health("m")).verdict == "go"
        await world.record([replace(silent[-1], ts_ms=world.now_ms + 1, outcome=1.0)])
        after = await world.app.check_model_drift("m")
    assert after.verdict == "unknown", "its first outcome ends it: quality is measured from then on"


def unlabelled(
    first_day: float, n: int, *, version: str | None, outcome: float | None = None
) -> list[Observation]:
    """Calls ten minutes apart."""
    start_ms = START_MS + round(first_day * DAY_MS)
    return [
        Observation(dependency="m", ts_ms=start_ms + at * 600_000, version=version, outcome=outcome)
        for at in range(n)
    ]


async def verdicts(world: World) -> tuple[str, str, str]:
    """Of drift, trust and preflight."""
    drift = await world.app.check_model_drift("m")
    trust = await world.app.get_trust_score_health("m")
    ready = await world.app.preflight(dependencies=["m"])
    return drift.verdict, trust.verdict, ready.verdict


async def test_a_new_version_without_a_label_is_unknown_until_it_has_one(tmp_path: Path) -> None:
    """v1 has two weeks of labels; v2 answers since this morning, and nobody judged an answer."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06, version="v1"))
        assert await verdicts(world) == ("go", "go", "go")
        await world.record(unlabelled(14, 90, version="v2"))
        assert await verdicts(world) == ("unknown", "unknown", "unknown")
        drift = await world.app.check_model_drift("m")
        trust = await world.app.get_trust_score_health("m")
        ready = await world.app.preflight(dependencies=["m"])
        for missing in (drift.missing, trust.missing, ready.checks[0].missing):
            assert missing is not None
            assert "v2" in missing
        for report in (drift, trust):
            assert "v1" in report.summary
        assert (await world.app.check_model_drift("m", metric="error")).verdict == "go"
        assert (await world.app.check_model_drift("m", until="2026-03-14")).verdict == "go"
        await world.record(unlabelled(14.7, 1, version="v2", outcome=1.0))
        assert await verdicts(world) == ("go", "go", "go")


async def test_the_first_call_of_a_clean_switch_already_counts(tmp_path: Path) -> None:
    """One call of v2, after the last one of v1: what v1 was does not speak for it."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06, version="v1"))
        await world.record(unlabelled(14, 1, version="v2"))
        assert await verdicts(world) == ("unknown", "unknown", "unknown")


@pytest.mark.parametrize("share", [0.05, 0.3])
async def test_a_trial_beside_the_labelled_version_changes_nothing(
    tmp_path: Path, share: float
) -> None:
    """v2 gets a part of the traffic: the next call is v1's, of which all is known."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06, version="v1"))
        every = calls("m", 2, 0.06, first_day=14, version="v1", seed=2)
        trial = round(1 / share)
        await world.record(
            replace(call, version="v2", outcome=None, outcome_ts_ms=None)
            if at % trial == 0
            else call
            for at, call in enumerate(every)
        )
        assert await verdicts(world) == ("go", "go", "go")


async def test_a_version_that_was_taken_back_no_longer_counts(tmp_path: Path) -> None:
    """Two hours of v2, then v1 again: it answers now, and it is known."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06, version="v1"))
        await world.record(unlabelled(14, 12, version="v2"))
        back = calls("m", 1, 0.06, first_day=15, version="v1", seed=3)
        await world.record(back[:40])
        assert await verdicts(world) == ("go", "go", "go")


async def test_golden_answers_and_nameless_labels_may_be_of_the_new_version(
    tmp_path: Path,
) -> None:
    """A golden run of v2 is a label of it; so may be an outcome that names no version."""
    probe = Observation(
        dependency="m",
        ts_ms=START_MS + 14 * DAY_MS + HOUR_MS,
        version="v2",
        item="q1",
        outcome=1.0,
    )
    nameless = replace(probe, version=None, item=None, outcome_ts_ms=probe.ts_ms)
    for at, label in enumerate((probe, nameless)):
        async with open_world(tmp_path / str(at)) as world:
            await world.record(calls("m", 14, 0.06, version="v1"))
            await world.record(unlabelled(14, 90, version="v2"))
            await world.record([label])
            assert (await world.app.get_trust_score_health("m")).verdict == "go"
            assert (await world.app.check_model_drift("m")).status != "insufficient_data"


async def test_what_is_known_to_be_bad_stays_no_go(tmp_path: Path) -> None:
    """v1 fell and v2 came without a label: nothing says that it is well again."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 14, 0.06, version="v1"))
        await world.record(calls("m", 5, 0.4, first_day=14, version="v1", seed=2))
        await world.record(unlabelled(19, 30, version="v2"))
        assert (await world.app.check_model_drift("m")).verdict == "no_go"


async def test_labels_of_few_calls_are_said_to_be_few(tmp_path: Path) -> None:
    """One call in twenty has an outcome: said in words and object, of drift and of trust."""
    every = calls("m", 28, 0.3)
    few = labelled_where(every, [at % 20 == 0 for at in range(len(every))])
    async with open_world(tmp_path) as world:
        await world.record(few)
        drift = await world.app.check_model_drift("m")
        trust = await world.app.get_trust_score_health("m")
        await world.record(calls("m", 8, 0.3, first_day=28, seed=2))
        full = await world.app.get_trust_score_health("m")
    for report in (drift, trust):
        coverage = report.label_coverage
        assert coverage is not None
        assert coverage.share == pytest.approx(0.05, abs=0.002)
        assert coverage.warning in report.summary
    assert full.label_coverage is None


async def test_the_interval_of_trust_holds_the_chance_of_the_hour(tmp_path: Path) -> None:
    """Nights are much worse: the interval holds both, and the words say by how much hours differ."""
    rng = np.random.default_rng(5)
    nights = [
        replace(
            call,
            outcome=float(rng.random() >= (0.20 if call.ts_ms % DAY_MS < 8 * HOUR_MS else 0.03)),
        )
        for call in calls("nights", 28, 0.0)
    ]
    alike = [replace(call, outcome=float(rng.random() >= 0.07)) for call in calls("alike", 28, 0.0)]
    async with open_world(tmp_path) as world:
        await world.record([*nights, *alike])
        cycle = await world.app.get_trust_score_health("nights")
        calm = await world.app.get_trust_score_health("alike")
        fleet = await world.app.get_trust_score_health()
    assert cycle.interval90 is not None
    assert cycle.interval90[0] <= 82
    assert cycle.interval90[1] >= 96
    assert cycle.hours_sd is not None
    assert cycle.hours_sd > 2
    assert "the interval is for the next call" in cycle.summary
    assert cycle.parts is not None
    assert 100 * cycle.parts["quality"].interval90[0] == pytest.approx(cycle.interval90[0], abs=1)
    assert calm.interval90 is not None
    assert calm.interval90[1] - calm.interval90[0] < 10
    assert calm.hours_sd == 0
    assert "averaged" not in calm.summary
    for line in fleet.fleet or ():
        assert line.interval90 == (cycle if line.dependency == "nights" else calm).interval90


@pytest.mark.parametrize(("bad", "verdict"), [(0.15, "go"), (1.0, "no_go")])
async def test_a_rush_of_calls_counts_as_two_full_hours(
    tmp_path: Path, bad: float, verdict: str
) -> None:
    """A weekly job, 600 calls in two hours, ten points harder: no fall of the traffic. A collapse is one."""
    async with open_world(tmp_path) as world:
        await world.record(calls("m", 7, 0.05, a_day=300))
        start_ms = world.now_ms
        job = calls("m", 1, bad, first_day=7, a_day=600, seed=2)
        await world.record(
            replace(call, ts_ms=(at := start_ms + 60_000 + 12_000 * place), outcome_ts_ms=at)
            for place, call in enumerate(job)
        )
        report = await world.app.check_model_drift("m")
    assert report.verdict == verdict, report.summary


@pytest.mark.parametrize(
    ("labelled", "refused", "verdict"), [(1, 20, "go"), (1, 400, "caution"), (10, 200, "go")]
)
async def test_rows_that_were_refused_may_be_the_failures(
    tmp_path: Path, labelled: int, refused: int, verdict: str
) -> None:
    """No go where what was lost could hide twice what matters, whatever the rest says; a few are only said.

    Rows are weighed against calls, of which one in so many has a label.
    """
    async with open_world(tmp_path) as world:
        made = calls("m", 12, 0.05, a_day=200 * labelled)
        kept = [place % labelled == 0 for place in range(len(made))]
        await world.record(labelled_where(made, kept))
        for first in range(0, refused, 100):
            rows = [{"dependency": "m", "outcome": "kaputt"}] * min(100, refused - first)
            await world.app.record_observations(rows)
        await (await world.app.stores()).db.settled()
        report = await world.app.check_model_drift("m")
        trust = await world.app.get_trust_score_health("m")
        listed = await world.app.list_dependencies()
    assert trust.verdict == verdict, trust.summary
    assert (report.status, report.verdict) == ("stable", verdict)
    assert report.refused is not None
    assert report.refused.n == refused
    assert ("too many to say go" in report.summary) == (verdict == "caution")
    assert [line.verdict for line in listed.dependencies] == [verdict]
