"""Old rows are let go in short steps; what was rolled up from them stays, and is not counted twice."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

import engines
from gonogo.records import DAY_MS, HOUR_MS, Decision, Observation
from gonogo.settings import DependencySettings, Settings
from gonogo.store.engine import Connection, Engine
from gonogo.store.observations import retention
from gonogo.store.observations.forget import ForgottenRows, Selection
from gonogo.store.observations.retention import let_go
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.repair import compare
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.database import Database
from telemetry_worlds import START_MS, rollups_of

pytestmark = pytest.mark.anyio

DAYS = 10
NOW_MS = START_MS + DAYS * DAY_MS
CALLS = [
    Observation(
        dependency="model",
        ts_ms=START_MS + i * HOUR_MS,
        id=f"call-{i}",
        version="v1",
        outcome=float(i % 3 > 0),
        outcome_ts_ms=NOW_MS,
        latency_ms=float(i),
        item=f"q{i % 4}" if i % 5 == 0 else None,
        input_hash=f"in-{i % 7}",
        output_hash=f"out-{i % 2}",
    )
    for i in range(DAYS * 24)
]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A store of ten days of calls."""
    database = await engines.opened(tmp_path)
    telemetry = engines.telemetry_of(database, Settings(store=""))
    assert (await telemetry.record(CALLS, NOW_MS)).accepted == len(CALLS)
    yield database
    await database.close()


def _count(table: str) -> str:
    return f"SELECT count(*) FROM {table}"  # noqa: S608 - a test's own names


async def _counts(engine: Engine) -> tuple[int, int]:
    """Rows, and ids that are known."""
    return await engine.read(
        lambda c: (
            c.execute(_count("observation")).fetchone()[0],
            c.execute(_count("observation_id")).fetchone()[0],
        )
    )


