"""`from gonogo import Recorder, check, route`, as a host application uses them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
from product import answer, environment, typed

import gonogo
from gonogo import Recorder
from gonogo.recorder.recorder import ObservationFields

LONG_S = 30.0


def counted(store: Path, dependency: str) -> int:
    """How many observations the store has of a dependency."""
    found = answer(typed("list", "--json", store=store))["dependencies"]
    return sum(d["n"] for d in found if d["dependency"] == dependency)


def script(source: str, store: Path, **environ: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        env=environment(store) | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_face_is_sorted_whole_and_lazy(tmp_path: Path) -> None:
    """`__all__` names all there is, each can be had, and importing the package loads nothing."""
    assert sorted(gonogo.__all__) == gonogo.__all__
    assert set(gonogo.__all__) <= set(dir(gonogo))
    for name in gonogo.__all__:
        assert getattr(gonogo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Recoder'"):
        _ = gonogo.Recoder
    loaded = script(
        "import gonogo, sys; print([m for m in sys.modules if 'gonogo' in m])", tmp_path
    )
    assert loaded.strip() == "['gonogo']"


def test_its_fields_are_those_of_every_way_in() -> None:
    """The typed keywords and the table of fields name the same."""
    from gonogo.ingest.observation import FIELDS

    assert set(get_type_hints(ObservationFields)) | {"dependency"} == set(FIELDS)


def test_calls_are_measured_and_stored(tmp_path: Path) -> None:
    """Function, coroutine, block: each is one observation; an exception passes and is its error."""
    store = tmp_path / "gonogo.db"
    with Recorder(str(store)) as recorder:

        @recorder.observe("sync", kind="tool")
        def double(number: int) -> int:
            return 2 * number

        @recorder.observe("async")
        async def triple(number: int) -> int:
            await asyncio.sleep(0)
            return 3 * number

        @recorder.observe("failing")
        def fail() -> None:
            raise ValueError("a secret")

        async def block() -> None:
            async with recorder.call("block") as call:
                call.set(outcome=True, output_tokens=7)

        assert (double(2), asyncio.run(triple(2))) == (4, 6)
        asyncio.run(block())
        with pytest.raises(ValueError, match="a secret"):
            fail()
        assert recorder.record("plain", outcome=1, latency_ms=1.5)
        assert recorder.flush(LONG_S)
        assert recorder.delivery.stored == 5
    assert [counted(store, name) for name in ("sync", "async", "block", "plain")] == [1] * 4
    trust = answer(typed("check", "trust", "failing", "--json", store=store))
    assert trust["parts"]["availability"]["rate"] < 1
    assert b"a secret" not in store.read_bytes()


def test_a_malformed_observation_is_counted_and_named(tmp_path: Path) -> None:
    """The host hears nothing; the others are kept."""
    with Recorder(str(tmp_path / "gonogo.db")) as recorder:
        recorder.record("m", outcome=7)
        recorder.record("m", nonsense=1)  # type: ignore[call-arg]
        recorder.record("m", outcome=1)
        assert recorder.flush(LONG_S)
        told = recorder.delivery
    assert (told.stored, told.refused, told.dropped) == (1, 2, 0)
    assert told.problem is not None
    assert told.problem.startswith("nonsense unknown field")


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A store whose lock another process holds."""
    store = tmp_path / "gonogo.db"
    with Path(f"{store}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield store


def test_a_locked_store_holds_nobody_up(locked: Path) -> None:
    """The queue fills, what is more is dropped and counted, and close keeps its time-out."""
    recorder = Recorder(str(locked), capacity=10)
    taken = [recorder.record("m", outcome=1) for _ in range(40)]
    assert not recorder.flush(0.1)
    told = recorder.close(0.1)
    assert not all(taken)
    assert (told.stored, told.queued, told.dropped) == (0, 0, 40)
    assert not recorder.record("m")


def test_a_store_that_comes_back_gets_what_waited(tmp_path: Path) -> None:
    """Nothing is lost while the queue holds it; the reason for the delay is told."""
    folder = tmp_path / "away"
    folder.write_text("in the way of the folder")
    with Recorder(str(folder / "gonogo.db")) as recorder:
        recorder.record("m", outcome=1)
        assert not recorder.flush(0.5)
        assert recorder.delivery.problem is not None
        folder.unlink()
        folder.mkdir()
        assert recorder.flush(LONG_S)
        assert recorder.delivery.stored == 1


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    """What every thread recorded is stored once."""
    store = tmp_path / "gonogo.db"
    with Recorder(str(store)) as recorder:

        def work() -> None:
            for _ in range(500):
                recorder.record("m")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert recorder.flush(LONG_S)
    assert counted(store, "m") == 2000


def test_both_sides_of_a_fork_record(tmp_path: Path) -> None:
    """What was queued is written once, by the parent; the child starts a thread of its own."""
    store = tmp_path / "gonogo.db"
    source = f"""
import os
from gonogo import Recorder
recorder = Recorder({str(store)!r})
for _ in range(50):
    recorder.record("both")
child = os.fork()
if not child:
    recorder.record("child")
    os._exit(0 if recorder.close(30).stored == 1 else 1)
_, status = os.waitpid(child, 0)
print(status, recorder.close(30).stored)
"""
    assert script(source, store).split() == ["0", "50"]
    assert (counted(store, "both"), counted(store, "child")) == (50, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_both_sides_of_a_fork_use_one_application(tmp_path: Path) -> None:
    """The child opens the store anew, on a loop of its own; what it closes is not its parent's."""
    store = tmp_path / "gonogo.db"
    source = f"""
import asyncio, os
from gonogo.app import Gonogo
from gonogo.settings import Settings
app = Gonogo(Settings(store={str(store)!r}))
async def record(names, closes):
    for name in names:
        report = await app.record_observations([{{"dependency": "m", "id": name, "outcome": 1}}])
        assert report.accepted == 1
    if closes:
        await app.close()
before = asyncio.new_event_loop()
before.run_until_complete(record("ab", False))
child = os.fork()
if not child:
    asyncio.run(asyncio.wait_for(record("cd", True), 60))
    os._exit(0)
_, status = os.waitpid(child, 0)
before.run_until_complete(record("ef", True))
before.close()
print(status)
"""
    assert script(source, store).split() == ["0"]
    assert counted(store, "m") == 6


def test_what_is_queued_is_written_at_the_end(tmp_path: Path) -> None:
    """A script that forgets to close loses nothing."""
    store = tmp_path / "gonogo.db"
    script("from gonogo import Recorder; Recorder().record('m')", store)
    assert counted(store, "m") == 1


def test_checks_return_the_tools_objects(tmp_path: Path) -> None:
    """Sync and async, from code without a loop and within one, with the configured store."""
    store = tmp_path / "gonogo.db"
    with Recorder(str(store)) as recorder:
        for _ in range(20):
            recorder.record("m", outcome=1)
    source = """
import asyncio
from gonogo import check
first = check.trust("m")
async def main():
    second = await check.trust_async("m")
    drift, fleet = await asyncio.gather(check.drift_async("m"), check.trust_async())
    return second, drift, fleet
second, drift, fleet = asyncio.run(main())
work = check.preflight(dependencies=["m"])
print(first.model_dump_json(exclude_none=True))
print(second.score == first.score, drift.status, len(fleet.fleet), work.checks[0].dependency)
"""
    first, rest = script(source, store).splitlines()
    asked = answer(typed("check", "trust", "m", "--json", store=store))
    assert json.loads(first)["score"] == asked["score"]
    assert rest.split() == ["True", "insufficient_data", "1", "m"]


def test_money_is_held_and_settled_by_code(tmp_path: Path) -> None:
    """What a tool holds code can hold, for a run too, and let go; every argument of a tool is there."""
    config = tmp_path / "gonogo.toml"
    config.write_text("[budgets.work]\nlimit_usd = 10\n")
    source = """
import inspect
from gonogo import check
from gonogo.app import Gonogo
held = check.budget("work", planned_cost_usd=4, reserve=True, run="tuesday")
more = check.settle(held.reservation.id, renew=True)
done = check.settle(held.reservation.id, 1.5)
left = check.budget("work", planned_cost_usd=1)
print(more.status, done.status, done.actual_usd, left.spent_usd, left.held_usd)
tools = {"drift": "check_model_drift", "trust": "get_trust_score_health", "preflight": "preflight",
         "budget": "check_budget_with_confidence", "settle": "settle_reservation"}
code = {"work", "lease_s", "progress"}  # arguments of no tool
for name, tool in tools.items():
    asked = set(inspect.signature(getattr(Gonogo, tool)).parameters) - {"self"} - code
    assert asked == set(inspect.signature(getattr(check, name)).parameters), name
"""
    said = script(source, tmp_path / "gonogo.db", GONOGO_CONFIG=str(config))
    assert said.split() == ["renewed", "settled", "1.5", "1.5", "0.0"]


def test_a_wrong_name_raises_one_line(tmp_path: Path) -> None:
    """The library's errors are the product's."""
    source = """
from gonogo import check
from gonogo.errors import UnknownTarget
try:
    check.drift("none")
except UnknownTarget as error:
    print(error)
"""
    assert script(source, tmp_path / "gonogo.db").startswith("Unknown dependency 'none'.")


def test_the_host_ends_while_the_store_is_locked(tmp_path: Path) -> None:
    """Closing at exit does not hang on a store that is locked."""
    store = tmp_path / "gonogo.db"
    with Path(f"{store}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        script("from gonogo import Recorder; Recorder().record('m')", store)
    assert not store.exists() or counted(store, "m") == 0
