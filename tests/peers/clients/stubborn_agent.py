"""The agent of `examples/pydantic_ai_agent.py` with a model that asks nobody and does the work."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "examples"))

import pydantic_ai_agent as example
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


def stubborn(_: str) -> FunctionModel:
    """Works at once, and repeats what the work said."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        [last] = messages[-1].parts
        if last.part_kind == "tool-return":
            return ModelResponse(parts=[TextPart(str(last.content))])
        return example.call("migrate", tickets=3)

    return FunctionModel(answer)


example.scripted = stubborn
sys.exit(asyncio.run(example.main(*sys.argv[1:])))
