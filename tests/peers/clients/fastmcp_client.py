"""The client of fastmcp."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(dependency: str, *server: str) -> None:
    """List, plan a fallback, carry it out with a person's yes."""
    asked: list[str] = []

    async def person(message: str, *_: Any) -> dict[str, bool]:  # noqa: ANN401 - as fastmcp
        asked.append(message)
        return {"approve": True}

    http = server[0].startswith("http")
    where: Any = server[0] if http else StdioTransport(server[0], list(server[1:]))
    async with Client(where, elicitation_handler=person) as client:
        tools = await client.list_tools()
        listed = await client.call_tool("list_dependencies", {"query": dependency})
        plan = await client.call_tool(
            "trigger_fallback", {"dependency": dependency, "reason": "rehearsal"}
        )
        carry_out = {"dependency": dependency, "plan_id": plan.structured_content["plan_id"]}
        done = await client.call_tool("trigger_fallback", carry_out)
    told = {
        "tools": len(tools),
        "words": listed.content[0].text,
        "object": listed.structured_content,
        "asked": asked,
        "applied": done.structured_content["applied"],
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
