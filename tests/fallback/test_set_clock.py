"""The machine's clock is set while a plan waits or a fallback is in force: each keeps the time that it had left.

A store file alone: at PostgreSQL it is the server's clock that counts (tests/peers/test_postgres_clocks.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engines
from fallback_world import DAY, HOUR, NOW, WELL, World, world
from gonogo import clock
from gonogo.answers import FallbackPlan, FallbackResult
from gonogo.errors import ActionRefused
from gonogo.fallback.route import get_route

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(engines.ADDRESS is not None, reason="there it is the server's clock"),
]

JUMPS = [400 * DAY, -400 * DAY, 9 * HOUR, -9 * HOUR, 40 * 365 * DAY]


class Running:
    """The clock that nobody sets; the other is `w.now_ms`."""

    def __init__(self, w: World) -> None:
        self._world, self.ms = w, 1000 * DAY

    def on(self, ms: int) -> None:
        """Time passes, by either clock."""
        self._world.now_ms += ms
        self.ms += ms


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A dependency whose fallback keeps 1 % on the primary."""
    async with world(tmp_path, recovery_share=0.01) as made:
        yield made


@pytest.fixture
def run(w: World, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The machine of `w`."""
    running = Running(w)
    monkeypatch.setattr(clock, "_boot", lambda: "this start")
    monkeypatch.setattr(clock, "wall_clock_ms", lambda: w.now_ms)
    monkeypatch.setattr(clock, "running_ms", lambda: running.ms)
    return running


async def is_due(w: World) -> bool:
    """Whether the route's fallback is due for another look."""
    answer = await get_route(w.configured, dependency="m", now_ms=w.now_ms)
    assert answer.expires_at is not None
    due = "due for another look" in answer.why
    assert due == (answer.as_of >= answer.expires_at)
    return due


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_plan_waits_as_long_as_it_was_to(w: World, run: Running, jump: int) -> None:
    """It says one end by either clock, is carried out before it, and refused after it."""
    first, second = await w.plan(), await w.plan(to="rules:basic")
    w.now_ms += jump
    waiting = await w.routes.waiting(now_ms=w.now_ms)
    assert {plan.id for plan in waiting} == {first.plan_id, second.plan_id}
    pending = await w.apply(first.plan_id, confirmed_by=None)
    assert isinstance(pending, FallbackPlan)
    assert f"until {pending.expires_at[:16]}" in pending.summary
    assert isinstance(await w.apply(first.plan_id), FallbackResult)
    third = await w.plan(to="rules:basic")
    run.on(DAY)
    w.now_ms -= jump
    assert await w.routes.waiting(now_ms=w.now_ms) == []
    with pytest.raises(ActionRefused, match="expired at"):
        await w.apply(third.plan_id)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_fallback_is_due_when_its_day_has_run(w: World, run: Running, jump: int) -> None:
    """Neither at once nor in a year, whatever was written meanwhile by either clock."""
    await w.switched()
    w.now_ms += jump
    assert not await is_due(w)
    await w.held("the deploy first")
    await w.held(None)
    run.on(DAY - HOUR)
    assert not await is_due(w)
    w.now_ms -= jump
    assert not await is_due(w)
    run.on(HOUR)
    assert await is_due(w)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_stage_of_the_way_back_lasts_its_hour(w: World, run: Running, jump: int) -> None:
    """Not skipped by a clock that is put forward, not stuck where it is put back."""
    await w.switched()
    w.health.rates = WELL
    run.on(HOUR // 2)
    w.now_ms += jump
    assert [seen.move for seen in await w.recovered()] == ["wait"]
    run.on(HOUR // 2)
    assert [seen.move for seen in await w.recovered()] == ["advance"]
    w.now_ms -= jump
    assert [seen.move for seen in await w.recovered()] == ["wait"]
    run.on(HOUR)
    assert [seen.move for seen in await w.recovered()] == ["advance"]


@pytest.mark.parametrize("jump", JUMPS)
async def test_the_limit_of_two_switches_is_of_a_day(w: World, run: Running, jump: int) -> None:
    """No third is to be had by setting the clock, and none is refused once the day has run."""
    for target in ("v2", "rules:basic"):
        await w.switched(to=target, share=1.0)
        run.on(HOUR)
    w.now_ms += jump
    limited = await w.plan(to="v2", share=1.0)
    assert "rate_limit" in [check.check for check in limited.checks if not check.passed]
    await w.held("a write")
    await w.held(None)
    w.now_ms -= jump
    run.on(DAY)
    free = await w.plan(to="v2", share=1.0)
    assert "rate_limit" not in [check.check for check in free.checks if not check.passed]


async def test_after_another_start_what_is_dated_ahead_counts_from_then_on(
    w: World, run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was a year ahead before: nothing waits for that year."""
    w.now_ms += 365 * DAY
    plan = await w.plan(to="rules:basic")
    await w.switched()
    monkeypatch.setattr(clock, "_boot", lambda: "another start")
    w.now_ms = NOW
    await w.plan(to="rules:basic", share=0.5)
    assert not await is_due(w)
    run.on(DAY)
    assert await is_due(w)
    assert await w.routes.waiting(now_ms=w.now_ms) == []
    with pytest.raises(ActionRefused, match="expired at"):
        await w.apply(plan.plan_id)
