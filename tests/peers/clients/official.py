"""The official Python client, in the mode that is named first."""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import ElicitResult, TextContent


async def main(mode: str, dependency: str, *server: str) -> None:
    """List, plan a fallback, carry it out with a person's yes."""
    asked: list[str] = []

    async def person(_context: Any, params: Any) -> ElicitResult:  # noqa: ANN401 - as the SDK
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    where: Any = (
        server[0]
        if server[0].startswith("http")
        else StdioServerParameters(command=server[0], args=list(server[1:]))
    )
    async with Client(where, mode=mode, elicitation_callback=person) as client:
        tools = (await client.list_tools()).tools
        listed = await client.call_tool("list_dependencies", {"query": dependency})
        plan = await client.call_tool(
            "trigger_fallback", {"dependency": dependency, "reason": "rehearsal"}
        )
        carry_out = {
            "dependency": dependency,
            "plan_id": (plan.structured_content or {})["plan_id"],
        }
        done = await client.call_tool("trigger_fallback", carry_out)
        [block] = listed.content
        assert isinstance(block, TextContent)
        told = {
            "tools": len(tools),
            "words": block.text,
            "object": listed.structured_content,
            "asked": asked,
            "applied": (done.structured_content or {})["applied"],
            "protocol": client.protocol_version,
        }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
