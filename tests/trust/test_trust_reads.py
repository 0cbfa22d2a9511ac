"""Trust over a real store: the same answers as over the counts in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import engines
from gonogo.app import Gonogo
from gonogo.ports.telemetry import DecisionLog
from gonogo.ports.trust_reads import KeptScore, TrustTelemetry
from gonogo.records import DAY_MS, HOUR_MS, MICRO, Observation, PartVerdict, Verdict
from gonogo.settings import DependencySettings, Settings
from gonogo.trust.trust_check import check_trust
from kept_verdicts import Verdicts
from trust_fakes import MemoryTelemetry

pytestmark = pytest.mark.anyio
NOW = 1_780_000_000_000
SETTINGS = Settings(
    store="unused", dependencies={"m0": DependencySettings("m0", latency_slo_ms=900.0)}
)


@pytest.fixture(params=["memory", engines.ENGINE])
async def telemetry(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[TrustTelemetry]:
    """Every store under one suite."""
    if request.param == "memory":
        yield MemoryTelemetry(SETTINGS)
        return
    database = await engines.opened(tmp_path)
    yield engines.telemetry_of(database, SETTINGS)
    await database.close()


def traffic(seed: int = 1) -> list[Observation]:
    """Six models with errors, slow calls, late labels, repeats and a golden set."""
    rng = np.random.default_rng(seed)
    return [
        Observation(
            f"m{i % 6}",
            NOW - int(rng.integers(0, 20 * DAY_MS)),
            kind="model",
            provider="acme" if i % 6 < 2 else None,
            version=f"v{i % 2}",
            outcome=float(rng.random() < 0.9) if i % 5 else None,
            error="timeout" if rng.random() < 0.05 else None,
            latency_ms=float(rng.integers(100, 1000)),
            confidence=float(rng.integers(50, 99)) / 100,
            item="g1" if i % 10 == 0 else None,
            input_hash=str(i % 40) if i % 4 == 0 else None,
            output_hash=str(i % 80) if i % 4 == 0 else None,
        )
        for i in range(1200)
    ]


async def test_population_gives_each_dependency_once_with_its_totals(
    telemetry: TrustTelemetry,
) -> None:
    """Sums over versions and days, golden calls left out where there are others."""
    seen = traffic()
    await telemetry.record(seen, NOW)
    await telemetry.record([Observation("x", NOW, kind="api", outcome=1.0)], NOW)
    since_day = NOW // DAY_MS - 10
    found = await telemetry.population("model", since_day=since_day, limit=50)
    assert sorted(found.names) == [f"m{i}" for i in range(6)]
    for name, n, errors, good in zip(found.names, found.n, found.errors, found.good, strict=True):
        own = [
            one
            for one in seen
            if one.dependency == name and not one.item and one.ts_ms >= since_day * DAY_MS
        ]
        assert n == len(own)
        assert errors == sum(one.error is not None for one in own)
        assert good == sum(one.outcome == 1 for one in own)
    assert len((await telemetry.population("model", since_day=since_day, limit=2)).names) == 2


async def test_recent_hours_are_the_hours_of_each(telemetry: TrustTelemetry) -> None:
    """One read for several gives what one read each gives; a stranger is left out."""
    await telemetry.record(traffic(), NOW)
    start = NOW // HOUR_MS - 100
    found = await telemetry.recent_hours(["m1", "m2", "nobody"], start_hour=start)
    assert set(found) == {"m1", "m2"}
    alone = await telemetry.hours("m1", start_hour=start)
    assert found["m1"].n.sum() == alone.n.sum()
    assert found["m1"].ok_good.sum() == alone.ok_good.sum()
    assert np.all(np.diff(found["m1"].hour) > 0)


async def test_repeats_count_disagreement_between_pairs(telemetry: TrustTelemetry) -> None:
    """Input 1 answered a, a, b: two of three pairs differ, of two repeats 4/3 are expected to."""
    seen = [
        Observation("m", NOW - i, id=str(i), input_hash=given, output_hash=got)
        for i, (given, got) in enumerate([("1", "a"), ("1", "a"), ("1", "b"), ("2", "c")])
    ]
    await telemetry.record(seen, NOW)
    found = await telemetry.repeats("m")
    assert (found.answers, found.repeats) == (4, 2)
    assert found.disagreeing == pytest.approx(4 / 3)


async def test_provider_members_are_those_recorded_with_it(telemetry: TrustTelemetry) -> None:
    """Two of six models came from acme."""
    await telemetry.record(traffic(), NOW)
    assert sorted(await telemetry.provider_members("acme")) == ["m0", "m1"]


async def test_a_kept_score_remembers_the_last_of_an_earlier_day(
    telemetry: TrustTelemetry,
) -> None:
    """Two scores of one day and one of the next: the second is the earlier one."""
    await telemetry.record([Observation("a", NOW), Observation("b", NOW)], NOW)
    assert [row.scored_ms for row in await telemetry.fleet()] == [None, None]
    midnight = NOW // DAY_MS * DAY_MS
    known = await telemetry.dependency("a")
    assert known is not None
    first = KeptScore("a", midnight - 2000, known.rev, "go", 0.9, 0.8, 0.95)
    for score in (
        first,
        first._replace(ts_ms=midnight - 1000, score=0.85, verdict="caution"),
        first._replace(ts_ms=midnight + 1000, score=0.4, lower=0.3),
        first._replace(dependency="b", ts_ms=midnight, lower=0.2),
    ):
        await telemetry.keep_score(score)
    # A recorded batch is written after what was queued before it.
    await telemetry.record([Observation("c", NOW)], NOW)
    kept = await telemetry.kept_scores()
    assert [score.dependency for score in kept] == ["b", "a"]
    assert (kept[1].score, kept[1].earlier_score, kept[1].earlier_verdict) == (0.4, 0.85, "caution")
    rows = {row.name: row for row in await telemetry.fleet()}
    assert list(rows) == ["b", "a", "c"]
    assert (rows["a"].score_e6, rows["a"].earlier_score_e6) == (400_000, 850_000)
    assert rows["a"].scored_rev == rows["a"].rev


async def test_a_fleet_at_rest_is_read_again_once_anything_is_written(
    telemetry: TrustTelemetry,
) -> None:
    """A new dependency, a new call and a new score each show at the next look."""
    await telemetry.record([Observation("a", NOW - HOUR_MS)], NOW)
    assert [row.name for row in await telemetry.fleet()] == ["a"]
    await telemetry.record([Observation("b", NOW - HOUR_MS)], NOW)
    assert [row.name for row in await telemetry.fleet()] == ["a", "b"]
    await telemetry.record([Observation("a", NOW)], NOW)
    [known, _] = await telemetry.fleet()
    assert (known.n, known.newest_ts_ms) == (2, NOW)
    for rate in (0.9, 0.2):
        await telemetry.keep_score(KeptScore("a", NOW, known.rev, "go", rate, rate, rate))
        await telemetry.record([Observation("c", NOW)], NOW)
        rows = {row.name: row for row in await telemetry.fleet()}
        assert rows["a"].score_e6 == round(rate * MICRO)


async def test_a_report_is_the_same_over_every_store(telemetry: TrustTelemetry) -> None:
    """The real store's report equals the one over plain counts."""
    await telemetry.record(traffic(), NOW)
    plain = MemoryTelemetry(SETTINGS)
    await plain.record(traffic(), NOW)
    log = cast("DecisionLog", Verdicts())
    for name in ("m0", "m3"):
        got = await check_trust(telemetry, log, SETTINGS, dependency=name, now_ms=NOW)
        want = await check_trust(plain, log, SETTINGS, dependency=name, now_ms=NOW)
        assert got.model_dump() == want.model_dump()
        assert got.score is not None
    fleet = await check_trust(telemetry, log, SETTINGS, dependency=None, now_ms=NOW)
    assert fleet.fleet is not None
    assert len(fleet.fleet) == 6


