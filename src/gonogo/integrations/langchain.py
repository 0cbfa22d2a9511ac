"""LangChain: an agent's model and tool calls behind a gate, `create_agent(…, middleware=[GateMiddleware(gate)])`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware

from gonogo.integrations.usage import items_told

if TYPE_CHECKING:
    from gonogo.guard.call_gate import CallGate, GatedCall

__all__ = ["GateMiddleware"]

_TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "input_token_details.cache_read",
    "cache_write_tokens": "input_token_details.cache_creation",
    "reasoning_tokens": "output_token_details.reasoning",
    "input_audio_tokens": "input_token_details.audio",
    "output_audio_tokens": "output_token_details.audio",
}


class GateMiddleware(AgentMiddleware):  # type: ignore[misc] # LangChain is installed by who uses it
    """Calls that ask, hold, record and settle; a refused one raises CallRefusedError.

    Args:
        gate: What decides and pays for calls of models.
        tools: The same for calls of tools; default: they are not gated.
        dependency: What the model is called here; default: its own name.
    """

    def __init__(
        self, gate: CallGate, *, tools: CallGate | None = None, dependency: str | None = None
    ) -> None:
        super().__init__()
        self._gate, self._tools, self._dependency = gate, tools, dependency

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as the framework's
        """One call of the model."""
        with self._model(request) as call:
            return _seen(handler(request), call)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the framework's
        """One call of the model, awaited."""
        async with self._model(request) as call:
            return _seen(await handler(request), call)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as the framework's
        """One call of a tool."""
        if self._tools is None:
            return handler(request)
        with self._tools.call(request.tool_call["name"], kind="tool") as call:
            return _told(handler(request), call)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the framework's
        """One call of a tool, awaited."""
        if self._tools is None:
            return await handler(request)
        async with self._tools.call(request.tool_call["name"], kind="tool") as call:
            return _told(await handler(request), call)

    def _model(self, request: Any) -> GatedCall:  # noqa: ANN401 - LangChain's own
        model = request.model
        named = getattr(model, "model_name", None) or getattr(model, "model", None)
        return self._gate.call(self._dependency or named or type(model).__name__, kind="model")


def _told(message: Any, call: GatedCall) -> Any:  # noqa: ANN401 - LangChain's own
    """The tool's message; LangChain makes one of most errors, and raises few."""
    if getattr(message, "status", None) == "error":
        call.set(error="tool_error")
    return message


def _seen(response: Any, call: GatedCall) -> Any:  # noqa: ANN401 - LangChain's own
    for message in response.result:
        call.set(**items_told(getattr(message, "usage_metadata", None), _TOKENS))
    return response
