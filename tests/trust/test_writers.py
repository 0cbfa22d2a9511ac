"""Who says it: writers that may not record are refused, those that disagree with the golden set are named."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import engines
from gonogo.answers import TrustReport
from gonogo.app import Gonogo
from gonogo.app.taking_back import forget
from gonogo.clock import wall_clock_ms
from gonogo.config import load_settings
from gonogo.errors import ParameterError
from gonogo.recorder.recorder import Recorder
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import Settings
from gonogo.store.observations.forget import Selection
from gonogo.trust.writers import PROBE_WRITER
from triage_calls import spread_calls

pytestmark = pytest.mark.anyio

NOW_MS = wall_clock_ms()
calls = partial(spread_calls, NOW_MS)
TOML = """
[dependencies.triage]
kind = "model"
"""
ALONE = 'recorders = ["otlp", "person:*"]\n'


def configured(folder: Path, toml: str = TOML) -> Settings:
    """A store of a folder's own."""
    config = folder / "gonogo.toml"
    config.write_text(toml)
    return load_settings(str(config), engines.store_of(folder), {})


async def lived(app: Gonogo, *, golden: bool = True) -> TrustReport:
    """Three weeks at an even chance, as traffic and golden set alike say."""
    await app.record_evidence(calls(2000, 0.52, days=20, until_days=1.1))
    if golden:
        await app.record_evidence(calls(800, 0.55, days=21, item="q"), writer=PROBE_WRITER)
    return await app.get_trust_score_health("triage")


async def said_by(settings: Settings, writer: str, said: list[Observation]) -> TrustReport:
    """The report after somebody else has recorded."""
    async with Gonogo(settings, actor=writer) as app:
        await app.record_evidence(said)
        return await app.get_trust_score_health("triage")


@pytest.mark.parametrize(
    ("good", "failed", "metric", "up"),
    [(1.0, 0.0, "quality", True), (0.52, 1.0, "availability", False), (0.0, 0.0, "quality", False)],
    ids=["fakes", "errors", "slander"],
)
async def test_a_flood_of_one_writer_is_named_makes_no_go_of_nothing_and_can_be_taken_out(
    tmp_path: Path,
    good: float,
    failed: float,
    metric: str,
    up: bool,  # noqa: FBT001
) -> None:
    """By its way, with both changes; a verdict is never better for it; without it all is as before."""
    settings = configured(tmp_path)
    async with Gonogo(settings, actor="person:ops") as app:
        before = await lived(app)
    assert before.doubtful is None
    flooded = await said_by(settings, "agent", calls(3000, good, days=0.05, failed=failed))
    assert flooded.doubtful is not None
    (doubt,) = (one for one in flooded.doubtful if one.metric == metric)
    assert (doubt.writer, doubt.n) == ("agent", 3000)
    assert (doubt.change_points > 30) == up
    assert (doubt.change_points < -30) == (not up)
    assert abs(doubt.golden_change_points) < 25
    assert "What agent recorded in the last day disagrees with the golden set" in flooded.summary
    assert "gonogo forget triage --writer agent" in flooded.summary
    assert flooded.verdict in ("caution", "no_go")
    async with Gonogo(settings, actor="person:ops") as app:
        fleet = await app.get_trust_score_health()
        assert [(line.doubtful, line.verdict) for line in fleet.fleet or ()] == [
            ("agent", flooded.verdict)
        ]
        assert "What agent recorded in the last day disagrees" in fleet.summary
        await forget(app, "triage", Selection(writer="agent"), {"writer": "agent"})
        after = await app.get_trust_score_health("triage")
    assert (after.verdict, after.score, after.doubtful) == (before.verdict, before.score, None)


async def test_who_fakes_the_golden_set_as_well_is_named_all_the_same(tmp_path: Path) -> None:
    """Only what probes were answered is held against a writer."""
    settings = configured(tmp_path)
    async with Gonogo(settings, actor="person:ops") as app:
        await lived(app)
    fakes = [*calls(3000, 1, days=0.05), *calls(3000, 1, days=0.05, item="q")]
    flooded = await said_by(settings, "agent", fakes)
    assert flooded.doubtful is not None
    assert [one.writer for one in flooded.doubtful] == ["agent"]


