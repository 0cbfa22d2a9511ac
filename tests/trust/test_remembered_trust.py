"""A trust report that is remembered says what one made anew would say, at every moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from drift_world import World, calls, open_world
from gonogo.answers import TrustReport
from gonogo.app import Gonogo
from gonogo.records import HOUR_MS, Observation
from gonogo.settings import DependencySettings
from gonogo.trust.trust_check import check_trust

pytestmark = pytest.mark.anyio


async def asked_anew(world: World) -> TrustReport:
    """The answer where nothing is remembered."""
    stores = await world.app.stores()
    return await check_trust(
        stores.telemetry,
        stores.decisions,
        world.app.settings,
        dependency="m",
        now_ms=world.now_ms,
    )


async def same(world: World) -> TrustReport:
    """The answer as it is asked for, which must be the one made anew."""
    report = await world.app.get_trust_score_health("m")
    again = await world.app.get_trust_score_health("m")
    anew = (await asked_anew(world)).model_dump(exclude={"decision_id"})
    for one in (report, again):
        assert one.model_dump(exclude={"decision_id"}) == anew
    return report


async def test_time_alone_turns_an_answer_when_it_is_due(tmp_path: Path) -> None:
    """Memories fade with the hour, and data grow stale within one: asked every seven minutes."""
    own = DependencySettings("m", kind="model", stale_after_s=3 * 3600 + 20 * 60)
    async with open_world(tmp_path, m=own) as world:
        await world.record(calls("m", 3, 0.06, a_day=48))
        verdicts = []
        for _ in range(50):
            world.now_ms += 7 * 60_000
            verdicts.append((await same(world)).verdict)
    assert verdicts[0] == "go"
    assert verdicts[-1] == "unknown"


async def test_new_evidence_on_it_and_below_it_is_seen_at_once(tmp_path: Path) -> None:
    """Recorded by another process, on the dependency and on what it stands on."""
    own = {
        "m": DependencySettings("m", depends_on=("below",)),
        "below": DependencySettings("below", depends_on=("deepest",)),
    }
    async with open_world(tmp_path, **own) as world:
        for name in ("m", "below", "deepest"):
            await world.record(calls(name, 3, 0.02))
        assert (await same(world)).verdict == "go"
        async with Gonogo(world.app.settings, clock=lambda: world.now_ms) as other:
            await other.record_evidence(failures("deepest", world.now_ms))
        report = await same(world)
        assert report.verdict == "no_go"
        assert report.upstream is not None
        assert report.upstream[0].startswith("deepest, through below: trust no_go")
        await world.app.record_evidence(failures("m", world.now_ms))
        assert (await same(world)).score != report.score


async def test_a_provider_that_fails_is_seen_at_once(tmp_path: Path) -> None:
    """Its other dependencies' evidence is evidence about this one."""
    async with open_world(tmp_path) as world:
        for name in ("m", "other"):
            await world.record(
                [
                    Observation(o.dependency, o.ts_ms, provider="acme", outcome=o.outcome)
                    for o in calls(name, 5, 0.02)
                ]
            )
        assert (await same(world)).provider_suspected is None
        await world.app.record_evidence(failures("m", world.now_ms))
        assert (await same(world)).provider_suspected is None
        await world.app.record_evidence(failures("other", world.now_ms))
        found = (await same(world)).provider_suspected
    assert found is not None
    assert found.dependencies == ["m", "other"]


def failures(name: str, now_ms: int) -> list[Observation]:
    """An outage of the hour."""
    return [Observation(name, now_ms - i * HOUR_MS // 100, error="http_503") for i in range(60)]
