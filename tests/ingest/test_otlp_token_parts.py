"""Token parts and the service tier of a span, in the names of three conventions."""

from __future__ import annotations

import pytest

from gonogo.ingest.otlp.names import SLOTS
from gonogo.ingest.otlp.spans import call_fields


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.cache_read.input_tokens": 95, "gen_ai.usage.reasoning.output_tokens": 7},
        {"gen_ai.usage.cache_read_input_tokens": 95, "gen_ai.usage.reasoning_tokens": 7},
        {"ai.usage.cachedInputTokens": 95, "ai.usage.reasoningTokens": 7},
        {
            "llm.token_count.prompt_details.cache_read": 95,
            "llm.token_count.completion_details.reasoning": 7,
        },
    ],
)
def test_parts_of_tokens_are_read_from_every_convention(attributes: dict[str, int]) -> None:
    """Cached input and reasoning have prices of their own; so has a tier."""
    found = {SLOTS[name]: value for name, value in attributes.items()}
    told: dict[str, str | int | float | bool] = {
        "request_model": "gpt-5",
        "tier": "priority",
        "input_tokens": 100,
        **found,
    }
    fields = call_fields(told, "app")
    assert fields is not None
    assert (fields["cache_read_tokens"], fields["reasoning_tokens"]) == (95, 7)
    assert fields["tier"] == "priority"
