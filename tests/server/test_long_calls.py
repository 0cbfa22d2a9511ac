"""Calls that take their time: progress is told, and a call that is given up is ended."""

# mypy: disable-error-code="override"
# ruff: noqa: ANN401 - it takes what the tools pass
from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from gonogo import answers as a
from gonogo.app import Gonogo
from gonogo.settings import Settings
from scripted import ERAS, PREFLIGHT, Scripted, client

pytestmark = pytest.mark.anyio


class Slow(Scripted):
    """A preflight that hears of two parts, and one that never comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.given_up = anyio.Event(), anyio.Event()

    async def preflight(self, **arguments: Any) -> a.PreflightReport:
        """Tell of each part; the workload `endless` waits for ever."""
        for done, name in enumerate(("gpt-4", "search"), 1):
            await arguments["progress"](done, 2, name)
        if arguments["workload"] == "endless":
            self.begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.given_up.set()
        return PREFLIGHT


@pytest.mark.parametrize("era", ERAS)
async def test_a_preflight_tells_how_far_it_is(era: str) -> None:
    """How many parts are done, of how many, and which was the last."""
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with client(Slow(), era) as asked:
        await asked.call_tool("preflight", {"workload": "triage"}, progress_callback=hear)
    assert heard == [(1, 2, "gpt-4"), (2, 2, "search")]


async def test_the_parts_are_told_as_they_are_done(tmp_path: Path) -> None:
    """The application itself, on an empty store."""
    heard: list[Any] = []

    async def hear(*told: Any) -> None:
        heard.append(told)

    async with Gonogo(Settings(store=str(tmp_path / "gonogo.db"))) as app:
        await app.preflight(dependencies=["a", "b"], progress=hear)
    assert [(done, of) for done, of, _ in heard] == [(1, 2), (2, 2)]
    assert {name for _, _, name in heard} == {"a", "b"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_is_given_up_is_ended_and_the_next_is_answered(era: str) -> None:
    """Nothing goes on for a client that no longer waits."""
    app = Slow()
    async with client(app, era) as asked:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asked.call_tool, "preflight", {"workload": "endless"})
            with anyio.fail_after(60):
                await app.begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(60):
            await app.given_up.wait()
        result = await asked.call_tool("preflight", {"workload": "triage"})
    assert not result.is_error
