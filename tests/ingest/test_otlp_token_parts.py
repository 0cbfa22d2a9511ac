"""Token parts and the service tier of a span, in the names of three conventions."""

from __future__ import annotations

import pytest

from gonogo.ingest.otlp.collect import Collector
from gonogo.ingest.otlp.names import SLOTS
from gonogo.ingest.otlp.spans import call_fields
from otlp_requests import log_request, read


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


@pytest.mark.parametrize(
    ("name", "counts", "whole"),
    [
        (
            "claude_code.api_request",
            {"input_tokens": 5, "cache_read_tokens": 90, "cache_creation_tokens": 5},
            (100, 20),
        ),
        (
            "gemini_cli.api_response",
            {
                "input_token_count": 100,
                "cached_content_token_count": 90,
                "thoughts_token_count": 7,
                "output_token_count": 13,
                "total_token_count": 120,
            },
            (100, 20),
        ),
        (
            "codex.sse_event",
            {
                "input_token_count": 100,
                "cached_token_count": 90,
                "reasoning_token_count": 7,
                "output_token_count": 20,
                "event.kind": "response.completed",
            },
            (100, 20),
        ),
    ],
)
def test_an_agent_s_event_counts_tokens_whole(
    name: str, counts: dict[str, int | str], whole: tuple[int, int]
) -> None:
    """Claude Code counts cached ones beside the rest, Gemini thoughts; Codex both within."""
    event = {"_name": name, "model": "m", "output_tokens": 20, **counts}
    if name != "claude_code.api_request":
        del event["output_tokens"]
    [seen] = read(Collector(0), log_request(event)).observations
    assert (seen.input_tokens, seen.output_tokens) == whole
    assert seen.cache_read_tokens == 90
