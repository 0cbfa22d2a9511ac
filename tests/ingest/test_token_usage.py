"""Token counts of a call, however a provider spells and splits them."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gonogo.ingest.token_usage import token_fields

COUNTS = st.integers(0, 10_000)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_parts_within_or_beside_the_rest_are_the_same_call(
    fresh: int, read: int, write: int, said: int, thought: int
) -> None:
    """A provider that counts parts within, one that counts them beside, and its total either way."""
    whole = fresh + read + write, said + thought
    parts = {"cache_read_tokens": read, "cache_write_tokens": write, "reasoning_tokens": thought}
    expected = {"input_tokens": whole[0], "output_tokens": whole[1], **parts}
    total = sum(whole)
    within = {
        "prompt_tokens": whole[0],
        "completion_tokens": whole[1],
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    assert token_fields(within) == token_fields({**within, "total_tokens": total}) == expected
    beside = {
        "input": fresh,
        "input_cached_tokens": read,
        "input_cache_creation": write,
        "output": said,
        "output_reasoning_tokens": thought,
    }
    assert token_fields({**beside, "total": total}) == expected
    assert token_fields(beside, apart=True) == expected


@pytest.mark.parametrize(
    ("usage", "sent", "got"),
    [
        ({"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}, 8, 1),
        ({"input_tokens": 5, "cache_read_input_tokens": 9, "output_tokens": 1}, 14, 1),
        ({"input_tokens": 5, "input_tokens_cache_read": 9, "total_tokens": 6}, 14, None),
        ({"prompt_tokens": "12", "completion_tokens": 0}, 12, 0),
        ({"prompt_tokens": -1, "completion_tokens": True}, None, None),
        ({"prompt_tokens": {"a": 1}, "output": float("nan")}, None, None),
        (None, None, None),
    ],
)
def test_what_a_usage_says(usage: object, sent: int | None, got: int | None) -> None:
    """Anthropic counts beside; more than the whole is no part of it; what is no count is absent."""
    found = token_fields(usage)
    assert (found.get("input_tokens"), found.get("output_tokens")) == (sent, got)


BEDROCK = {"inputTokens": 500, "outputTokens": 100, "cacheReadInputTokens": 300}
GEMINI = {"candidates_token_count": 40, "thoughts_token_count": 60, "total_token_count": 900}
CACHED, REASONED = {"cache_read_tokens": 300}, {"reasoning_tokens": 60}


@pytest.mark.parametrize(
    ("usage", "parts"),
    [
        ({**BEDROCK, "totalTokens": 900}, CACHED),
        (BEDROCK, CACHED),
        ({**BEDROCK, "cacheWriteInputTokens": 0}, {**CACHED, "cache_write_tokens": 0}),
        ({**BEDROCK, "cacheCreationInputTokens": 0}, {**CACHED, "cache_write_tokens": 0}),
        (
            {
                "inputTokens": 800,
                "outputTokens": 100,
                "inputTokenDetails": {"noCacheTokens": 500, "cacheReadTokens": 300},
                "outputTokenDetails": {"textTokens": 40, "reasoningTokens": 60},
            },
            CACHED | REASONED,
        ),
        ({"prompt_tokens": 800, "completion_tokens": 100, "prompt_cache_hit_tokens": 300}, CACHED),
        ({"promptTokenCount": 800, "candidatesTokenCount": 100, "totalTokenCount": 900}, {}),
        ({"prompt_token_count": 800, **GEMINI}, REASONED),
        ({"prompt_token_count": 750, "tool_use_prompt_token_count": 50, **GEMINI}, REASONED),
        ({"prompt_eval_count": 800, "eval_count": 100}, {}),
    ],
)
def test_a_call_is_as_large_whoever_tells_of_it(
    usage: dict[str, object], parts: dict[str, int]
) -> None:
    """Eight hundred in and one hundred out, by Bedrock, Claude's SDK, Vercel, DeepSeek, Gemini and Ollama."""
    assert token_fields(usage) == {"input_tokens": 800, "output_tokens": 100, **parts}
