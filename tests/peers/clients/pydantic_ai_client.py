"""An agent of pydantic-ai with a scripted model: what it sees of a tool's answer."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


async def main(dependency: str, *server: str) -> None:
    """Call a tool the way a model would."""
    told: dict[str, Any] = {}

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        told["tools"] = len(info.function_tools)
        returns = [p for p in messages[-1].parts if isinstance(p, ToolReturnPart)]
        if not returns:
            call = ToolCallPart("list_dependencies", {"query": dependency})
            return ModelResponse(parts=[call])
        seen = returns[0].content
        told["object" if isinstance(seen, dict) else "words"] = seen
        return ModelResponse(parts=[TextPart("done")])

    where: Any = (
        server[0] if server[0].startswith("http") else StdioTransport(server[0], list(server[1:]))
    )
    agent = Agent(FunctionModel(model), toolsets=[MCPToolset(where)])
    async with agent:
        await agent.run("go")
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