@pytest.mark.parametrize("golden", [False, True], ids=["no golden set", "both fell"])
async def test_who_says_what_the_golden_set_says_is_not_named(tmp_path: Path, golden: bool) -> None:  # noqa: FBT001
    """A real fall is seen by both; without a golden set there is nothing to hold anybody against."""
    settings = configured(tmp_path)
    async with Gonogo(settings, actor="person:ops") as app:
        await lived(app, golden=golden)
        if golden:
            fell = calls(200, 0.02, days=0.9, item="q")
            await app.record_evidence(fell, writer=PROBE_WRITER)
    assert (await said_by(settings, "agent", calls(500, 0.02, days=0.9))).doubtful is None


async def test_whoever_is_no_recorder_is_refused_on_every_way_in(tmp_path: Path) -> None:
    """The row says why; others, other dependencies and probes go on; nothing of it moves a verdict."""
    settings = configured(tmp_path, TOML + ALONE)
    async with Gonogo(settings, actor="person:ops") as app:
        before = await lived(app)
    flooded = await said_by(settings, "agent", calls(3000, 1, days=0.05))
    assert flooded.doubtful is None
    assert (flooded.verdict, flooded.score, flooded.n) == (before.verdict, before.score, before.n)
    now_s = NOW_MS / 1000
    async with Gonogo(settings, actor="agent") as app:
        answer = await app.record_observations(
            [
                {"dependency": "other", "ts": now_s, "outcome": 1},
                {"dependency": "triage", "ts": now_s, "outcome": 1},
                {"dependency": "other", "ts": now_s - 1, "outcome": 2},
            ]
        )
        assert (answer.accepted, [one.index for one in answer.rejected]) == (1, [1, 2])
        assert "otlp, person:* (`recorders` in gonogo.toml)" in answer.rejected[0].problem
        assert "came by agent" in answer.rejected[0].problem
    recorder = Recorder(settings.store, config=str(tmp_path / "gonogo.toml"))
    recorder.record("triage", outcome=1.0)
    delivery = recorder.close(60)
    assert (delivery.stored, delivery.refused) == (0, 1)


async def test_writers_are_counted_by_golden_and_bar(tmp_path: Path) -> None:
    """Within the time asked, labels at or above the quality bar; sorted by writer."""
    settings = configured(tmp_path, TOML + "quality_bar = 0.8\n")
    async with Gonogo(settings, actor="b") as app:
        half = Observation(dependency="triage", ts_ms=NOW_MS - HOUR_MS, outcome=0.7)
        await app.record_evidence([half, *calls(10, 1, days=0.1, failed=1)])
        await app.record_evidence(calls(5, 1, days=0.1, item="q"), writer="a")
        await app.record_evidence(calls(1, 1, days=9), writer="c")
        telemetry = (await app.stores()).telemetry
        found = await telemetry.writers("triage", since_ms=NOW_MS - DAY_MS)
        assert await telemetry.writers("none", since_ms=0) == []
    assert [tuple(one) for one in found] == [
        ("a", True, 5, 0, 5, 5),
        ("b", False, 11, 10, 11, 10),
    ]


async def test_an_outcome_is_the_word_of_who_said_it(tmp_path: Path) -> None:
    """Also in a call that another recorded: who said it is named, and what it said is taken back alone."""
    settings = configured(tmp_path)
    quiet = [
        Observation(dependency="triage", ts_ms=NOW_MS - 1000 * i - 1000, id=f"call-{i}")
        for i in range(500)
    ]
    async with Gonogo(settings, actor="person:ops") as app:
        await lived(app)
        await app.record_evidence(quiet, writer="otlp")
        before = await app.get_trust_score_health("triage")
    fakes = [Observation(dependency="triage", ts_ms=o.ts_ms, id=o.id, outcome=1.0) for o in quiet]
    flooded = await said_by(settings, "agent", fakes)
    assert flooded.doubtful is not None
    assert [(one.writer, one.n) for one in flooded.doubtful if one.metric == "quality"] == [
        ("agent", 500)
    ]
    async with Gonogo(settings, actor="person:ops") as app:
        telemetry = (await app.stores()).telemetry
        since_ms = NOW_MS - HOUR_MS
        assert [
            (one.writer, one.n, one.labels)
            for one in await telemetry.writers("triage", since_ms=since_ms)
            if not one.golden
        ] == [("agent", 0, 500), ("otlp", 500, 0)]
        told = await forget(app, "triage", Selection(writer="agent"), {"writer": "agent"})
        assert "what it said of other writers' calls: 500 outcomes" in told.summary
        after = await app.get_trust_score_health("triage")
        assert (after.verdict, after.score, after.n) == (before.verdict, before.score, before.n)
        with pytest.raises(ParameterError, match="Nothing of triage"):
            await forget(app, "triage", Selection(writer="agent"), {"writer": "agent"})


