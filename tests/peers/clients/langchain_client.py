"""Tools of langchain, through langchain-mcp-adapters: a model is given the words."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from langchain_mcp_adapters.client import MultiServerMCPClient


async def main(dependency: str, *server: str) -> None:
    """Call a tool the way langchain does."""
    where: dict[str, Any] = (
        {"transport": "streamable_http", "url": server[0]}
        if server[0].startswith("http")
        else {
            "transport": "stdio",
            "command": server[0],
            "args": list(server[1:]),
            "env": dict(os.environ),
        }
    )
    tools = await MultiServerMCPClient({"gonogo": where}).get_tools()
    [wanted] = [tool for tool in tools if tool.name == "list_dependencies"]
    seen = await wanted.ainvoke({"query": dependency})
    words = seen if isinstance(seen, str) else seen[0]["text"]
    sys.stdout.write(json.dumps({"tools": len(tools), "words": words}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
