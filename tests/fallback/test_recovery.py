"""The way back: by stages on evidence, away again at once, renewed or held, never blindly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import anyio
import numpy as np
import pytest

from fallback_world import DAY, FEW, HOUR, ILL, MINUTE, NOW, WELL, World, rate, world
from flap_world import sixty_days
from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.app import Gonogo
from gonogo.fallback.recover import judge
from gonogo.fallback.route import get_route
from gonogo.incidents.handle import VerdictReading, get_incidents, note_verdict
from gonogo.ports.routes import WHOLE
from gonogo.records import PartVerdict
from gonogo.settings import DependencySettings, Settings

pytestmark = pytest.mark.anyio

STAGES = [500, 2_500, 5_000, WHOLE]


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A dependency whose fallback keeps 1 % on the primary; its clock stands within an hour."""
    async with world(tmp_path, recovery_share=0.01) as made:
        yield made


async def share(w: World) -> int:
    """What the primary gets, by the store and by the route file alike."""
    route = await w.routes.route("m")
    assert route is not None
    seen = await w.ports.actuators["routes"].read("m")
    assert (seen.targets, seen.epoch) == (route.targets, route.epoch)
    return route.primary_share


async def test_the_plan_says_what_stays_and_how_it_comes_back(w: World) -> None:
    """1 % stays unless a share is stated; a split and a full leave have no way back of their own."""
    plan = await w.plan()
    assert [(t.target, t.share) for t in plan.to] == [("m", 0.01), ("v2", 0.99)]
    assert plan.way_back is not None
    assert plan.way_back.startswith("1% stays on m ")
    assert "this is a split" in ((await w.plan(share=0.25)).way_back or "")
    assert "cannot be seen" in ((await w.plan(share=1.0)).way_back or "")
    refused = await w.plan(to="refuse")
    assert [(t.target, t.share) for t in refused.to] == [("refuse", 1.0)]


async def test_it_comes_back_stage_by_stage_on_the_evidence_of_each(w: World) -> None:
    """5, 25, 50, 100 %, an hour each at least; every step is read back, audited and said."""
    look = VerdictReading("m", "no_go", "it got worse", NOW, e_value=9e9, needed=1e5)
    await note_verdict(w.incidents, look, new_id=w.ports.new_id)
    await w.switched()
    w.health.rates = WELL
    assert [seen.move for seen in await w.recovered()] == ["wait"]  # not within the first hour
    for wanted in STAGES:
        w.now_ms += HOUR
        seen = await w.recovered()
        assert [s.move for s in seen] == ["advance"]
        assert f"{wanted / WHOLE:.0%} back on it: 1.0% errors in 100 calls (" in seen[0].why
        assert await share(w) == wanted
        assert wanted == WHOLE or [s.move for s in await w.recovered()] == ["wait"]
    assert await w.recovered() == []
    route = await w.routes.route("m")
    assert route is not None
    assert (route.is_primary, route.expires_ms, route.epoch) == (True, None, 5)
    assert [e.kind for e in await w.actions()].count("recover") == 8  # begun and done, four times
    assert {e.actor for e in await w.actions() if e.kind == "recover"} == {"gonogo"}
    assert (await w.decisions.verify()).broken_at is None
    [incident] = (
        await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    ).incidents
    told = [event.event for event in incident.timeline[2:]]
    assert [text.split(" back on it")[0] for text in told] == [
        *("m is well, 5%", "m is well, 25%", "m is well, 50%"),
        "recovering: m is well, 100%",
    ]


async def test_keys_come_back_and_none_leaves_while_the_share_grows(w: World) -> None:
    """The salt stays: whoever is back on the primary stays there."""
    from gonogo.routes.split import key_place, pick

    await w.switched()
    w.health.rates = WELL
    back: set[str] = set()
    for _ in STAGES:
        w.now_ms += HOUR
        await w.recovered()
        route = await w.routes.route("m")
        assert route is not None
        keys = [f"user-{number}" for number in range(500)]
        now = {k for k in keys if pick(route.targets, key_place(route.salt, k)).target == "m"}
        assert back <= now
        back = now


