"""Subscribers hear when something changed, whichever process changed it."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.subscriptions import Subscription
from mcp_types import TextResourceContents

from gonogo.app import Gonogo
from gonogo.server.resources import Listeners, addresses
from gonogo.server.surface import build_server
from gonogo.settings import Settings
from gonogo.views.movements import Movements, Snapshot, moved

pytestmark = pytest.mark.anyio

DEPENDENCIES, WEEKLY = "gonogo://dependencies", "gonogo://dependency/weekly report"
OBSERVED = [{"dependency": "weekly report", "outcome": i % 2, "id": str(i)} for i in range(40)]


async def heard(events: Subscription) -> str:
    """The address in the next event."""
    with anyio.fail_after(60):
        return str((await anext(events)).uri)  # type: ignore[union-attr] # only resources are asked for


async def test_a_verdict_that_another_process_asked_for_is_told(tmp_path: Path) -> None:
    """Another application on the same store stands for the other process: it shares no memory."""
    settings = Settings(store=str(tmp_path / "gonogo.db"))
    async with Client(build_server(Gonogo(settings)), mode="2026-07-28") as asked:
        await asked.call_tool("record_observations", {"observations": OBSERVED})
        async with asked.listen(resource_subscriptions=[DEPENDENCIES, WEEKLY]) as events:
            await asked.read_resource(DEPENDENCIES)
            async with Gonogo(settings) as other:
                report = await other.get_trust_score_health("weekly report")
            assert {await heard(events), await heard(events)} == {DEPENDENCIES, WEEKLY}
        [content] = (await asked.read_resource(WEEKLY)).contents
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text)["verdict"] == report.verdict


async def test_a_store_that_is_not_written_tells_nothing(tmp_path: Path) -> None:
    """Changes come at once, then only after writes; many writes between two looks are one."""
    async with Gonogo(Settings(store=str(tmp_path / "gonogo.db"))) as app:
        stores = await app.stores()
        async with aclosing(stores.changes.changes()) as changes:
            await anext(changes)
            with anyio.move_on_after(1.5) as quiet:
                await anext(changes)
            assert quiet.cancelled_caught
        async with aclosing(stores.changes.changes()) as changes:
            await anext(changes)
            for item in OBSERVED[:3]:
                await app.record_observations([item])
            with anyio.fail_after(60):
                await anext(changes)


async def test_nothing_is_looked_at_while_nobody_listens() -> None:
    """The first listener wakes the look-out, and the last one to go ends it."""
    listeners = Listeners()
    first, second = (listeners.subscribe(lambda _: None) for _ in range(2))
    assert (listeners.somebody.is_set(), listeners.nobody.is_set()) == (True, False)
    first()
    first()
    assert not listeners.nobody.is_set()
    second()
    assert (listeners.somebody.is_set(), listeners.nobody.is_set()) == (False, True)


def test_what_moved_is_named_once() -> None:
    """A verdict, an incident with its dependency, and the chain's end; names also encoded."""
    before = Snapshot({"a": "go", "b/c": "go"}, {"inc-1": ("a", 1)}, None)
    after = Snapshot({"a": "go", "b/c": "no_go"}, {"inc-1": ("a", 2)}, "act-1")
    found = moved(before, after)
    assert found == Movements(("a", "b/c"), ("inc-1",), actions=True)
    assert addresses(found) == [
        DEPENDENCIES,
        "gonogo://dependency/a",
        "gonogo://dependency/b/c",
        "gonogo://dependency/b%2Fc",
        "gonogo://incident/inc-1",
        "gonogo://audit",
    ]
    assert addresses(moved(after, after)) == []
