"""The meaning of attributes: two generations of gen_ai names, OpenInference, MCP, Claude Code.

Where several keys mean the same, the first one that a span carries wins. Keys that mean nothing
here are counted by name and are no error.

Sources: OpenTelemetry semantic conventions for generative AI (attributes and their migration
notes) and for MCP; OpenInference semantic conventions; Claude Code, "Monitoring"; Codex, "Observability";
Gemini CLI, "Telemetry"; Vercel AI SDK, "Telemetry"; OpenLLMetry, "Semantic Conventions"; LiteLLM's and Pydantic AI's
costs; Langfuse, "OpenTelemetry", property mapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

Scalar = str | int | float | bool

# Attributes under this prefix are fields of an observation by their own name.
OWN = "gonogo."
UNKNOWN_KEYS_MAX = 1_000
_SCALARS = frozenset({"string_value", "int_value", "double_value", "bool_value"})

SLOTS: dict[str, str] = {
    "gen_ai.operation.name": "operation",
    "gen_ai.agent.name": "agent",
    "gen_ai.provider.name": "provider",
    "gen_ai.system": "provider",
    "gen_ai.request.model": "request_model",
    "gen_ai.response.model": "response_model",
    "gen_ai.response.id": "response_id",
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.usage.cache_read_input_tokens": "cache_read_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
    "gen_ai.usage.cache_creation_input_tokens": "cache_write_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "gen_ai.usage.reasoning_tokens": "reasoning_tokens",
    "gen_ai.openai.response.service_tier": "tier",
    "openai.response.service_tier": "tier",
    "gen_ai.usage.cost": "cost_usd",
    "gen_ai.cost.total_cost": "cost_usd",
    "operation.cost": "cost_usd",
    "gen_ai.tool.name": "tool",
    "gen_ai.token.type": "token_type",
    "gen_ai.evaluation.name": "evaluation",
    "gen_ai.evaluation.score.value": "score",
    "gen_ai.evaluation.score.label": "score_label",
    "mcp.method.name": "mcp_method",
    "mcp.server.name": "mcp_server",
    "server.address": "server_address",
    "error.type": "error",
    "exception.type": "exception",
    "openinference.span.kind": "span_kind",
    "llm.model_name": "response_model",
    "llm.invocation_parameters": "invocation",
    "llm.provider": "provider",
    "llm.system": "provider",
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.prompt_details.cache_read": "cache_read_tokens",
    "llm.token_count.prompt_details.cache_write": "cache_write_tokens",
    "llm.token_count.prompt_details.audio": "input_audio_tokens",
    "llm.token_count.completion_details.reasoning": "reasoning_tokens",
    "llm.token_count.completion_details.audio": "output_audio_tokens",
    "llm.cost.total": "cost_usd",
    "embedding.model_name": "response_model",
    "reranker.model_name": "response_model",
    "tool.name": "tool",
    "ai.model.id": "request_model",
    "ai.model.provider": "provider",
    "ai.response.model": "response_model",
    "ai.response.id": "response_id",
    "ai.usage.promptTokens": "input_tokens",
    "ai.usage.inputTokens": "input_tokens",
    "ai.usage.tokens": "input_tokens",
    "ai.usage.completionTokens": "output_tokens",
    "ai.usage.outputTokens": "output_tokens",
    "ai.usage.cachedInputTokens": "cache_read_tokens",
    "ai.usage.reasoningTokens": "reasoning_tokens",
    "ai.usage.inputTokenDetails.cacheReadTokens": "cache_read_tokens",
    "ai.usage.inputTokenDetails.cacheWriteTokens": "cache_write_tokens",
    "ai.usage.outputTokenDetails.reasoningTokens": "reasoning_tokens",
    "ai.toolCall.name": "tool",
    "langfuse.observation.type": "span_kind",
    "langfuse.observation.model.name": "request_model",
    "langfuse.observation.level": "level",
    "langfuse.observation.usage_details": "usage_details",
    "langfuse.observation.cost_details": "cost_details",
    "traceloop.span.kind": "span_kind",
    "traceloop.entity.name": "entity",
}

# Metrics and events of coding agents (Claude Code, Codex, Gemini CLI); their names are too common to be
# looked for elsewhere.
CLAUDE_CODE_SLOTS: dict[str, str] = {
    "event.name": "event",
    "error": "error",
    "event.sequence": "sequence",
    "session.id": "session",
    "request_id": "response_id",
    "model": "response_model",
    "type": "token_type",
    "cost_usd": "cost_usd",
    "duration_ms": "duration_ms",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "status_code": "status_code",
    "tool_name": "tool",
    "success": "success",
    "mcp_server_name": "mcp_server",
    "event.kind": "event_kind",
    "conversation.id": "session",
    "http.response.status_code": "status_code",
    "error.message": "error",
    "error_type": "error_type",
    "input_token_count": "input_tokens",
    "output_token_count": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "cached_token_count": "cache_read_tokens",
    "cached_content_token_count": "cache_read_tokens",
    "reasoning_token_count": "reasoning_tokens",
    "thoughts_token_count": "reasoning_tokens",
    "total_token_count": "total_tokens",
    "function_name": "tool",
    "mcp_server": "mcp_server",
}

# Spans of Claude Code use both: `gen_ai` for what is called, names of their own for all else.
CLAUDE_CODE_SPAN_SLOTS = {**SLOTS, **CLAUDE_CODE_SLOTS}


class Tally:
    """Counts of what came in, and the names that were not understood; bounded."""

    def __init__(self) -> None:
        self.items = 0
        self.observations = 0
        self.ignored = 0
        self.refused = 0
        self.untimed = 0
        self.told_again = 0
        self.withdrawn = 0
        self.unmatched_outcomes = 0
        self.unknown_keys: dict[str, int] = {}

    def note_unknown(self, key: str) -> None:
        """Count a name; after 1,000 different ones the rest share an entry."""
        if key not in self.unknown_keys and len(self.unknown_keys) >= UNKNOWN_KEYS_MAX:
            key = "(others)"
        self.unknown_keys[key] = self.unknown_keys.get(key, 0) + 1


def read_attributes(
    attributes: Iterable[KeyValue], tally: Tally, slots: Mapping[str, str] = SLOTS
) -> dict[str, Scalar]:
    """The attributes that mean something, by slot; `gonogo.FIELD` by its whole name, and OWN then."""
    found: dict[str, Scalar] = {}
    unknown, slot_of = tally.unknown_keys, slots.get
    for attribute in attributes:
        key = attribute.key
        slot = slot_of(key)
        if slot is None:
            if key in unknown:
                unknown[key] += 1
                continue
            if not key.startswith(OWN):
                tally.note_unknown(key)
                continue
            slot, found[OWN] = key, True
        if slot not in found:
            # The value's own slot: a 0 of another would read as absent or as false. Text that is
            # empty, and what is set to nothing, are absent.
            value = attribute.value
            which = value.WhichOneof("value")
            if which in _SCALARS:
                stated = getattr(value, which)
                if stated != "":
                    found[slot] = stated
    return found


def number_of(found: Mapping[str, Scalar], slot: str) -> int | float | None:
    """A number that may have been sent as text; None where none is stated."""
    value = found.get(slot)
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            return float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            return None
    return value
