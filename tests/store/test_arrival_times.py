"""When calls came: refused rows are weighed against those that were taken on the same days."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engines
from gonogo.app import Gonogo
from gonogo.app.taking_back import forget
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.forget import Selection
from gonogo.store.reads.trust_store import recorded_by
from gonogo.store.sqlite.connection import FileConnection

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000  # 2026-01-01, noon
DAYS = 40
A_DAY = 200


class World:
    """A dependency whose calls come day by day, and the clock of who records them."""

    def __init__(self, app: Gonogo, clock: list[int]) -> None:
        self.app, self.clock = app, clock

    async def day(self, n: int, *, back_ms: int = 0) -> None:
        """So many calls come now; when they were."""
        times = [self.clock[0] - back_ms - i * 60_000 for i in range(n)]
        calls = [
            Observation("m", ts_ms, outcome=float(i % 20 != 0), outcome_ts_ms=ts_ms)
            for i, ts_ms in enumerate(times)
        ]
        await self.app.record_evidence(calls, writer="otlp")

    async def refuse(self, n: int) -> None:
        """So many rows are sent that cannot be taken."""
        await self.app.record_observations([{"dependency": "m", "outcome": "kaputt"}] * n)
        await (await self.app.stores()).db.settled()

    async def taken(self) -> int | None:
        """How many the refused ones are weighed against."""
        mark = await (await self.app.stores()).telemetry.mark("m")
        assert mark is not None
        assert mark.refused is not None
        return mark.refused.taken

    async def rows(self, table: str) -> int:
        """How many rows a table has."""

        def count(connection: Connection) -> int:
            (n,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - the test's own
            return int(n)

        return await (await self.app.stores()).db.read(count)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Forty days of calls, as they happened."""
    clock = [NOW_MS - DAYS * DAY_MS]
    async with Gonogo(Settings(store=engines.store_of(tmp_path)), clock=lambda: clock[0]) as app:
        made = World(app, clock)
        for _ in range(DAYS):
            clock[0] += DAY_MS
            await made.day(A_DAY)
        yield made


async def test_a_loss_of_late_is_one_of_few(world: World) -> None:
    """Of the day's rows a third did not come: all that came before says nothing of it."""
    assert (await world.app.check_model_drift("m")).verdict == "go"
    await world.refuse(A_DAY // 2)
    assert await world.taken() == A_DAY
    report = await world.app.check_model_drift("m")
    assert (report.status, report.verdict) == ("stable", "caution")
    assert "too many to say go" in report.summary
    for _ in range(6):
        world.clock[0] += DAY_MS
        await world.day(A_DAY)
    assert (await world.app.check_model_drift("m")).verdict == "go"


async def test_what_was_not_counted_is_not_told(world: World) -> None:
    """Calls that came before the store counted them: as if all since the baseline had come with the rest."""

    def uncount(connection: Connection) -> None:
        connection.execute("DELETE FROM arrival_day")

    await (await world.app.stores()).db.write(uncount)
    await world.refuse(A_DAY // 2)
    assert await world.taken() is None
    assert (await world.app.check_model_drift("m")).verdict == "go"
    world.clock[0] += DAY_MS
    await world.day(A_DAY)
    assert await world.taken() is None


async def test_a_file_of_history_is_weighed_whole(tmp_path: Path) -> None:
    """It came on one day, with what was refused of it."""
    async with Gonogo(Settings(store=engines.store_of(tmp_path)), clock=lambda: NOW_MS) as app:
        world = World(app, [NOW_MS])
        for back in reversed(range(DAYS)):
            await world.day(A_DAY, back_ms=back * DAY_MS)
        await world.refuse(A_DAY // 2)
        assert await world.taken() == DAYS * A_DAY
        assert (await app.check_model_drift("m")).verdict == "go"


async def test_one_clock_that_was_ahead_takes_no_count(world: World) -> None:
    """And what is counted does not grow without end, also of hours of the past."""
    now_ms = world.clock[0]
    await world.day(1, back_ms=30 * HOUR_MS)
    world.clock[0] = now_ms + 400 * DAY_MS
    await world.day(1)
    world.clock[0] = now_ms
    await world.refuse(3)
    assert await world.taken() == A_DAY + 2
    for _ in range(80):
        world.clock[0] += DAY_MS
        await world.day(5, back_ms=30 * HOUR_MS)
    assert await world.rows("arrival_day") < 70
    assert await world.rows("late_arrival") < 10


async def test_what_is_forgotten_leaves_no_times(world: World) -> None:
    """Nor do its days count for a dependency of the same name."""
    await world.day(1, back_ms=30 * HOUR_MS)
    await forget(world.app, "m", Selection(), {})
    assert (await world.rows("arrival_day"), await world.rows("late_arrival")) == (0, 0)


@pytest.mark.sqlite
async def test_what_was_dated_back_is_read_once_however_far(tmp_path: Path) -> None:
    """The same rows, over ten days and over eighty: the engine takes about as many steps."""
    steps = []
    for days in (10, 80):
        folder = tmp_path / str(days)
        folder.mkdir()
        settings = Settings(store=engines.store_of(folder))
        async with Gonogo(settings, clock=lambda: NOW_MS) as app:
            apart_ms = days * DAY_MS // 4000
            calls = [Observation("m", NOW_MS - i * apart_ms, outcome=1.0) for i in range(4000)]
            await app.record_evidence(calls, writer="agent")
            await (await app.stores()).db.settled()
            steps.append(await (await app.stores()).db.read(steps_of_a_writers_part))
    few, many = steps
    assert many < 2 * few


def steps_of_a_writers_part(connection: Connection) -> int:
    """How many hundreds of steps reading a writer's part of the last day takes."""
    assert isinstance(connection, FileConnection)
    taken: list[None] = []
    connection.set_progress_handler(lambda: taken.append(None), 100)
    counts = recorded_by(connection, "m", ["agent"], since_ms=NOW_MS - DAY_MS)
    connection.set_progress_handler(None, 0)
    assert counts.n.sum() == 4000
    return len(taken)
