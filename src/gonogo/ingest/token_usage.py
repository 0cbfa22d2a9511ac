"""Token counts of one call, as each provider and tool spells them, in the fields of an observation.

`input_tokens` and `output_tokens` are whole: what was read from a cache, or spent on thinking, is part of
them. OpenAI, LangSmith and LiteLLM count so; Anthropic, Inspect and Langfuse count the parts beside the
rest. A total says which: only one of the two readings adds up to it.

Sources: OpenAI API reference, "CompletionUsage" and "ResponseUsage"; Anthropic API reference, "Usage";
langfuse.com, "Token & Cost Tracking"; LangSmith, "Run data format"; inspect_ai, `ModelUsage`; promptfoo,
`TokenUsage`; Datadog, "Export API"; Helicone, "Get Requests"; Gemini API, "UsageMetadata"; Amazon Bedrock,
"TokenUsage"; AI SDK 6, `LanguageModelUsage`; DeepSeek API, "Usage"; Ollama API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

from gonogo.border.foreign import number

# In snake case, which every spelling is brought into: `cacheReadInputTokens` is that of Bedrock and of Claude's
# SDK, `cachedInputTokens` that of Vercel's.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        *("input_tokens", "prompt_tokens", "input", "prompt", "input_usage"),
        *("prompt_token_count", "input_token_count", "prompt_eval_count"),
    ),
    "output_tokens": (
        *("output_tokens", "completion_tokens", "output", "completion", "output_usage"),
        *("candidates_token_count", "output_token_count", "eval_count"),
    ),
    "cache_read_tokens": (
        *("prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        *("cache_read_input_tokens", "input_tokens_cache_read", "prompt_token_details.cache_read"),
        *("input_token_details.cache_read", "input_cached_tokens", "input_cache_read"),
        *("input_cache_read_tokens", "cache_read_tokens", "prompt_cache_read_tokens"),
        *("cached_content_token_count", "cached_tokens", "cached_input_tokens"),
        *("input_token_details.cache_read_tokens", "input_token_details.cached_tokens"),
        "prompt_cache_hit_tokens",
    ),
    "cache_write_tokens": (
        *("cache_creation_input_tokens", "cache_write_input_tokens", "input_tokens_cache_write"),
        *("prompt_token_details.cache_creation", "input_token_details.cache_creation"),
        *("prompt_tokens_details.cache_creation_tokens", "input_cache_creation"),
        *("prompt_tokens_details.cache_write_tokens", "input_cache_write", "cache_write_tokens"),
        *("input_cache_creation_tokens", "prompt_cache_write_tokens", "cache_creation_tokens"),
        "input_token_details.cache_write_tokens",
    ),
    "reasoning_tokens": (
        *("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        *("completion_token_details.reasoning", "output_token_details.reasoning"),
        *("reasoning_tokens", "output_reasoning_tokens", "output_reasoning"),
        *("reasoning_output_tokens", "completion_details.reasoning", "thoughts_token_count"),
        "output_token_details.reasoning_tokens",
    ),
    "input_audio_tokens": (
        *("prompt_tokens_details.audio_tokens", "input_tokens_details.audio_tokens"),
        *("prompt_token_details.audio", "input_token_details.audio", "input_audio_tokens"),
        *("prompt_audio_tokens", "input_audio", "input_token_details.audio_tokens"),
    ),
    "output_audio_tokens": (
        *("completion_tokens_details.audio_tokens", "output_tokens_details.audio_tokens"),
        *("completion_token_details.audio", "output_token_details.audio", "output_audio_tokens"),
        *("completion_audio_tokens", "output_audio", "output_token_details.audio_tokens"),
    ),
}
_TOTALS = ("total_tokens", "total", "total_token_count", "total_usage")
# Anthropic's, also where Bedrock passes them on: counted beside the input.
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_write_input_tokens")
# What Gemini read of its tools' results: beside the prompt, and never within it.
_TOOL_INPUT = ("tool_use_prompt_token_count",)
_INPUT_PARTS = ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens")
_OUTPUT_PARTS = ("reasoning_tokens", "output_audio_tokens")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def token_fields(*places: object, apart: bool = False) -> dict[str, int | float]:
    """The token fields that are stated, with `input_tokens` and `output_tokens` whole.

    Args:
        places: Objects that may hold them; the first that states a count wins.
        apart: Parts are counted beside the rest where no total says so.
    """
    places = tuple(_in_snake_case(place, objects=True) for place in places)
    found: dict[str, int | float] = {}
    for name, spellings in _SPELLINGS.items():
        stated = _first(places, spellings)
        if stated is not None:
            found[name] = stated
    if "input_tokens" in found:
        found["input_tokens"] += _first(places, _TOOL_INPUT) or 0
    total = _first(places, _TOTALS)
    sent, got = found.get("input_tokens"), found.get("output_tokens")
    beside_sent = sum(found.get(name, 0) for name in _INPUT_PARTS)
    beside_got = sum(found.get(name, 0) for name in _OUTPUT_PARTS)
    # Anthropic's own spelling; whoever adds a total to it says by that how to read it.
    apart = apart or (
        total is None
        and _first(places, _BESIDE) is not None
        and _first(places, ("prompt_tokens",)) is None
    )
    adds_sent, adds_got = _beside(
        (sent or 0, got or 0), (beside_sent, beside_got), total, apart=apart
    )
    if adds_sent and sent is not None:
        found["input_tokens"] = sent + beside_sent
    if adds_got and got is not None:
        found["output_tokens"] = got + beside_got
    return found


def named_counts(record: Mapping[str, object]) -> dict[str, object]:
    """The parts of a record that are named tokens or usage: elsewhere `input` may be a question."""
    return {
        key: value for key, value in record.items() if key.lower().endswith(("tokens", "usage"))
    }


def _beside(
    whole: tuple[float, float], parts: tuple[float, float], total: float | None, *, apart: bool
) -> tuple[bool, bool]:
    """Whether the parts of what was sent, and of what came back, are counted beside it."""
    # More than the whole is no part of it, whatever the total says.
    certain = parts[0] > whole[0], parts[1] > whole[1]
    if total is not None:
        for adds in product((False, True), repeat=2):
            told = sum(whole) + adds[0] * parts[0] + adds[1] * parts[1]
            if told == total:
                return adds[0] or certain[0], adds[1] or certain[1]
    return apart or certain[0], apart or certain[1]


def _in_snake_case(place: object, *, objects: bool = False) -> object:
    """An object with its keys in snake case, and with `objects` those of the objects in it."""
    if not isinstance(place, Mapping):
        return place
    return {
        _HUMP.sub("_", str(key)).lower(): _in_snake_case(value) if objects else value
        for key, value in place.items()
    }


def _first(places: tuple[object, ...], paths: tuple[str, ...]) -> int | float | None:
    for place in places:
        for path in paths:
            at: object = place
            if isinstance(at, Mapping) and path not in at:
                head, _, rest = path.partition(".")
                at = at.get(head) if rest else None
                path = rest  # noqa: PLW2901 - the rest of the way
            stated = _count(at.get(path)) if isinstance(at, Mapping) else None
            if stated is not None:
                return stated
    return None


def _count(value: object) -> int | float | None:
    """A count, also one that is written as text; None for all else, and for what is below 0."""
    stated = number(value)
    return None if stated is None or stated < 0 else stated
