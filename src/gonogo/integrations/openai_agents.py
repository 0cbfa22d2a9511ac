"""OpenAI Agents: each response of a model behind a gate, `Agent(model=GatedModel(model, gate))`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from agents.models.interface import Model

from gonogo.integrations.usage import attributes_told

if TYPE_CHECKING:
    from gonogo.guard.call_gate import CallGate, GatedCall

__all__ = ["GatedModel"]

_TOKENS = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}


class GatedModel(Model):  # type: ignore[misc] # the SDK is installed by who uses it
    """A model whose responses ask, hold, record and settle; a refused one raises CallRefusedError.

    Args:
        wrapped: The model, as a provider gives it.
        gate: What decides and pays.
        dependency: What the model is called here; default: its own name.
    """

    def __init__(self, wrapped: Model, gate: CallGate, *, dependency: str | None = None) -> None:
        self._wrapped, self._gate = wrapped, gate
        self._dependency = dependency or str(getattr(wrapped, "model", type(wrapped).__name__))

    async def get_response(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the framework's
        """One response, whole."""
        async with self._gate.call(self._dependency, kind="model") as call:
            response = await self._wrapped.get_response(*arguments, **named)
            _tell(call, response.usage)
            return response

    async def stream_response(self, *arguments: Any, **named: Any) -> AsyncGenerator[Any]:  # noqa: ANN401 - as the framework's
        """One response whose events stream: the last of them tells its tokens."""
        async with (
            self._gate.call(self._dependency, kind="model") as call,
            aclosing(self._wrapped.stream_response(*arguments, **named)) as events,
        ):
            async for event in events:
                response = getattr(event, "response", None)
                _tell(call, getattr(response, "usage", None))
                if getattr(response, "status", None) == "failed":
                    call.set(error="response_failed")  # no exception: the runner raises later
                yield event

    async def close(self) -> None:
        """Close the model."""
        await self._wrapped.close()


def _tell(call: GatedCall, usage: Any) -> None:  # noqa: ANN401 - the SDK's own
    if usage is None:
        return
    told = attributes_told(usage, _TOKENS)
    details = getattr(usage, "input_tokens_details", None)
    told |= attributes_told(details, {"cache_read_tokens": "cached_tokens"})
    details = getattr(usage, "output_tokens_details", None)
    call.set(**told, **attributes_told(details, {"reasoning_tokens": "reasoning_tokens"}))
