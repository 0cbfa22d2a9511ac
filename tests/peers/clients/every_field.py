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


async def llama_index(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through a tool of LlamaIndex, whose own model of the arguments is made from the schema."""
    from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

    client = BasicMCPClient(command, args=list(arguments), env=dict(os.environ))
    tools = await McpToolSpec(client=client).to_tool_list_async()
    [wanted] = [tool for tool in tools if tool.metadata.name == TOOL]
    rebuilt = wanted.metadata.fn_schema(**sent)
    return str((await wanted.acall(**rebuilt.model_dump())).content)


async def semantic_kernel(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through a function of Semantic Kernel."""
    from semantic_kernel import Kernel
    from semantic_kernel.connectors.mcp import MCPStdioPlugin

    where: Any = {"command": command, "args": list(arguments), "env": dict(os.environ)}
    async with MCPStdioPlugin(name="gonogo", **where) as plugin:
        kernel = Kernel()
        kernel.add_plugin(plugin)
        return str(await kernel.invoke(kernel.get_function("gonogo", TOOL), **sent))


async def haystack(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through a tool of Haystack."""
    from haystack_integrations.tools.mcp import MCPTool, StdioServerInfo

    where: Any = {"command": command, "args": list(arguments), "env": dict(os.environ)}

    def called() -> str:
        return str(MCPTool(name=TOOL, server_info=StdioServerInfo(**where)).invoke(**sent))

    return await asyncio.to_thread(called)


async def smolagents(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through a tool of smolagents."""
    from mcp import StdioServerParameters
    from smolagents import ToolCollection

    where: Any = {"command": command, "args": list(arguments), "env": dict(os.environ)}
    own: Any = {"trust_remote_code": True, "structured_output": False}

    def called() -> str:
        with ToolCollection.from_mcp(StdioServerParameters(**where), **own) as found:
            [wanted] = [tool for tool in found.tools if tool.name == TOOL]
            return str(wanted(**sent))

    return await asyncio.to_thread(called)


async def crewai(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through the tool that an agent of CrewAI has of a server among its `mcps`."""
    from crewai.mcp import MCPServerStdio
    from crewai.mcp.tool_resolver import MCPToolResolver
    from crewai.utilities.logger import Logger

    where = MCPServerStdio(command=command, args=list(arguments), env=dict(os.environ))

    def called() -> str:
        tools: Any = MCPToolResolver(agent=None, logger=Logger()).resolve([where])
        [wanted] = [tool for tool in tools if tool.original_tool_name == TOOL]
        return str(wanted.run(**sent))

    return await asyncio.to_thread(called)


async def crewai_tools(sent: dict[str, Any], command: str, *arguments: str) -> str:
    """Through a tool of CrewAI's older adapter, which makes a model of its own."""
    from crewai_tools import MCPServerAdapter
    from mcp import StdioServerParameters

    where: Any = {"command": command, "args": list(arguments), "env": dict(os.environ)}

    def called() -> str:
        with MCPServerAdapter(StdioServerParameters(**where)) as tools:
            [wanted] = [tool for tool in tools if tool.name == TOOL]
            return str(wanted.run(**sent))

    return await asyncio.to_thread(called)


THROUGH = {
    "crewai": crewai,
    "crewai-tools": crewai_tools,
    "fastmcp": fastmcp,
    "haystack": haystack,
    "langchain-mcp-adapters": langchain,
    "llama-index": llama_index,
    "pydantic-ai": pydantic_ai,
    "semantic-kernel": semantic_kernel,
    "smolagents": smolagents,
}

if __name__ == "__main__":
    framework, given, *server = sys.argv[1:]
    sys.stdout.write(asyncio.run(THROUGH[framework](json.loads(given), *server)))
