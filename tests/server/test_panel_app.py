"""The panel as an MCP App: bound to what reads, served as a page, unseen by who cannot draw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp_types import TextResourceContents

from gonogo.app import Gonogo
from gonogo.panel import HISTORY, panel_html
from gonogo.records import DAY_MS, HOUR_MS, Observation
from gonogo.server.definitions import DEFINITIONS
from gonogo.server.panel_app import PANEL_URI
from gonogo.server.surface import build_server
from gonogo.settings import Settings
from scripted import ERAS, Scripted, client, said

pytestmark = pytest.mark.anyio

DRAWS = [advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})]
NOW_MS = 1_780_315_200_000


@pytest.fixture(name="app")
async def recorded(tmp_path: Path) -> AsyncIterator[Gonogo]:
    """Five days of calls, one in ten wrong."""
    app = Gonogo(Settings(store=str(tmp_path / "gonogo.db")), clock=lambda: NOW_MS)
    times = [NOW_MS - 5 * DAY_MS + i * HOUR_MS // 4 for i in range(480)]
    calls = [
        Observation(dependency="m", ts_ms=at, outcome=float(i % 10 > 0), outcome_ts_ms=at)
        for i, at in enumerate(times)
    ]
    async with app:
        await (await app.stores()).telemetry.record(calls, NOW_MS)
        yield app


@pytest.mark.parametrize("era", ERAS)
async def test_the_tools_that_read_are_bound_to_the_page(era: str) -> None:
    """And the page is there, with its type; what acts has no page."""
    async with client(Scripted(), era) as asked:
        tools = (await asked.list_tools()).tools
        [page] = (await asked.read_resource(PANEL_URI)).contents
    bound = {tool.name for tool in tools if (tool.meta or {}).get("ui")}
    assert bound == {d.name for d in DEFINITIONS if d.drawn}
    assert {"trigger_fallback", "record_observations", "settle_reservation"}.isdisjoint(bound)
    assert isinstance(page, TextResourceContents)
    assert page.mime_type == APP_MIME_TYPE
    assert page.text == panel_html()
    assert page.meta == {"ui": {"csp": {}, "prefersBorder": True}}


async def asked(app: Gonogo, era: str, **options: Any) -> Any:  # noqa: ANN401 - a tool's result
    """What a client is told about drift."""
    async with Client(build_server(app), mode=era, **options) as connected:
        return await connected.call_tool("check_model_drift", {"dependency": "m"})


def unlogged(result: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - a tool's result
    """Words and object without the id under which the answer was logged."""
    told = dict(result.structured_content)
    return said(result).replace(told.pop("decision_id"), ""), told


@pytest.mark.parametrize("era", ERAS)
async def test_history_goes_to_who_draws_and_changes_nothing_else(app: Gonogo, era: str) -> None:
    """Words and object are the same, but for the entry's id; only `_meta` has more."""
    plain = await asked(app, era)
    drawn = await asked(app, era, extensions=DRAWS)
    assert HISTORY not in (plain.meta or {})
    history = drawn.meta[HISTORY]
    assert sum(history["n"]) == 480
    assert unlogged(drawn) == unlogged(plain)


async def test_a_refusal_is_the_same_for_who_draws(app: Gonogo) -> None:
    """An error has no history, and stays one line."""
    async with Client(build_server(app), extensions=DRAWS) as connected:
        refused = await connected.call_tool("check_model_drift", {"dependency": "n"})
    assert refused.is_error
    assert HISTORY not in (refused.meta or {})