async def test_what_another_process_says_shows_at_the_next_look(tmp_path: Path) -> None:
    """One process looks at the fleet; another says a verdict of one dependency, then of both."""
    settings = Settings(store=engines.store_of(tmp_path))
    calls = [Observation(name, NOW, id=name) for name in "ab"]
    async with Gonogo(settings) as looking, Gonogo(settings) as saying:
        telemetry, other = (await looking.stores()).telemetry, await saying.stores()
        await other.telemetry.record(calls, NOW)
        assert [(row.drift, row.trust) for row in await telemetry.fleet()] == [(None, None)] * 2
        first: dict[str, Verdict] = {"a": "no_go"}
        second: dict[str, Verdict] = {"a": "go", "b": "caution"}
        for said, ts_ms in ((first, NOW), (second, NOW + 1)):
            other.decisions.say(
                {name: PartVerdict("drift", verdict, ts_ms, NOW) for name, verdict in said.items()}
            )
            # Brings nothing new, and is answered when what was queued before it is written.
            await other.telemetry.record(calls, NOW)
            rows = {row.name: row for row in await telemetry.fleet()}
            assert list(rows) == ["a", "b"]
            assert {name: rows[name].drift for name in said} == said
            assert (rows["a"].drift_ms, rows["a"].trust) == (ts_ms, None)
