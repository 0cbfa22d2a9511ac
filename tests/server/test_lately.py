"""A server works out what came while nobody waits, and looks at nothing while nobody asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from gonogo.app import ahead as lately
from gonogo.app.gonogo import Gonogo
from gonogo.hours.recent_answers import Recent
from gonogo.records import HOUR_MS, Observation
from gonogo.settings import Settings
from gonogo.store.sqlite.changes import SqliteChanges

pytestmark = pytest.mark.anyio

START_MS = 1_767_225_600_000


def calls(hours: range) -> list[Observation]:
    """Ten a hour, of which one is bad."""
    return [
        Observation(
            dependency="m",
            ts_ms=(ts_ms := START_MS + hour * HOUR_MS + at * 60_000),
            outcome=float(at > 0),
            outcome_ts_ms=ts_ms,
        )
        for hour in hours
        for at in range(10)
    ]


class World:
    """A server's application, another process's, and how often a check was worked out."""

    def __init__(self, path: Path) -> None:
        settings = Settings(store=str(path / "store.db"))
        self.now_ms = START_MS + 201 * HOUR_MS
        self.app = Gonogo(settings, clock=lambda: self.now_ms)
        self.other = Gonogo(settings, clock=lambda: self.now_ms)
        self.worked_out = 0

    async def write(self, hours: range) -> None:
        """By the other process."""
        await (await self.other.stores()).telemetry.record(calls(hours), self.now_ms)

    async def until_worked_out(self, times: int) -> None:
        """Wait for it."""
        with anyio.fail_after(10):
            while self.worked_out < times:  # noqa: ASYNC110 - what is waited for tells nobody
                await anyio.sleep(0.02)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """With two hundred hours of history."""
    made = World(tmp_path)

    keep = Recent.keep

    def counted(own: Recent[Any], *given: Any, **named: Any) -> None:  # noqa: ANN401 - as it takes
        made.worked_out += 1
        keep(own, *given, **named)

    monkeypatch.setattr(Recent, "keep", counted)
    async with made.app, made.other:
        await made.write(range(200))
        yield made


@asynccontextmanager
async def kept_ready(app: Gonogo) -> AsyncIterator[None]:
    """As the server does while it serves."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lately.keep_ready, app)
        yield
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("tool", ["check_model_drift", "get_trust_score_health"])
async def test_what_another_process_wrote_is_worked_out_before_it_is_asked_for(
    world: World, tool: str
) -> None:
    """The next question finds its answer made, and it is that of a process that made it now."""
    async with kept_ready(world.app):
        ask = getattr(world.app, tool)
        before = await ask("m", detail="full")
        assert world.worked_out == 1
        await world.write(range(200, 201))
        await world.until_worked_out(2)
        after, fresh = (
            await ask("m", detail="full"),
            await getattr(world.other, tool)("m", detail="full"),
        )
    assert world.worked_out == 3  # the last by the other process
    told = [answer.model_dump(exclude={"decision_id"}) for answer in (before, after, fresh)]
    assert told[1] == told[2] != told[0]


async def test_what_is_fixed_is_not_answered_again(world: World) -> None:
    """Two periods compared, and a moment in the past."""
    async with kept_ready(world.app):
        await world.app.check_model_drift("m", until="2026-01-05")
        await world.app.check_model_drift("m", since="2026-01-05")
        await world.write(range(200, 201))
        await anyio.sleep(0.8)
    assert world.worked_out == 2


async def test_nothing_is_looked_at_while_nobody_asks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before the first question nor some time after the last."""
    looks, changes = list[SqliteChanges](), SqliteChanges.changes

    def looked(own: SqliteChanges) -> AsyncGenerator[None]:
        looks.append(own)
        return changes(own)

    monkeypatch.setattr(SqliteChanges, "changes", looked)
    monkeypatch.setattr(lately, "LATELY_S", 0.2)
    async with kept_ready(world.app):
        await anyio.sleep(0.3)
        assert looks == []
        await world.app.check_model_drift("m")
        await anyio.sleep(0.6)
        seen = len(looks)
        assert seen > 0
        await world.write(range(200, 201))
        await anyio.sleep(0.8)
    assert (len(looks), world.worked_out) == (seen, 1)


async def test_it_takes_a_twentieth_of_a_processor_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process writes all the time, and only the newest few questions."""
    slept = []
    sleep = anyio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(min(seconds, 0.01))

    async def slow() -> None:
        await sleep(0.05)

    async def writes(_: SqliteChanges) -> AsyncIterator[None]:
        for _time in range(3):
            yield

    monkeypatch.setattr(SqliteChanges, "changes", writes)
    for number in range(lately.QUESTIONS_MAX + 3):
        world.app.lately.asked(number, slow)
    monkeypatch.setattr(anyio, "sleep", noted)
    await lately._follow(world.app)
    assert len(world.app.lately.questions()) == lately.QUESTIONS_MAX
    assert len(slept) == 3
    assert min(slept) >= lately.QUESTIONS_MAX * 0.05 / lately.SHARE_MAX


async def test_a_store_that_was_closed_stays_closed(world: World) -> None:
    """What another process writes opens it no more, until somebody asks."""
    async with kept_ready(world.app):
        await world.app.check_model_drift("m")
        await anyio.sleep(0.2)
        await world.app.close()
        await world.write(range(200, 201))
        await anyio.sleep(1.2)
        assert world.app._stores is None
        assert world.worked_out == 1
        await world.app.check_model_drift("m")
        await world.write(range(201, 202))
        await world.until_worked_out(3)
