"""Pydantic AI: each request of a model behind a gate, `Agent(GatedModel("openai:gpt-5", gate))`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai.models.wrapper import WrapperModel

from gonogo.integrations.usage import attributes_told

if TYPE_CHECKING:
    from gonogo.guard.call_gate import CallGate

__all__ = ["GatedModel"]

_TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
}


class GatedModel(WrapperModel):  # type: ignore[misc] # Pydantic AI is installed by who uses it
    """A model whose requests ask, hold, record and settle; a refused one raises CallRefusedError.

    Args:
        wrapped: The model, or its name as Pydantic AI takes it.
        gate: What decides and pays.
        dependency: What the model is called here; default: its own name.
    """

    def __init__(self, wrapped: Any, gate: CallGate, *, dependency: str | None = None) -> None:  # noqa: ANN401 - Pydantic AI's own
        super().__init__(wrapped)
        self._gate, self._dependency = gate, dependency or self.wrapped.model_name

    async def request(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the framework's
        """One request, answered at once."""
        async with self._gate.call(self._dependency, kind="model") as call:
            response = await self.wrapped.request(*arguments, **named)
            call.set(**attributes_told(response.usage, _TOKENS))
            return response

    @asynccontextmanager
    async def request_stream(self, *arguments: Any, **named: Any) -> AsyncGenerator[Any]:  # noqa: ANN401
        """One request whose answer streams: the call lasts until the stream is left."""
        async with (
            self._gate.call(self._dependency, kind="model") as call,
            self.wrapped.request_stream(*arguments, **named) as stream,
        ):
            try:
                yield stream
            finally:
                call.set(**attributes_told(stream.usage, _TOKENS))