@pytest.mark.parametrize("why", ["evidence", "first hour", "outage"])
async def test_a_bad_stage_leads_back_to_the_fallback_at_once(w: World, why: str) -> None:
    """No dwell, no rate limit; the next attempt has to show more."""
    await w.switched()
    w.health.rates = WELL
    w.now_ms += HOUR
    await w.recovered()
    assert await share(w) == 500
    w.now_ms += MINUTE
    if why == "outage":
        w.health.down = {"m"}
    else:
        w.health.rates = ILL if why == "evidence" else [rate(0, 0, now=(40, 20))]
    assert [seen.move for seen in await w.recovered()] == ["leave"]
    assert await share(w) == 100
    route = await w.routes.route("m")
    assert route is not None
    assert route.recovery is not None
    assert route.recovery.tried == 1
    assert "is not well on trial" in route.why


async def test_only_what_had_fallen_has_to_show_that_it_is_well() -> None:
    """After an outage nobody waits for outcomes; they may not speak against it either."""
    thin = rate(3, 0, fell=False)
    assert judge([*WELL, thin], tried=0, is_trying=False).is_well
    assert not judge([*WELL, rate(9, 3, fell=False)], tried=0, is_trying=False).is_well
    assert not judge([rate(100, 1, fell=False), thin], tried=0, is_trying=False).is_well
    assert not judge([], tried=0, is_trying=False).is_well


async def test_a_fallback_that_is_due_is_tested_again_and_never_reverted(w: World) -> None:
    """Still ill: renewed three times, said each time. Then, and where nothing is known, it holds."""
    look = VerdictReading("m", "no_go", "it got worse", NOW, e_value=9e9, needed=1e5)
    await note_verdict(w.incidents, look, new_id=w.ports.new_id)
    await w.switched()
    for number in (1, 2, 3):
        w.now_ms += DAY
        w.health.rates = ILL
        assert [seen.move for seen in await w.recovered()] == ["renew"]
        assert await share(w) == 100
        route = await w.routes.route("m")
        assert route is not None
        assert (route.renewals, route.expires_ms) == (number, w.now_ms + DAY)
        assert (await w.actions())[0].summary.startswith(f"m is still ill, renewed {number} of 3")
    w.now_ms += DAY
    seen = await w.recovered()
    assert (seen[0].move, "a person has to decide" in seen[0].why) == ("wait", True)
    await w.recovered()
    [incident] = (
        await get_incidents(w.incidents, w.ports.decisions, w.settings, now_ms=NOW)
    ).incidents
    told = [event.event.split(":")[0] for event in incident.timeline]
    assert (incident.status, told) == ("open", ["opened", "mitigated", "open again"])
    w.health.rates = FEW
    seen = await w.recovered()
    assert (seen[0].move, "not known whether m is well" in seen[0].why) == ("wait", True)
    assert await share(w) == 100
    asked = PartVerdict("drift", "go", w.now_ms)
    w.ports.decisions.say(dict.fromkeys(w.settings.dependency("m").fallback, asked))
    answer = await get_route(w.configured, dependency="m", key="k", now_ms=w.now_ms)
    assert answer.verdict == "caution"
    assert "renewed 3 of 3 times; it is due for another look" in answer.why


async def test_people_keep_routes_where_they_are(w: World) -> None:
    """Held, split, or denied by now: no automation touches it, however good the evidence."""
    await w.switched()
    w.health.rates = WELL
    w.now_ms += HOUR
    await w.held("we are migrating")
    assert await w.recovered() == []
    await w.held(None)
    w.with_policy("deny")
    assert await w.recovered() == []
    w.with_policy("ask")
    await w.switched(to="v2", share=0.5)
    w.now_ms += HOUR
    assert await w.recovered() == []


async def test_a_relapse_has_to_show_more_next_time(w: World) -> None:
    """Fallen again within a week of coming back: the trials go on where they were."""
    await w.switched()
    w.health.rates = WELL
    for _ in STAGES:
        w.now_ms += HOUR
        await w.recovered()
    w.now_ms += DAY
    plan = await w.plan()
    assert isinstance(await w.approved(plan.plan_id), FallbackResult)
    route = await w.routes.route("m")
    assert route is not None
    assert route.recovery is not None
    assert route.recovery.tried == 2


