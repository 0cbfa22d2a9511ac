"""An MCP server of openai-agents."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp


async def main(dependency: str, *server: str) -> None:
    """Call a tool the way its agents do."""
    where: Any = (
        MCPServerStreamableHttp({"url": server[0]}, client_session_timeout_seconds=60)
        if server[0].startswith("http")
        else MCPServerStdio(
            {"command": server[0], "args": list(server[1:]), "env": dict(os.environ)},
            client_session_timeout_seconds=60,
        )
    )
    async with where:
        tools = await where.list_tools()
        listed = await where.call_tool("list_dependencies", {"query": dependency})
    told = {
        "tools": len(tools),
        "words": listed.content[0].text,
        "object": listed.structured_content,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
