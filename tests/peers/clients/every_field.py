"""Records what it is given through the framework that is named first, and tells what came back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

TOOL = "record_observations"


async def fastmcp(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through fastmcp's client."""
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    async with Client(StdioTransport(command, list(arguments))) as client:
        return str((await client.call_tool(TOOL, sent)).content[0].text)


async def langchain(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through a tool of langchain."""
    from langchain_mcp_adapters.client import MultiServerMCPClient

    where: Any = {
        "transport": "stdio",
        "command": command,
        "args": list(arguments),
        "env": dict(os.environ),
    }
    tools = await MultiServerMCPClient({"gonogo": where}).get_tools()
    [wanted] = [tool for tool in tools if tool.name == TOOL]
    seen = await wanted.ainvoke(sent)
    return seen if isinstance(seen, str) else str(seen[0]["text"])


async def pydantic_ai(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through an agent of pydantic-ai with a scripted model."""
    from fastmcp.client.transports import StdioTransport
    from pydantic_ai import Agent
    from pydantic_ai.mcp import MCPToolset
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    told = []

    def model(messages: Any, _: Any) -> Any:  # noqa: ANN401 - pydantic-ai's own
        returns = [part for part in messages[-1].parts if part.part_kind == "tool-return"]
        if not returns:
            return ModelResponse(parts=[ToolCallPart(TOOL, sent)])
        told.append(json.dumps(returns[0].content))
        return ModelResponse(parts=[TextPart("done")])

    transport = StdioTransport(command, list(arguments))
    async with Agent(FunctionModel(model), toolsets=[MCPToolset(transport)]) as agent:
        await agent.run("go")
    return told[0]


THROUGH = {"fastmcp": fastmcp, "langchain-mcp-adapters": langchain, "pydantic-ai": pydantic_ai}

if __name__ == "__main__":
    framework, given, *server = sys.argv[1:]
    sys.stdout.write(asyncio.run(THROUGH[framework](json.loads(given), *server)))
