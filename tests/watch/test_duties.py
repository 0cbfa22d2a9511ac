"""Duties keep going: a failure is logged and tried again, and stops no other duty."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import pytest

from gonogo.app import Gonogo
from gonogo.errors import StoreError
from gonogo.settings import Settings
from gonogo.watch import duties
from gonogo.watch.duties import Duty, keep_all

pytestmark = pytest.mark.anyio


async def test_a_duty_that_fails_is_tried_again_and_stops_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says which one, how often, and why; the other duty never notices."""
    monkeypatch.setattr(duties, "BACKOFF_MIN_S", 0.0)
    turns = {"weak": 0, "strong": 0}
    both = anyio.Event()

    async def weak(_: Gonogo) -> None:
        turns["weak"] += 1
        if turns["weak"] < 3:
            raise StoreError("the disk is full")

    async def strong(_: Gonogo) -> None:
        turns["strong"] += 1
        if min(turns.values()) >= 3:
            both.set()

    app = Gonogo(Settings(store="unused"))
    with caplog.at_level(logging.WARNING), anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_all, [Duty("weak", weak, 0.0), Duty("strong", strong, 0.0)], app)
            await both.wait()
            tasks.cancel_scope.cancel()
    assert [record.getMessage() for record in caplog.records] == [
        "weak failed (1 in a row): the disk is full",
        "weak failed (2 in a row): the disk is full",
    ]


async def test_of_two_watchers_one_does_a_duty_and_the_other_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never both at once; when the one that does it goes, the other does."""
    monkeypatch.setattr(duties, "LOOK_EVERY_S", 0.01)
    doing: list[str] = []
    turns: list[str] = []
    anyone = anyio.Event()
    turned = {"a": anyio.Event(), "b": anyio.Event()}

    def duty(name: str) -> Duty:
        async def work(_: Gonogo) -> None:
            doing.append(name)
            assert len(doing) == 1
            try:
                await anyio.sleep(0.02)
            finally:
                doing.remove(name)
            turns.append(name)
            turned[name].set()
            anyone.set()

        return Duty("look", work, 0.01, alone=True)

    async def watch(app: Gonogo, name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await keep_all([duty(name)], app, holder=name)

    settings = Settings(store=str(tmp_path / "store.db"))
    scopes = {name: anyio.CancelScope() for name in turned}
    async with Gonogo(settings) as one, Gonogo(settings) as two:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for app, name in ((one, "a"), (two, "b")):
                    tasks.start_soon(watch, app, name, scopes[name])
                await anyone.wait()
                first = turns[0]
                other = "b" if first == "a" else "a"
                assert not turned[other].is_set()
                scopes[first].cancel()
                await turned[other].wait()
                scopes[other].cancel()
    assert turns.index(other) == len([t for t in turns if t == first])