async def test_two_watchers_take_one_step(tmp_path: Path) -> None:
    """Both see the same evidence at the same moment; the route moves by one stage."""
    async with (
        world(tmp_path, recovery_share=0.01) as one,
        world(tmp_path, recovery_share=0.01) as other,
    ):
        await one.switched()
        for _ in range(2):
            for w in (one, other):
                w.now_ms += HOUR
                w.health.rates = WELL
            async with anyio.create_task_group() as both:
                both.start_soon(one.recovered)
                both.start_soon(other.recovered)
        assert await share(one) == 2_500
        assert len(await one.routes.switches("m", since_ms=0)) == 3
        assert (await one.decisions.verify()).broken_at is None


async def test_a_step_whose_process_died_is_finished_by_the_reconciler(w: World) -> None:
    """It is a plan like any other: begun means wanted."""
    await w.switched()
    w.health.rates = WELL
    w.now_ms += HOUR
    broken = replace(w.ports, actuators={})
    whole, w.ports = w.ports, broken
    await w.recovered()
    w.ports = whole
    assert (await whole.actuators["routes"].read("m")).epoch == 1
    w.now_ms += MINUTE
    await w.reconciled()
    assert await share(w) == 500


def outage_settings(folder: Path) -> Settings:
    """A dependency that may be switched without asking."""
    own = DependencySettings("m", fallback=("v2",), fallback_policy="allow", recovery_share=0.05)
    store = str(folder / "gonogo.db")
    return Settings(store=store, dependencies=MappingProxyType({"m": own}))


async def test_an_outage_from_the_first_error_to_the_last_stage(tmp_path: Path) -> None:
    """The whole product on recorded calls: down, fallback without statistics, and back in hours."""
    now = NOW
    rng = np.random.default_rng(3)
    settings = outage_settings(tmp_path)
    async with (
        Gonogo(settings, clock=lambda: now) as app,
        Gonogo(settings, clock=lambda: now, actor="otlp") as traffic,
    ):

        async def hours(n: int, *, down: bool) -> None:
            nonlocal now
            for _ in range(n):
                route = await (await app.stores()).routes.route("m")
                part = route.primary_share / WHOLE if route else 1.0
                calls = [("m", max(5, int(100 * part)), down), ("v2", 30, False)]
                await traffic.record_observations(
                    [
                        {
                            "dependency": name,
                            "ts": (now + int(at * HOUR)) / 1000,
                            **({"error": "http_503"} if bad and at < 0.9 else {"outcome": True}),
                        }
                        for name, count, bad in calls
                        for at in rng.random(count)
                    ]
                )
                now += HOUR
                await app.recover()

        await hours(96, down=False)
        await hours(1, down=True)
        plan = await app.trigger_fallback("m", reason="it is down")
        assert isinstance(plan, FallbackPlan)
        assert {c.check: c.why for c in plan.checks}["target_health"] == (
            "outage: v2 answers (0 of its newest 30 calls failed)"
        )
        done = await app.trigger_fallback("m", plan_id=plan.plan_id)
        assert isinstance(done, FallbackResult)
        await hours(6, down=True)
        route = await (await app.stores()).routes.route("m")
        assert route is not None
        assert route.primary_share == 500
        waited = 0
        while route is not None and not route.is_primary:
            await hours(1, down=False)
            waited += 1
            assert waited < 24
            route = await (await app.stores()).routes.route("m")
        last = (await app.decisions(kind="recover", limit=1))[0]
        assert json.loads(last.inputs)["approved_by"]["how"] == "evidence"


async def test_at_the_threshold_the_route_does_not_flap(tmp_path: Path) -> None:
    """Sixty days halfway between well and ill: at most two switches; a daily bar makes many."""
    found = await sixty_days(tmp_path, accuracy=0.917, calls_a_day=204, seed=1)
    assert found.switches <= 2
    assert found.naive >= 10
