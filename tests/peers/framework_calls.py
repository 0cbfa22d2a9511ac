"""Run inside the frameworks' environment: models that answer by themselves, behind a gate of a dollar."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace

from agents import Agent as OpenAIAgent
from agents import ModelResponse, Runner, Usage, set_tracing_disabled
from agents.models.interface import Model
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import ToolException, tool
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel

from gonogo.guard.call_gate import CallGate
from gonogo.guard.held_calls import CallRefusedError
from gonogo.integrations import langchain, openai_agents, pydantic_ai


class Fixed(Model):  # type: ignore[misc] # its package is in this environment alone
    """Says the same to everybody, for 300 tokens in and 20 out."""

    async def get_response(self, *_: object, **__: object) -> ModelResponse:
        """One message."""
        text = ResponseOutputText(text="yes", type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id="m", content=[text], role="assistant", status="completed", type="message"
        )
        return ModelResponse([message], Usage(requests=1, input_tokens=300, output_tokens=20), "r")

    async def stream_response(self, *_: object, **__: object) -> AsyncIterator[object]:
        """A stream that ends by saying that it failed."""
        yield SimpleNamespace(response=SimpleNamespace(usage=None, status="failed"))


async def words(_: list[ModelMessage], __: AgentInfo) -> AsyncIterator[str]:
    """An answer in pieces."""
    yield "a "
    yield "stream"


class Caller(GenericFakeChatModel):  # type: ignore[misc] # as above
    """A model that calls the tools that it was told to."""

    def bind_tools(self, *_: object, **__: object) -> Caller:
        """Take any tools."""
        return self


@tool  # type: ignore[untyped-decorator] # as above
def broken() -> str:
    """Fail, which the framework tells the model in a message."""
    raise ToolException("broken")


async def failures(store: str, config: str) -> None:
    """Calls that fail without an exception: a tool's, and a stream's."""
    gate = CallGate(store=store, config=config)
    broken.handle_tool_error = True
    called = AIMessage(
        "", tool_calls=[{"name": "broken", "args": {}, "id": "1", "type": "tool_call"}]
    )
    model = Caller(messages=iter([called, AIMessage("so be it")]))
    middleware = langchain.GateMiddleware(gate, tools=gate, dependency="langchain-caller")
    agent = create_agent(model, [broken], middleware=[middleware])
    await agent.ainvoke({"messages": [{"role": "user", "content": "call it"}]})
    async for _ in openai_agents.GatedModel(Fixed(), gate, dependency="failed").stream_response():
        pass
    assert gate.flush(30)


async def main(store: str, config: str) -> None:
    """One run of each, one that streams, one that does not fit."""
    gate = CallGate(budget="day", call_usd=0.2, store=store, config=config)
    set_tracing_disabled(disabled=True)
    fixed = openai_agents.GatedModel(Fixed(), gate, dependency="openai-model")
    await Runner.run(OpenAIAgent(name="a", model=fixed), "a secret")
    model = pydantic_ai.GatedModel(
        FunctionModel(stream_function=words), gate, dependency="pydantic-model"
    )
    async with Agent(model).run_stream("a secret") as result:
        await result.get_output()
    usage = {"input_tokens": 70, "output_tokens": 7, "total_tokens": 77}
    fake = GenericFakeChatModel(messages=iter([AIMessage("yes", usage_metadata=usage)] * 2))
    middleware = langchain.GateMiddleware(gate, dependency="langchain-model")
    agent = create_agent(fake, middleware=[middleware])
    asked = {"messages": [{"role": "user", "content": "a secret"}]}
    agent.invoke(asked)
    assert gate.flush(30)
    beyond = CallGate(budget="day", call_usd=2, store=store, config=config)
    refused = 0
    for other in (
        pydantic_ai.GatedModel(FunctionModel(stream_function=words), beyond, dependency="p"),
    ):
        with suppress(CallRefusedError):
            async with Agent(other).run_stream("a secret") as result:
                await result.get_output()
            refused -= 1
        refused += 1
    with suppress(CallRefusedError):
        await Runner.run(
            OpenAIAgent(name="a", model=openai_agents.GatedModel(Fixed(), beyond)), "a secret"
        )
        refused -= 1
    refused += 1
    with suppress(CallRefusedError):
        await create_agent(fake, middleware=[langchain.GateMiddleware(beyond)]).ainvoke(asked)
        refused -= 1
    refused += 1
    await failures(store, config)
    print(refused)  # noqa: T201 - read by the test


asyncio.run(main(*sys.argv[1:]))
