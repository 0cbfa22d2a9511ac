"""Nobody's own word carries a promotion on: what who asked for it recorded of it, a person weighs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gonogo.app import Gonogo
from promotion_world import Lives, lives

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def an_agent_beside(m: Lives) -> AsyncIterator[Lives]:
    """The same dependency, at the same time, as an agent with the tools sees it."""
    async with Gonogo(m.app.settings, clock=lambda: m.now[0], actor="agent:eve") as app:
        yield Lives(app, m.now, made=1_000_000)


async def begun_by(agent: Lives) -> None:
    """The agent plans and confirms the promotion of v2."""
    plan = await agent.planned()
    await agent.app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)


@pytest.mark.parametrize("theirs", ["v2", "v1"])
async def test_who_asks_cannot_vouch(tmp_path: Path, theirs: str) -> None:
    """Praise of the candidate, or blame of what serves: the step waits for a person, who reads why."""
    async with lives(tmp_path, policy="allow") as m, an_agent_beside(m) as eve:
        await begun_by(eve)
        assert (await m.promotion()).asked_by == ("agent:eve",)
        for _ in range(20):
            serves, tried = (60, 0) if theirs == "v1" else (0, 60)
            await eve.live(1, v1=serves, v2=tried, bad_every=1_000)
            m.now[0] -= 3_600_000
            await m.live(1, v1=20, v2=20)
            seen = await m.looked()
            if seen.move != "wait":
                break
        assert seen.move == "ask"
        assert "an agent (eve), who asked for it, recorded" in seen.why
        assert len((await m.promotion()).stages) == 1
        told = await m.app.get_incidents()
        assert [plan.dependency for plan in told.waiting_plans or ()] == ["m"]


@pytest.mark.parametrize("how", ["only asks", "a person begins it"])
async def test_others_records_and_a_persons_yes_carry_it_on(tmp_path: Path, how: str) -> None:
    """The application's calls do, whoever asked; and where a person lets it begin, so do all."""
    async with lives(tmp_path, policy="allow") as m, an_agent_beside(m) as eve:
        if how == "only asks":
            await begun_by(eve)
            await eve.live(1, v1=0, v2=1)
        else:
            await m.begun()
        recorder = m if how == "only asks" else eve
        for _ in range(20):
            await recorder.live(1, v1=20, v2=20)
            if (await m.looked()).move != "wait":
                break
        assert len((await m.promotion()).stages) == 2
