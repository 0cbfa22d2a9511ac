"""What stands between the network and the tools: hosts, origins, tokens, limits, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import httpx
import pytest
import uvicorn

from gonogo.app import Gonogo
from gonogo.http.quiet_server import RequestDeadline
from gonogo.ports.standing_verdicts import CurrentVerdict
from gonogo.server import streamable_http
from gonogo.server.gate import LOOPBACK, Access, Gate
from gonogo.server.metrics import exposition
from gonogo.server.streamable_http import behind_gate, http_app, serve_surface
from gonogo.settings import Settings
from gonogo.views.gauges import BudgetGauge, Gauges
from scripted import Scripted

pytestmark = pytest.mark.anyio

HERE = Access(hosts=LOOPBACK)
BASE = "http://127.0.0.1:8765"
TOKENS = Access(hosts=LOOPBACK, act="acting-token", read="reading-token")


@asynccontextmanager
async def asking(app: Gonogo, access: Access) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this process, behind its gate."""
    gate = behind_gate({"act": serve_surface(app)}, access)
    transport = httpx.ASGITransport(gate)
    async with app, httpx.AsyncClient(transport=transport, base_url=BASE, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8765"}, 200),
        ({"Host": "[::1]:8765"}, 200),
        ({"Host": "rebound.example"}, 421),
        ({"Host": "localhost.rebound.example"}, 421),
        ({"Host": "[", "Origin": ""}, 421),
        ({"Host": "localhost:8765", "Origin": "http://localhost:8765"}, 200),
        ({"Host": "localhost:8765", "Origin": "http://127.0.0.1:8765"}, 403),
        ({"Host": "localhost:8765", "Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost", "Origin": "http://localhost:80"}, 200),
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "https://localhost.page.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_page_elsewhere_cannot_ask(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """Neither with its own Origin, nor under a name that it made point here."""
    async with asking(Gonogo(Settings(store=str(tmp_path / "gonogo.db"))), HERE) as client:
        answer = await client.get("/healthz", headers=headers)
    assert answer.status_code == status


INSPECTOR = "http://localhost:6274"


async def test_a_page_that_is_allowed_may_ask_and_read(tmp_path: Path) -> None:
    """A browser asks first, without a token; then the answer carries what lets the page read it."""
    access = Access(hosts=LOOPBACK, act="t", origins=frozenset({INSPECTOR}))
    app = Gonogo(Settings(store=str(tmp_path / "gonogo.db")))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "mcp-name"}
    async with asking(app, access) as client:
        first = await client.options("/mcp", headers={"Origin": INSPECTOR, **asked})
        other = await client.options("/mcp", headers={"Origin": "http://localhost:1", **asked})
        well = await client.get("/healthz", headers={"Origin": INSPECTOR})
        locked = await client.post("/mcp", headers={"Origin": INSPECTOR}, json={})
    assert (first.status_code, other.status_code) == (204, 403)
    assert first.headers["access-control-allow-headers"] == "mcp-name"
    assert "access-control-allow-origin" not in other.headers
    for answer, status in ((well, 200), (locked, 401)):
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == INSPECTOR
        assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]


HANDSHAKE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


async def test_sessions_without_end_give_way_oldest_idle_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that never says goodbye does not lock out the next one, whether or not it names its version."""
    monkeypatch.setattr(streamable_http, "SESSIONS_MAX", 3)
    gate = http_app(Settings(store=str(tmp_path / "gonogo.db")), HERE)
    accepts = {"Accept": "application/json, text/event-stream"}
    async with serving(gate, "on") as port, httpx.AsyncClient(timeout=60) as client:
        url = f"http://127.0.0.1:{port}/mcp"
        opened = []
        for number in range(5):
            named = {"MCP-Protocol-Version": "2025-06-18"} if number % 2 else {}
            answer = await client.post(url, json=HANDSHAKE, headers=accepts | named)
            assert answer.status_code == 200
            opened.append(answer.headers["mcp-session-id"])
        # Of an era without sessions: nobody has to go for it.
        later = {"MCP-Protocol-Version": "2026-07-28"}
        await client.post(url, json=HANDSHAKE, headers=accepts | later)
        told = [
            (
                await client.post(
                    url,
                    json={"jsonrpc": "2.0", "id": 2, "method": "ping"},
                    headers={**accepts, "Mcp-Session-Id": session},
                )
            ).status_code
            for session in opened
        ]
    assert told == [404, 404, 200, 200, 200]


async def test_any_host_means_that_a_page_may_only_ask_where_it_came_from(tmp_path: Path) -> None:
    """Where every address is listened at, the Origin has to be the Host."""
    app = Gonogo(Settings(store=str(tmp_path / "gonogo.db")))
    async with asking(app, Access(hosts=None, act="t")) as client:
        headers = {"Host": "box.example:1", "Origin": "http://box.example:1"}
        assert (await client.get("/healthz", headers=headers)).status_code == 200
        headers["Origin"] = "http://other.example:1"
        assert (await client.get("/healthz", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("shown", "surface"),
    [
        ("Bearer acting-token", "act"),
        ("bearer  acting-token ", "act"),
        ("Bearer reading-token", "read"),
        ("Bearer acting-toke", None),
        ("Bearer acting-token2", None),
        ("Bearer \xff", None),
        ("Basic acting-token", None),
        ("acting-token", None),
        ("Bearer", None),
        ("", None),
    ],
)
async def test_a_token_opens_its_surface_and_nothing_else_does(
    shown: str, surface: str | None
) -> None:
    """The whole token, as a bearer."""
    assert TOKENS.surface(shown) == surface


async def test_without_a_token_only_the_health_check_answers() -> None:
    """Metrics name dependencies and budgets, so they take a token too."""
    async with asking(Scripted(), TOKENS) as client:
        for path, status in (("/mcp", 401), ("/metrics", 401), ("/other", 401)):
            answer = await client.post(path, json={})
            assert answer.status_code == status
            assert answer.headers["www-authenticate"] == 'Bearer realm="gonogo"'


async def test_a_store_that_cannot_be_read_is_unhealthy_and_says_no_more(tmp_path: Path) -> None:
    """A probe sees 503; a scraper sees that nothing is up."""
    (tmp_path / "gonogo.db").write_text("no store")
    async with asking(Gonogo(Settings(store=str(tmp_path / "gonogo.db"))), HERE) as client:
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.text) == (503, "store\n")
        scraped = (await client.get("/metrics")).text
    assert "gonogo_up 0\n" in scraped
    assert "gonogo_verdict" not in scraped


def test_names_cannot_break_the_metrics() -> None:
    """Quotes, backslashes and lines of their own are escaped or taken out."""
    name = 'a"b\\c\nd{x="y"} 1'
    gauges = Gauges(
        verdicts={name: CurrentVerdict("no_go", 1_795_646_526_000)},
        scores={},
        budgets={"night": BudgetGauge("usd", 60, 12.5, 0.5)},
        incidents={(name, "open"): 2},
    )
    text = exposition(gauges, calls={("preflight", "ok"): 3}, requests={("/mcp", 200): 4})
    escaped = r"a\"b\\c d{x=\"y\"} 1"
    assert f'gonogo_verdict{{dependency="{escaped}",verdict="no_go"}} 1\n' in text
    assert f'gonogo_verdict{{dependency="{escaped}",verdict="go"}} 0\n' in text
    assert f'gonogo_incidents{{dependency="{escaped}",status="open"}} 2\n' in text
    assert 'gonogo_budget_remaining_usd{budget="night"} 47\n' in text
    assert 'gonogo_tool_calls_total{tool="preflight",result="ok"} 3\n' in text
    assert 'gonogo_http_requests_total{path="/mcp",code="200"} 4\n' in text
    for line in text.splitlines():
        assert line.startswith(("# HELP gonogo_", "# TYPE gonogo_", "gonogo_"))


class Impatient(RequestDeadline):
    """Waits a quarter of a second for a request."""

    request_s = 0.25


@asynccontextmanager
async def serving(gate: Gate, lifespan: Literal["on", "off"] = "off") -> AsyncIterator[int]:
    """A real server in this process; its port."""
    config = uvicorn.Config(
        gate, http=Impatient, ws="none", log_config=None, port=0, lifespan=lifespan
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD[:20], HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_client_that_never_finishes_is_let_go(sent: bytes) -> None:
    """A connection that holds back its request cannot be held open."""
    gate = behind_gate({"act": serve_surface(Scripted())}, HERE)
    async with serving(gate) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()


async def test_whole_requests_on_one_connection_are_answered() -> None:
    """The deadline is a request's, not a connection's."""
    gate = behind_gate({"act": serve_surface(Scripted())}, HERE)
    request = b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving(gate) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(request[:10])
            await writer.drain()
            await asyncio.sleep(Impatient.request_s / 2)
            writer.write(request[10:])
            assert b"HTTP/1.1 404" in await reader.readuntil(b"\r\n\r\nNot Found")
        writer.close()
