"""An agent of pydantic-ai that asks `preflight` before it migrates tickets, and obeys the answer.

In an environment of its own, from the checkout (after `make demo`, which makes .venv):

    python3 -m venv /tmp/agent && /tmp/agent/bin/pip install 'pydantic-ai-slim[mcp]'
    /tmp/agent/bin/python examples/pydantic_ai_agent.py .venv/bin/gonogo sentiment-v3

The model is scripted, so that it runs without a key; `Agent("openai:…")` puts a real one in its
place. What keeps the work from running all the same is the gate in `migrate`, not the model's will.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

INSTRUCTIONS = "Before critical work ask preflight. Do it on go; on anything else stop and say why."


def scripted(dependency: str) -> FunctionModel:
    """A model that does what INSTRUCTIONS say, one tool call at a time."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if not returned:
            return call("preflight", dependencies=[dependency], planned_calls=3)
        [last] = returned
        seen: Any = last.content
        if last.tool_name == "preflight":
            if seen["verdict"] == "go":
                return call("migrate", tickets=3)
            return ModelResponse(parts=[TextPart(f"Stopped, {why(seen)}")])
        if last.tool_name == "migrate":
            # What came of the work is the evidence for the next question.
            done = [{"dependency": dependency, "outcome": right} for right in seen]
            return call("record_observations", observations=done)
        return ModelResponse(parts=[TextPart(f"Migrated; {seen['accepted']} outcomes recorded.")])

    return FunctionModel(answer)


def why(report: dict[str, Any]) -> str:
    """The verdict, and what stands against the work."""
    against = [check["why"] for check in report["checks"] if check["verdict"] != "go"]
    return f"{report['verdict']}: {'; '.join(against) or report['summary']}"


def call(tool: str, **arguments: object) -> ModelResponse:
    """A model's turn that calls one tool."""
    return ModelResponse(parts=[ToolCallPart(tool, arguments)])


async def main(gonogo: str, dependency: str) -> int:
    """Exit status 0 where the work ran, 1 where it was stopped."""
    # MCP clients give a server a bare environment: pass on where the store is.
    server = MCPToolset(StdioTransport(gonogo, ["serve"], env=dict(os.environ)))
    ran = False

    async def migrate(tickets: int) -> list[bool] | str:
        """Move tickets; returns whether each came through, or why none was moved."""
        nonlocal ran
        asked = {"dependencies": [dependency], "planned_calls": tickets}
        report: Any = await server.direct_call_tool("preflight", asked)
        if report["verdict"] != "go":
            return f"Refused, {why(report)}"
        ran = True
        return [True] * tickets

    agent = Agent(
        scripted(dependency), instructions=INSTRUCTIONS, toolsets=[server], tools=[migrate]
    )
    async with agent:
        result = await agent.run(f"Migrate three tickets with {dependency}.")
    print(result.output)
    return 0 if ran else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
