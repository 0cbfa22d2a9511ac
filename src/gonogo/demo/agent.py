"""An agent as far as its questions go: the SDK's own client over a real stdio server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextContent

from gonogo.answers import Answer, FallbackPlan, FallbackResult
from gonogo.errors import ProbeError

__all__ = ["Agent", "agent_of"]

Answered = TypeVar("Answered", bound=Answer)


class Agent:
    """Asks tools by name and reads their structured answers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, shape: type[Answered], tool: str, **arguments: object) -> Answered:
        """Call a tool.

        Raises:
            ProbeError: the tool refused; its own line is passed on.
        """
        return shape.model_validate(await self._call(tool, arguments))

    async def fall_back(self, **arguments: object) -> FallbackPlan | FallbackResult:
        """Call `trigger_fallback`, whose first answer is a plan and whose second a result."""
        answer = await self._call("trigger_fallback", arguments)
        if "route_epoch" in answer:
            return FallbackResult.model_validate(answer)
        return FallbackPlan.model_validate(answer)

    async def _call(self, tool: str, arguments: dict[str, object]) -> Mapping[str, object]:
        result = await self._client.call_tool(tool, arguments)
        if not isinstance(result, CallToolResult) or result.is_error:
            said = [c.text for c in result.content if isinstance(c, TextContent)]
            raise ProbeError(f"{tool} was refused: {' '.join(said)}")
        return result.structured_content or {}


@asynccontextmanager
async def agent_of(environ: Mapping[str, str]) -> AsyncIterator[Agent]:
    """An agent with a server of its own, as a client starts it: a process, its pipes."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gonogo", "serve"], env=dict(environ)
    )
    try:
        async with Client(stdio_client(server)) as client:
            yield Agent(client)
    except BaseExceptionGroup as group:
        # The client's task groups wrap what went wrong inside the block, twice.
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
