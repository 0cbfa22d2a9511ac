"""MCP servers of the SDK itself, over standard input and output and over HTTP, well and broken."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer
from servers import Loopback
from test_hostile import ran

from gonogo.prober.golden_run import Item
from gonogo.prober.probe_run import Run
from gonogo.settings import ProbeSettings, Secret

pytestmark = pytest.mark.anyio

SERVER = """
import os, sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("stub", version="1.4", log_level="CRITICAL")
@server.tool()
def search(query: str, limit: int = 3) -> str:
    sys.stderr.write("noise that must not be seen\\n")
    return f"{limit} results for {query}; key {os.environ.get('STUB_KEY', 'unset')}"
@server.tool()
def fail(query: str) -> str:
    raise ValueError(query)
@server.tool()
async def sleep(query: str) -> str:
    import anyio
    await anyio.sleep(60)
    return query
server.run("stdio")
"""
COMMAND = (sys.executable, "-c", SERVER)


def mcp_probe(**options: object) -> ProbeSettings:
    """A probe of the stub over standard input and output."""
    given: dict[str, object] = {"command": COMMAND, "timeout_s": 20.0, **options}
    return ProbeSettings("p", "d", kind="mcp", **given)  # type: ignore[arg-type]


def only(run: Run) -> str:
    """What the one call came to: its text, or its error's code."""
    [call] = run.calls
    return call.reply.text if call.reply is not None else str(call.error)


async def test_without_a_tool_it_initialises_and_lists() -> None:
    """The names of the tools are the answer, the server's version the version."""
    run = await ran(mcp_probe())
    assert only(run) == "fail\nsearch\nsleep"
    assert run.calls[0].reply is not None
    assert run.calls[0].reply.version == "1.4"


async def test_a_named_tool_is_called_with_the_items_arguments(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An item's input stands over the configured arguments; what the server complains of is not heard."""
    probe = mcp_probe(
        tool="search",
        arguments={"query": "cats", "limit": 5},
        environment=(Secret("STUB_KEY", "k1"),),
    )
    run = await ran(probe, Item("a", {"query": "dogs"}), Item("b"))
    texts = {call.item.id: call.reply.text for call in run.calls if call.reply is not None}
    assert texts == {"a": "5 results for dogs; key k1", "b": "5 results for cats; key k1"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"tool": "fail", "arguments": {"query": "x"}}, "tool_error"),
        ({"tool": "gone"}, "tool_missing"),
        ({"tool": "sleep", "arguments": {"query": "x"}, "timeout_s": 4.0}, "timeout"),
        ({"command": ("/nonexistent/server",)}, "command"),
        ({"command": (sys.executable, "-c", "print('hello')")}, "protocol"),
        ({"command": ("/bin/cat",)}, "mcp_error"),
        ({"command": ("/bin/sleep", "60"), "timeout_s": 1.0}, "timeout"),
    ],
    ids=["fails", "missing", "hangs", "no program", "ends", "echoes", "silent"],
)
async def test_a_broken_server_is_an_error_with_a_code(
    options: dict[str, object], code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """And nothing of what it said is printed."""
    assert only(await ran(mcp_probe(**options))) == code
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def over_http() -> Iterator[str]:
    """The address of a server over streamable HTTP."""
    server = MCPServer("stub", version="2", log_level="CRITICAL")

    @server.tool()
    def double(number: int) -> dict[str, int]:
        return {"twice": 2 * number}

    listening = socket.create_server(("127.0.0.1", 0))
    app = server.streamable_http_app()
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    running.should_exit = True
    thread.join(10)
    listening.close()


async def test_a_server_over_http_is_asked_alike(over_http: str) -> None:
    """Structured content is JSON in the answer."""
    probe = ProbeSettings("p", "d", kind="mcp", url=over_http, tool="double", timeout_s=20)
    run = await ran(probe, Item("a", {"number": 4}, {"exact": {"twice": 8}}))
    assert [(call.error, call.score) for call in run.calls] == [(None, 1.0)]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/hangs", "timeout"),
        ("/drips", "timeout"),
        ("/gigabyte", "too_large"),
        ("/elsewhere", "redirect"),
        ("/ok", "mcp_error"),
        ("/garbage", "mcp_error"),
        ("/broken", "mcp_error"),
        ("/resets", "protocol"),
    ],
)
async def test_what_is_no_mcp_server_is_told(hostile: Loopback, path: str, code: str) -> None:
    """Within the deadline and the limit, and by a code of its own."""
    timeout_s = 1.5 if code == "timeout" else 30.0
    probe = ProbeSettings("p", "d", kind="mcp", url=hostile.url(path), timeout_s=timeout_s)
    assert only(await ran(probe)) == code
    assert hostile.bytes_sent < 30_000_000


async def test_a_golden_set_goes_over_one_session(tmp_path: Path) -> None:
    """One process serves the whole run."""
    counter = tmp_path / "starts"
    source = f"open({str(counter)!r}, 'a').write('x')\n{SERVER}"
    probe = mcp_probe(command=(sys.executable, "-c", source), tool="search")
    run = await ran(probe, *(Item(str(n), {"query": str(n)}) for n in range(5)))
    assert sum(call.reply is not None for call in run.calls) == 5
    assert await anyio.Path(counter).read_text() == "x"
