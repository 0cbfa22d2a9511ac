"""An MCP server, asked through the SDK's own client: initialise, list, call the named tool.

Imported only where an MCP server is asked: the client is heavy.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TextIO, cast

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import Transport
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, CallToolResult, TextContent

from gonogo.errors import ConfigError, ProbeError, plain
from gonogo.prober.endpoints import Ask, Reply, header_values, revealed
from gonogo.prober.fetch import other_host
from gonogo.prober.golden_run import Item
from gonogo.settings import ProbeSettings

PAGES_MAX = 50
CLOSE_S = 10.0
# What the SDK raises where the other side is not a sound MCP server.
_FAILURES = (
    *(MCPError, OSError, RuntimeError, ValueError, TimeoutError, httpx2.HTTPError),
    *(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream),
)
# Its complaints quote what the server sent; a probe's result says what is to be said.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)
logging.getLogger("client").setLevel(logging.CRITICAL)


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """HTTP whose bodies end at a limit, and are not compressed."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__()
        self.bytes_max = bytes_max
        self.exceeded = False
        self.redirected: str | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.ReadError("compressed, which was not asked for")
        if response.has_redirect_location:
            there = httpx2.URL(response.headers["location"])
            if there.is_absolute_url and there.host != request.url.host:
                self.redirected = f"{there.scheme}://{there.netloc.decode()}"
        stream = cast("httpx2.AsyncByteStream", response.stream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(stream, self),
            extensions=response.extensions,
        )


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, transport: _BoundedTransport) -> None:
        self._inner, self._transport = inner, transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._transport.bytes_max:
                self._transport.exceeded = True
                raise httpx2.ReadError("the body is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def mcp_server(probe: ProbeSettings) -> AsyncIterator[Ask]:
    """A session with the probe's server, and a way to call its tool.

    Raises:
        ConfigError: a secret is not set.
        ProbeError: it cannot be started or reached, or does not speak MCP.
    """
    transport = _BoundedTransport(probe.bytes_max)
    async with AsyncExitStack() as stack:
        if probe.command:
            server = _started(probe, stack)
        else:
            server = await _reached(probe, transport, stack)
        try:
            with anyio.fail_after(probe.timeout_s) as deadline:
                async with Client(server, client_info=None) as client:
                    offered = await _tools(client)
                    deadline.deadline = math.inf
                    yield _ask_of(client, offered, probe, transport)
                    deadline.deadline = anyio.current_time() + CLOSE_S
        except (*_FAILURES, ExceptionGroup) as error:
            raise _probe_error(error, probe, transport) from None


@contextmanager
def _nowhere() -> Iterator[TextIO]:
    """A stream whose text goes nowhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        yield stream


def _started(probe: ProbeSettings, stack: AsyncExitStack) -> Transport:
    program, *arguments = probe.command
    environment = {secret.variable: revealed(secret, probe.name) for secret in probe.environment}
    # What the program complains of may hold what it was given.
    nowhere = stack.enter_context(_nowhere())
    parameters = StdioServerParameters(command=program, args=arguments, env=environment or None)
    return stdio_client(parameters, errlog=nowhere)


async def _reached(
    probe: ProbeSettings, transport: _BoundedTransport, stack: AsyncExitStack
) -> Transport:
    headers = header_values(dict(probe.headers), dict(probe.secret_headers), probe.name)
    client = await stack.enter_async_context(
        httpx2.AsyncClient(
            headers={"Accept-Encoding": "identity"} | headers,
            timeout=probe.timeout_s,
            transport=transport,
        )
    )
    return streamable_http_client(probe.url or "", http_client=client)


async def _tools(client: Client) -> list[str]:
    """The names of every tool, page by page."""
    names: list[str] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return names
    raise ProbeError(f"The list of tools has more than {PAGES_MAX} pages.", "garbage")


def _ask_of(
    client: Client, offered: list[str], probe: ProbeSettings, transport: _BoundedTransport
) -> Ask:
    info = client.server_info
    version = plain(info.version, 200) or None if info is not None else None

    async def ask(item: Item) -> Reply:
        if probe.tool is None:
            return Reply("\n".join(sorted(offered)), version)
        if probe.tool not in offered:
            raise ProbeError(f"The server offers no tool '{probe.tool}'.", "tool_missing")
        own = {} if item.input is None else item.input
        if not isinstance(own, dict):
            raise ConfigError(f"probes.{probe.name}: an item's input must be the tool's arguments.")
        try:
            with anyio.fail_after(probe.timeout_s):
                result = await client.call_tool(probe.tool, {**probe.arguments, **own})
        except _FAILURES as error:
            raise _probe_error(error, probe, transport) from None
        return Reply(_text(result, probe), version)

    return ask


def _text(result: CallToolResult, probe: ProbeSettings) -> str:
    if result.is_error:
        raise ProbeError("The tool answered that it failed.", "tool_error")
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content)
    if len(text) > probe.bytes_max:
        told = f"The answer is larger than max_bytes = {probe.bytes_max:,}."
        raise ProbeError(told, "too_large")
    return text


def _probe_error(
    error: Exception, probe: ProbeSettings, transport: _BoundedTransport
) -> ProbeError:
    """Translate the failure of a session or a call for whoever asked."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ProbeError):
        return error
    if not isinstance(error, _FAILURES):
        raise error
    there = transport.redirected
    causes: tuple[tuple[bool, str, str], ...] = (
        (
            transport.exceeded,
            "too_large",
            f"A body is larger than max_bytes = {probe.bytes_max:,}; reading stopped there.",
        ),
        (there is not None, "redirect", other_host(there or "")),
        (
            isinstance(error, TimeoutError | httpx2.TimeoutException),
            "timeout",
            f"No answer within {probe.timeout_s:g} s.",
        ),
        (
            isinstance(error, httpx2.ConnectError),
            "connect",
            "The connection was refused, or the host is not known.",
        ),
        (
            isinstance(error, FileNotFoundError | PermissionError),
            "command",
            "The command cannot be started.",
        ),
        (
            isinstance(error, MCPError) and error.error.code != CONNECTION_CLOSED,
            "mcp_error",
            "The server did not answer as MCP has it.",
        ),
        (True, "protocol", "The server broke off, or does not speak MCP."),
    )
    return next(ProbeError(told, code) for holds, code, told in causes if holds)
