"""A client that holds back its request holds up none of the servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gonogo.app import Gonogo
from gonogo.dashboard.dashboard_server import serve_dashboard
from gonogo.http.guard import Place
from gonogo.http.quiet_server import RequestDeadline
from gonogo.otlp.receiver import serve_otlp
from gonogo.settings import Settings

pytestmark = pytest.mark.anyio

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "serve", [partial(serve_otlp, token=None), serve_dashboard], ids=["otlp", "dashboard"]
)
@pytest.mark.parametrize(
    "sent", [b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"], ids=["nothing", "head", "body"]
)
async def test_who_never_finishes_is_let_go(
    serve: Callable[..., Awaitable[Any]],
    sent: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing sent, half a head, half a body: the connection is closed from the other side."""
    monkeypatch.setattr(RequestDeadline, "request_s", 0.2)
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with Gonogo(Settings(store=str(tmp_path / "store.db"))) as app, asyncio.timeout(20):
        served = asyncio.ensure_future(serve(app, Place("127.0.0.1", 0), say=there.set_result))
        port = int((await there).rpartition(":")[2].rstrip("/"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert b"HTTP/1.1 200" not in await reader.read()
        writer.close()
        served.cancel()
        await asyncio.wait([served])


async def test_a_request_that_breaks_off_is_refused_and_leaves_nothing_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered before its chunk turns out to be none; a traceback for each would fill a disk."""
    broken = HEAD.replace(b"/v1/traces", b"/nowhere") + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with Gonogo(Settings(store=str(tmp_path / "store.db"))) as app, asyncio.timeout(20):
        serving = serve_otlp(app, Place("127.0.0.1", 0), token=None, say=there.set_result)
        served = asyncio.ensure_future(serving)
        port = int((await there).rpartition(":")[2].rstrip("/"))
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(broken)
            assert b"HTTP/1.1 4" in await reader.read()
            writer.close()
        served.cancel()
        await asyncio.wait([served])
    assert [record for record in caplog.records if record.exc_info] == []