async def test_old_rows_and_ids_go_and_every_hour_stays(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three whole days are kept; counts of all ten are as before; a second turn removes nothing."""
    monkeypatch.setattr(retention, "ROWS_A_STEP", 50)
    monkeypatch.setattr(retention, "IDS_A_LOOK", 33)
    telemetry = engines.telemetry_of(engine, Settings(store=""))  # type: ignore[arg-type]  # one of the two
    before = await telemetry.hours("model")
    answers = await telemetry.golden_answers("model")
    assert await let_go(engine, days=3, now_ms=NOW_MS) == 6 * 24
    assert await _counts(engine) == (4 * 24, 4 * 24)
    after = await telemetry.hours("model")
    assert after.n.tolist() == before.n.tolist()
    assert (await telemetry.golden_answers("model")).n.tolist() == answers.n.tolist()
    assert await let_go(engine, days=3, now_ms=NOW_MS) == 0


async def test_what_was_let_go_is_not_taken_in_again(engine: Engine) -> None:
    """Its id is not known any more: it would be counted twice. Younger calls are taken as ever."""
    telemetry = engines.telemetry_of(engine, Settings(store=""))  # type: ignore[arg-type]  # one of the two
    await let_go(engine, days=3, now_ms=NOW_MS)
    fresh = replace(CALLS[-1], id="fresh")
    stored = await telemetry.record([CALLS[0], CALLS[-1], fresh], NOW_MS)
    assert (stored.accepted, stored.duplicates) == (1, 1)
    [refused] = stored.rejected
    assert (refused.position, refused.field) == (0, "ts")
    assert "older calls of model were let go" in refused.problem
    counted = int((await telemetry.hours("model")).n.sum())
    assert counted == sum(call.item is None for call in CALLS) + 1


async def test_another_rule_rebuilds_what_rows_are_left_of(engine: Engine) -> None:
    """A latency SLO of 100 ms: hours without rows keep their counts, the others get new ones."""
    await let_go(engine, days=3, now_ms=NOW_MS)
    strict = DependencySettings("model", latency_slo_ms=100.0)
    telemetry = engines.telemetry_of(
        engine,  # type: ignore[arg-type]  # one of the two
        Settings(store="", dependencies={"model": strict}),
    )
    hours = await telemetry.hours("model")
    assert int(hours.n.sum()) == sum(call.item is None for call in CALLS)
    met = dict(zip(hours.hour.tolist(), hours.slo_met.tolist(), strict=True))
    first = START_MS // HOUR_MS
    assert met[first + 6 * 24 - 1] == 1
    assert met[first + 6 * 24] == 0


@pytest.mark.sqlite
async def test_a_rebuild_after_letting_go_changes_nothing(tmp_path: Path) -> None:
    """Byte for byte, in a file."""
    database = await Database.open(tmp_path / "store.db")
    telemetry = StoredTelemetry(database, Settings(store=""))
    await telemetry.record(CALLS, NOW_MS)
    recorded = await database.read(rollups_of)
    await let_go(database, days=3, now_ms=NOW_MS)
    await telemetry.rebuild("model")
    assert await database.read(rollups_of) == recorded
    await database.close()


def _entry(found: ForgottenRows) -> Decision:
    return Decision(
        id="0",
        ts_ms=NOW_MS,
        kind="forget",
        verdict=None,
        summary=f"forgot {found.rows}",
        inputs="{}",
        answer="{}",
        action=True,
        dependency="model",
        last_ts_ms=NOW_MS,
    )


async def _amiss(engine: Engine) -> list[str]:
    found = await compare(engine, has_time=lambda: True, now_ms=NOW_MS)
    return [f"{figure.what}: {figure.said}" for figure in found.figures if figure.amiss]


class _Stopped(Exception):
    """What stops letting go after some of its steps."""


async def test_where_letting_go_was_cut_short_the_figures_hold(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor finds nothing amiss after any step, nor after a part of the rest was taken back."""
    monkeypatch.setattr(retention, "ROWS_A_STEP", 50)
    write = engine.write
    for steps in (1, 2, 3, 4):
        left = iter(range(steps))

        async def some(*args: object, left: Iterator[int] = left, **kwargs: object) -> object:
            if next(left, None) is None:
                raise _Stopped
            return await write(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

        with monkeypatch.context() as patched:
            patched.setattr(engine, "write", some)
            with suppress(_Stopped):
                await let_go(engine, days=3, now_ms=NOW_MS)
        assert await _amiss(engine) == []
    rows, _ = await _counts(engine)
    assert 4 * 24 <= rows < len(CALLS)


async def test_a_version_told_late_leaves_the_counts_of_days_that_were_let_go(
    engine: Engine,
) -> None:
    """The version's other days are not forgotten for it."""
    telemetry = engines.telemetry_of(engine, Settings(store=""))  # type: ignore[arg-type]  # one of the two
    early = replace(CALLS[-1], id="early", version=None)
    await telemetry.record([early], NOW_MS)
    await let_go(engine, days=3, now_ms=NOW_MS)
    told = await telemetry.record([replace(early, version="v1")], NOW_MS)
    assert told.updated == 1
    counted = await engine.read(
        lambda c: c.execute("SELECT n FROM dependency_version WHERE version_id <> 0").fetchall()
    )
    assert [row[0] for row in counted] == [len(CALLS) + 1]
    assert await _amiss(engine) == []


@pytest.mark.sqlite
async def test_rows_that_letting_go_has_not_come_to_are_not_taken_back(tmp_path: Path) -> None:
    """They are counted in what stays of their days, and go with the next turn."""
    database = await Database.open(tmp_path / "store.db")
    telemetry = StoredTelemetry(database, Settings(store=""))
    await telemetry.record(CALLS, NOW_MS)
    mark = START_MS + 6 * DAY_MS
    number = await database.read(lambda c: c.execute("SELECT id FROM dependency").fetchone()[0])
    await database.write(partial(retention._mark, dependency_id=number, from_ms=mark))
    half = Selection(start_ms=mark - DAY_MS, end_ms=mark + DAY_MS)
    found = await telemetry.forgettable("model", half)
    assert found is not None
    assert (found.rows, found.remaining) == (24, len(CALLS) - 24)
    taken = await telemetry.forget("model", half, now_ms=NOW_MS, entry=_entry)
    assert taken is not None
    assert taken[0].rows == 24
    assert await _amiss(database) == []
    await database.close()


async def test_a_clock_that_jumped_ahead_lets_nothing_go(engine: Engine) -> None:
    """Only what is old beside the newest row is old."""
    assert await let_go(engine, days=30, now_ms=NOW_MS + 3650 * DAY_MS) == 0
    assert (await _counts(engine))[0] == len(CALLS)


LETTING_GO = """
import asyncio, os, signal, sys
from pathlib import Path
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.database import Database
from gonogo.store.observations import retention
retention.ROWS_A_STEP = 7
async def main():
    database = await Database.open(Path(sys.argv[1]))
    write, left = database.write, int(sys.argv[3])
    async def counted(*args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return await write(*args, **kwargs)
    database.write = counted
    await retention.let_go(database, days=3, now_ms=int(sys.argv[2]))
asyncio.run(main())
"""


@pytest.mark.sqlite
async def test_killed_in_between_the_next_one_goes_on(tmp_path: Path) -> None:
    """SIGKILL ahead of the mark, among the rows and among the ids: rollups equal a rebuild."""
    path = tmp_path / "store.db"
    database = await Database.open(path)
    await StoredTelemetry(database, Settings(store="")).record(CALLS, NOW_MS)
    recorded = await database.read(rollups_of)
    await database.close()
    for step in (1, 2, 9, 14, 20):
        dying = [sys.executable, "-c", LETTING_GO, str(path), str(NOW_MS), str(step)]
        died = await anyio.run_process(dying, check=False)
        assert died.returncode == -signal.SIGKILL
        database = await Database.open(path)
        await StoredTelemetry(database, Settings(store="")).rebuild("model")
        assert await database.read(rollups_of) == recorded
        await database.close()
    database = await Database.open(path)
    await let_go(database, days=2, now_ms=NOW_MS)
    assert await _counts(database) == (3 * 24, 3 * 24)
    await database.close()


@pytest.mark.sqlite
async def test_no_step_holds_the_lock_for_long(tmp_path: Path) -> None:
    """6,000 rows go in steps of some milliseconds of work each, by the engine's count of what it does."""
    database = await Database.open(tmp_path / "store.db")
    telemetry = StoredTelemetry(database, Settings(store=""))
    many = [replace(CALLS[i % 24], id=f"many-{i}") for i in range(6000)]
    await telemetry.record([*many, *CALLS[24:]], NOW_MS)
    worst = 0
    write = database.write

    async def counting(work: object, *args: object, **kwargs: object) -> object:
        def measured(connection: Connection) -> object:
            nonlocal worst
            assert isinstance(connection, FileConnection)
            taken: list[None] = []
            connection.set_progress_handler(lambda: taken.append(None), 1000)
            result = work(connection)  # type: ignore[operator]  # a work
            connection.set_progress_handler(None, 0)
            worst = max(worst, len(taken))
            return result

        return await write(measured, *args, **kwargs)  # type: ignore[arg-type]  # passed on

    database.write = counting  # type: ignore[method-assign,assignment]  # counts, and passes on
    assert await let_go(database, days=3, now_ms=NOW_MS) == 6000 + 5 * 24
    await database.close()
    assert (
        0 < worst <= 100
    )  # thousands of steps, of two thousand rows; all at once are twice as many
