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
