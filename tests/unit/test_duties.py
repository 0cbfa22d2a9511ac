"""Duties keep going: a failure is logged and tried again, and stops no other duty."""

from __future__ import annotations

import logging

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
    with caplog.at_level(logging.WARNING), anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_all, [Duty("weak", weak, 0.0), Duty("strong", strong, 0.0)], app)
            await both.wait()
            tasks.cancel_scope.cancel()
    assert [record.getMessage() for record in caplog.records] == [
        "weak failed (1 in a row): the disk is full",
        "weak failed (2 in a row): the disk is full",
    ]