async def test_a_judges_grade_comes_back_where_a_faked_outcome_is_taken_out(tmp_path: Path) -> None:
    """A person's outcome took its place; without it the judge's is the outcome again."""
    settings = configured(tmp_path)
    graded = [
        Observation(
            dependency="triage",
            ts_ms=NOW_MS - 1000 * i - 1000,
            id=f"call-{i}",
            outcome=0.0,
            outcome_by="judge:small",
        )
        for i in range(50)
    ]
    async with Gonogo(settings, actor="person:ops") as app:
        await app.record_evidence(graded, writer="otlp")
        telemetry = (await app.stores()).telemetry
        assert (await telemetry.hours("triage")).good.sum() == 0
        over = [
            Observation(dependency="triage", ts_ms=o.ts_ms, id=o.id, outcome=1.0) for o in graded
        ]
        await app.record_evidence(over, writer="agent")
        assert (await telemetry.hours("triage")).good.sum() == 50
        await forget(app, "triage", Selection(writer="agent"), {"writer": "agent"})
        counts = await telemetry.hours("triage")
        assert (counts.labels.sum(), counts.good.sum()) == (50, 0)


async def test_a_flood_that_is_dated_back_is_named_and_the_same_said_again_is_not(
    tmp_path: Path,
) -> None:
    """By what all others recorded on those days; a person's file is history, whatever it says."""
    settings = configured(tmp_path)
    async with Gonogo(settings, actor="person:ops") as app:
        await lived(app)
    same = calls(3000, 0.52, days=4, until_days=1.5)
    assert (await said_by(settings, "recorder", same)).doubtful is None
    history = calls(60, 1, days=4, until_days=1.4)
    assert (await said_by(settings, "person:ada", history)).doubtful is None
    flooded = await said_by(settings, "agent", calls(20_000, 1, days=4, until_days=1.3))
    assert flooded.doubtful is not None
    assert [(one.writer, one.metric) for one in flooded.doubtful] == [("agent", "quality")]
    assert "gonogo forget triage --writer agent" in flooded.summary
    assert flooded.verdict in ("caution", "no_go")


@pytest.mark.parametrize(
    ("truth", "before"), [(0.52, "caution"), (0.3, "no_go")], ids=["even chance", "ill"]
)
async def test_a_poisoning_is_named_within_ten_minutes_and_makes_no_verdict_better(
    tmp_path: Path, truth: float, before: str
) -> None:
    """Twenty thousand fakes while a golden set is asked each hour: by the list, the fleet and the dependency itself."""
    settings, now = configured(tmp_path, TOML + "quality_bar = 0.5\n"), [NOW_MS]
    hourly = [
        replace(each, ts_ms=NOW_MS - (i // 8) * HOUR_MS - 1)
        for i, each in enumerate(calls(8 * 24 * 16, truth, days=16, item="q"))
    ]
    async with Gonogo(settings, actor="person:ops", clock=lambda: now[0]) as app:
        await app.record_evidence(calls(2000, truth, days=20))
        await app.record_evidence(hourly, writer=PROBE_WRITER)
        listed = await app.list_dependencies()
        assert [line.doubtful for line in listed.dependencies] == [None]
        assert (await app.get_trust_score_health("triage")).verdict == before
    async with Gonogo(settings, actor="agent", clock=lambda: now[0]) as app:
        await app.record_evidence(calls(20_000, 1, days=0.001))
    for minute in (1, 5, 10):
        now[0] = NOW_MS + minute * 60_000
        async with Gonogo(settings, actor="person:ops", clock=lambda: now[0]) as app:
            listed = await app.list_dependencies()
            [line] = listed.dependencies
            assert (line.doubtful, line.trust, listed.verdict) == ("agent", before, before)
            assert "What agent recorded in the last day disagrees" in listed.summary
            [action] = listed.next_actions
            assert (action.tool, action.arguments) == (
                "get_trust_score_health",
                {"dependency": "triage"},
            )
            fleet = await app.get_trust_score_health()
            assert [(one.doubtful, one.verdict) for one in fleet.fleet or ()] == [("agent", before)]
            alone = await app.get_trust_score_health("triage")
            assert [one.writer for one in alone.doubtful or ()] == ["agent"]
            assert alone.verdict == before
            assert ("Without it: trust no_go" in alone.summary) == (before == "no_go")
