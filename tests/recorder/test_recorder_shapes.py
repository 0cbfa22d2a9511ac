"""Whatever can be called is timed to its end; children of multiprocessing lose nothing that they queued."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gonogo import Recorder


class Kept(Recorder):
    """A recorder whose observations are looked at instead of written."""

    def __init__(self) -> None:
        super().__init__("unused.db")
        self.seen: list[dict[str, object]] = []
        self._put = self._keep

    def _keep(self, fields: dict[str, object]) -> bool:
        self.seen.append(fields)
        return True


def test_a_generator_is_one_call_from_its_first_value_to_its_end() -> None:
    """Its errors count; a reader that stops early, and values sent in, are no errors."""
    recorder = Kept()

    @recorder.observe("stream")
    def words(n: int) -> Iterator[int]:
        got = yield 0
        for i in range(n):
            if i == 3:
                raise TimeoutError
            got = yield got or i

    reader: Any = words(2)
    assert recorder.seen == []
    assert (next(reader), reader.send(7), list(reader)) == (0, 7, [1])
    with pytest.raises(TimeoutError):
        list(words(5))
    stopped = words(9)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]  # a generator
    assert [call.get("error") for call in recorder.seen] == [None, "timeout", None]


def test_async_generators_callables_and_coroutines_are_followed_to_their_end() -> None:
    """An object with `__call__`, a partial, a function that returns a coroutine."""
    recorder = Kept()

    @recorder.observe("stream")
    async def words() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no")

    class Model:
        async def __call__(self, fails: bool) -> str:  # noqa: FBT001 - a test's own
            await asyncio.sleep(0)
            if fails:
                raise TimeoutError
            return "answer"

    async def work() -> None:
        with pytest.raises(ValueError, match="no"):
            _ = [one async for one in words()]
        model: Any = recorder.observe("model")(Model())
        assert await model(False) == "answer"
        with pytest.raises(TimeoutError):
            await model(True)
        later: Any = recorder.observe("model")(functools.partial(Model(), True))
        with pytest.raises(TimeoutError):
            await later()

    asyncio.run(work())
    assert [call.get("error") for call in recorder.seen] == [
        "ValueError",
        None,
        "timeout",
        "timeout",
    ]


def test_a_future_is_one_call_until_it_is_done() -> None:
    """Of a thread's pool and of a loop: what it raises later counts, and so does that it was cancelled."""
    recorder = Kept()

    def divided(by: int) -> float:
        return 1 / by

    async def tasks() -> None:
        begun = recorder.observe("task")(asyncio.get_running_loop().create_task)
        done, slow = begun(asyncio.sleep(0, "x")), begun(asyncio.sleep(60))
        assert await done == "x"
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow

    with futures.ThreadPoolExecutor(1) as pool:
        submit = recorder.observe("pool")(pool.submit)
        assert submit(divided, 1).result() == 1
        assert isinstance(submit(divided, 0).exception(), ZeroDivisionError)
    asyncio.run(tasks())
    assert [(call["dependency"], call.get("error")) for call in recorder.seen] == [
        ("pool", None),
        ("pool", "ZeroDivisionError"),
        ("task", None),
        ("task", "cancelled"),
    ]


class Raising(dict[str, str]):
    """An object of the caller's that fails when it is read."""

    def items(self) -> NoReturn:
        """Fail."""
        raise RuntimeError


class RaisingText(str):
    """A text that fails when it is stored."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        """Fail."""
        raise RuntimeError(encoding + errors)


class RaisingNumber(float):
    """A number that fails when it is made plain."""

    def __float__(self) -> float:
        """Fail."""
        raise RuntimeError


@pytest.mark.parametrize(
    ("bad", "stored"),
    [
        ({"segments": Raising(a="b")}, 10),
        ({"latency_ms": RaisingNumber(3)}, 10),
        ({"id": RaisingText("x")}, 11),
    ],
)
def test_an_object_that_raises_costs_its_own_row_at_most(
    tmp_path: Path, bad: dict[str, Any], stored: int
) -> None:
    """The rows beside it are stored, and it is counted."""
    recorder = Recorder(str(tmp_path / "gonogo.db"))
    for n in range(10):
        recorder.record("beside", id=f"call-{n}")
    recorder.record("beside", **bad)
    assert recorder.flush(60)
    delivered = recorder.close()
    assert delivered is not None
    assert (delivered.stored, delivered.refused, delivered.dropped) == (stored, 11 - stored, 0)


def in_a_child(store: str) -> None:
    """Record without waiting, and end."""
    recorder = Recorder(store)
    for n in range(50):
        recorder.record("child", outcome=n % 2)


def inherited(recorder: Recorder) -> None:
    """Record by the parent's recorder, and end."""
    for n in range(50):
        recorder.record("child", outcome=n % 2)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_writes_what_it_queued(tmp_path: Path, method: str) -> None:
    """It runs no `atexit` functions; whether it was forked or started anew."""
    context: Any = multiprocessing.get_context(method)
    store = str(tmp_path / "gonogo.db")
    recorder = Recorder(store)
    recorder.record("child", outcome=1)
    assert recorder.flush(60)
    children = [context.Process(target=in_a_child, args=(store,))]
    if method == "fork":
        children.append(context.Process(target=inherited, args=(recorder,)))
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    import sqlite3
    from contextlib import closing

    recorder.close()
    with closing(sqlite3.connect(store)) as connection:
        (n,) = connection.execute("SELECT count(*) FROM observation").fetchone()
    assert n == 1 + 50 * len(children)


_POOLS: list[Recorder] = []


def begin_in_a_pool(store: str) -> None:
    """A recorder of each worker's own."""
    _POOLS.append(Recorder(store))


def record_in_a_pool(n: int) -> None:
    """One call."""
    _POOLS[-1].record("pooled", outcome=n % 2)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_write_what_they_queued(tmp_path: Path, method: str) -> None:
    """`with Pool(…)` terminates its workers, who would lose all that they recorded last."""
    context: Any = multiprocessing.get_context(method)
    store = str(tmp_path / "gonogo.db")
    with context.Pool(2, begin_in_a_pool, (store,)) as pool:
        pool.map(record_in_a_pool, range(400))
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store)) as connection:
        (n,) = connection.execute("SELECT count(*) FROM observation").fetchone()
    assert n == 400


def test_methods_of_a_class_are_observed_above_and_below_their_decorators() -> None:
    """`classmethod` and `staticmethod` make no function that could be called: what they hold is."""
    recorder = Kept()

    class Search:
        @recorder.observe("above")
        @classmethod
        def name(cls) -> str:
            return cls.__name__

        @recorder.observe("above")
        @staticmethod
        def twice(value: int) -> int:
            return 2 * value

        @classmethod
        @recorder.observe("below")
        def below(cls) -> str:
            return cls.__name__

    assert (Search.name(), Search().name(), Search.below()) == ("Search",) * 3
    assert (Search.twice(2), Search().twice(3)) == (4, 6)
    assert [call["dependency"] for call in recorder.seen] == ["above"] * 2 + ["below"] + [
        "above"
    ] * 2
