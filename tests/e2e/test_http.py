"""`gonogo serve --http` as a process: both eras, both tokens, limits, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent
from product import ERAS, GONOGO, PROTOCOLS, environment, typed

ACT, READ = "a token that may act", "a token that may look"
GOOD = {"dependency": "a", "outcome": 1}


@contextmanager
def served(
    store: Path, *arguments: str, **environ: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process on a free port of loopback: its address, and itself."""
    with subprocess.Popen(
        [GONOGO, "serve", "--http", "127.0.0.1:0", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(store) | environ,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.fullmatch(r"gonogo: serving (http://127\.0\.0\.1:\d+)/mcp\n", line)
            assert found is not None, line + process.stderr.read()
            yield found[1], process
        finally:
            process.kill()


@asynccontextmanager
async def client(base: str, era: str, token: str | None = None) -> AsyncIterator[Client]:
    """A client of an era that shows a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{base}/mcp", http_client=http)
        async with Client(transport, mode=era) as asked:
            yield asked


@pytest.mark.anyio
async def test_both_eras_and_both_tokens_are_served_on_one_address(tmp_path: Path) -> None:
    """The token to act records; the token to read is answered and refused to record."""
    tokens = {"GONOGO_TOKEN": ACT, "GONOGO_READ_TOKEN": READ}
    with served(tmp_path / "gonogo.db", **tokens) as (base, _):
        for era in ERAS:
            async with client(base, era, ACT) as asked:
                assert asked.protocol_version == PROTOCOLS[era]
                kept = await asked.call_tool("record_observations", {"observations": [GOOD] * 40})
                assert (kept.structured_content or {})["accepted"] == 40
            async with client(base, era, READ) as asked:
                looked = await asked.call_tool("get_trust_score_health", {})
                assert not looked.is_error
                refused = await asked.call_tool("record_observations", {"observations": [GOOD]})
                assert refused.is_error
                [block] = refused.content
                assert isinstance(block, TextContent)
                assert "read-only" in block.text
        async with httpx.AsyncClient(base_url=base, timeout=60) as http:
            assert (await http.post("/mcp", json={})).status_code == 401
            wrong = {"Authorization": "Bearer wrong"}
            assert (await http.post("/mcp", json={}, headers=wrong)).status_code == 401
            assert (await http.get("/healthz")).text == "ok\n"
            shown = {"Authorization": f"Bearer {READ}"}
            scraped = (await http.get("/metrics", headers=shown)).text
    assert 'gonogo_tool_calls_total{tool="record_observations",result="ok"} 2\n' in scraped
    assert 'gonogo_tool_calls_total{tool="record_observations",result="refused"} 2\n' in scraped
    assert 'gonogo_trust_score{dependency="a"} ' in scraped


@pytest.mark.anyio
async def test_a_session_belongs_to_the_token_that_opened_it(tmp_path: Path) -> None:
    """Who may only look cannot go on in a session of who may act."""
    tokens = {"GONOGO_TOKEN": ACT, "GONOGO_READ_TOKEN": READ}
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    with served(tmp_path / "gonogo.db", **tokens) as (base, _):
        async with httpx.AsyncClient(base_url=base, headers=accept, timeout=60) as http:
            acting = {"Authorization": f"Bearer {ACT}"}
            opened = await http.post("/mcp", json=hello, headers=acting)
            session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
            again = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            looking = {"Authorization": f"Bearer {READ}"}
            answer = await http.post("/mcp", json=again, headers=looking | session)
            assert answer.status_code == 404
            answer = await http.post("/mcp", json=again, headers=acting | session)
            assert answer.status_code == 200


@pytest.mark.anyio
async def test_what_is_too_large_is_refused_and_who_listens_is_told(tmp_path: Path) -> None:
    """A body over 4 MiB is not read to its end; a subscription works across processes."""
    store = tmp_path / "gonogo.db"
    (tmp_path / "calls.jsonl").write_text('{"dependency": "a", "outcome": 1}\n' * 40)
    with served(store) as (base, _):
        async with httpx.AsyncClient(base_url=base, timeout=60) as http:
            answer = await http.post("/mcp", content=b"x" * (4 * 1024 * 1024 + 1))
            assert answer.status_code == 413
        async with client(base, "2026-07-28") as asked:
            uri = "gonogo://dependency/a"
            async with asked.listen(resource_subscriptions=[uri]) as events:
                await asked.call_tool("list_dependencies", {})
                done = await anyio.to_thread.run_sync(
                    lambda: typed("ingest", str(tmp_path / "calls.jsonl"), store=store)
                )
                assert done.returncode == 0
                await anyio.to_thread.run_sync(lambda: typed("check", "trust", "a", store=store))
                with anyio.fail_after(60):
                    event = await anext(events)
                assert getattr(event, "uri", None) == uri


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_nothing_to_say(tmp_path: Path, number: signal.Signals) -> None:
    """Standard output stays empty throughout."""
    with served(tmp_path / "gonogo.db") as (_, process):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert (out, err) == ("", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.255.255.1", "box.example"])  # noqa: S104 - refused
def test_it_does_not_start_off_loopback_without_a_token(tmp_path: Path, host: str) -> None:
    """Before it listens at all."""
    done = typed("serve", "--http", f"{host}:0", store=tmp_path / "gonogo.db")
    assert done.returncode == 64
    assert "needs a token" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "environ", "line"),
    [
        (["--http", "8765"], {}, "'8765' is not HOST:PORT, as in 127.0.0.1:8765."),
        (["--http", "127.0.0.1:0", "--token-file", "/none"], {}, "cannot be read"),
        (["--http", "127.0.0.1:0", "--token-file", "/dev/null"], {}, "holds no token"),
        (["--http", "0.0.0.0:0"], {"GONOGO_TOKEN": " "}, "needs a token"),
        (
            ["--http", "0.0.0.0:0"],
            {"GONOGO_TOKEN": "one", "GONOGO_READ_TOKEN": "one"},
            "are the same; use two",
        ),
        (["--http", "300.0.0.1:0"], {"GONOGO_TOKEN": "one"}, "cannot listen at '300.0.0.1:0'"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], line: str
) -> None:
    """What is wrong, and what to do."""
    done = typed("serve", *arguments, store=tmp_path / "gonogo.db", environ=environ)
    assert done.returncode in (64, 66)
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
