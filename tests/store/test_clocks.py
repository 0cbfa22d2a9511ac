"""A clock that was wrong once: nothing is taken away by it, and nothing waits for it to come back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engines
from gonogo.app import Gonogo
from gonogo.clock import OrderedIds, borne_out_ms
from gonogo.records import DAY_MS, HOUR_MS, PartVerdict, StandingVerdict
from gonogo.settings import Settings

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        """Now."""
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    """At noon."""
    return Clock()


@pytest.fixture
async def app(tmp_path: Path, clock: Clock) -> AsyncIterator[Gonogo]:
    """A store of one day's calls, whose outcomes come later, kept for thirty days."""
    settings = Settings(store=engines.store_of(tmp_path), retention_days=30)
    async with Gonogo(settings, clock=clock, actor="agent") as opened:
        calls = [
            {
                "dependency": "m",
                "id": f"c{i}",
                "ts": (NOW_MS - i * HOUR_MS // 50) / 1000,
                "latency_ms": 5,
            }
            for i in range(500)
        ]
        assert (await opened.record_observations(calls)).accepted == 500
        yield opened


async def test_a_clock_that_was_ahead_lets_nothing_go(app: Gonogo, clock: Clock) -> None:
    """One call of another dependency, dated 400 days ahead, and an hour of upkeep by that clock."""
    clock.now_ms += 400 * DAY_MS
    await app.record_observations([{"dependency": "other", "outcome": 1}])
    await app.check_model_drift("m")
    gone = await app.let_go()
    assert (gone.rows, gone.checks) == (0, 0)
    clock.now_ms = NOW_MS
    again = await app.record_observations([{"dependency": "m", "id": "today", "outcome": 1}])
    assert (again.accepted, again.rejected) == (1, [])


def said_of_drift(standing: dict[str, StandingVerdict]) -> str | None:
    """What drift says of the one dependency."""
    return standing["m"].drift.verdict if standing["m"].drift else None


@pytest.mark.parametrize("ahead_ms", [90_000, 40 * DAY_MS])
async def test_a_check_before_the_clock_was_set_back_does_not_stand(
    app: Gonogo, clock: Clock, ahead_ms: int
) -> None:
    """The next check is the standing verdict, in this process and in another; until then the list tells of it."""
    log = (await app.stores()).decisions
    log.say({"m": PartVerdict("drift", "unknown", NOW_MS + ahead_ms, NOW_MS)})
    assert "of m is dated after now" in (await app.list_dependencies()).summary
    clock.now_ms += 1
    log.say({"m": PartVerdict("drift", "go", clock.now_ms, NOW_MS)})
    assert said_of_drift(await log.standing(["m"])) == "go"
    assert "dated after now" not in (await app.list_dependencies()).summary
    await app.close()
    log = (await app.stores()).decisions
    assert said_of_drift(await log.standing(["m"])) == "go"
    look_before = PartVerdict("drift", "go", NOW_MS - 1, None)
    standing = StandingVerdict(PartVerdict("drift", "no_go", NOW_MS, None))
    assert standing.with_newer(look_before, NOW_MS) == standing


async def test_outcomes_of_calls_that_were_let_go_are_no_calls_of_now(
    app: Gonogo, clock: Clock
) -> None:
    """Each is refused, by its id; a call of its own, and the outcome of one that is kept, are taken."""
    for day in range(1, 41):
        clock.now_ms = NOW_MS + day * DAY_MS
        await app.record_observations([{"dependency": "m", "id": f"d{day}", "latency_ms": 5}])
    assert (await app.let_go()).rows > 400
    late = [{"dependency": "m", "id": f"c{i}", "outcome": 0} for i in range(300)]
    kept = {"dependency": "m", "id": "d40", "outcome": 1}
    own = {"dependency": "m", "id": "new", "outcome": 1, "latency_ms": 4}
    answer = await app.record_observations([*late, kept, own])
    assert (answer.accepted, answer.updated, len(answer.rejected)) == (1, 1, 300)
    first = answer.rejected[0]
    assert (first.index, first.field) == (0, "id")
    assert "an outcome alone is no call" in first.problem


@given(st.lists(st.integers(0, 1 << 44), max_size=50), st.data())
def test_ids_are_unique_and_in_order_whatever_the_clock_does(
    times: list[int], data: st.DataObject
) -> None:
    """Set back, set ahead, or standing still."""
    ids = OrderedIds(35, lambda bits: data.draw(st.integers(0, (1 << bits) - 1)))
    numbers = [ids.number(now_ms) for now_ms in times]
    assert numbers == sorted(set(numbers))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_forked_child_makes_other_ids_than_its_parent() -> None:
    """Where the clock went back both would go on from the same number, each by one."""
    program = """
import os, secrets
from gonogo.clock import OrderedIds
ids = OrderedIds(35, secrets.randbits)
ids.number(1_000_000)
heard, tells = os.pipe()
if os.fork() == 0:
    os.write(tells, str(ids.number(5)).encode())
    os._exit(0)
assert os.read(heard, 100).decode() != str(ids.number(5))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_bears_a_time_out() -> None:
    """Three days of thirty, or a third of all there is; never more than the clock says."""
    day = NOW_MS // DAY_MS
    steady = {day - i: 10 for i in range(40)}
    assert borne_out_ms(NOW_MS, steady) == NOW_MS
    assert borne_out_ms(NOW_MS + 400 * DAY_MS, steady | {day + 400: 10}) == (day + 1) * DAY_MS - 1
    assert borne_out_ms(NOW_MS, {day - 300: 5, day: 5}) == NOW_MS
    assert borne_out_ms(NOW_MS, {}) is None
    assert borne_out_ms(NOW_MS - 90 * DAY_MS, steady) is None
