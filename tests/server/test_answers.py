"""Answers as a client gets them: twice, each enough alone, short, and nothing but JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it ships no types
import pytest

from scripted import CALLS, ERAS, FALL_BACK, ID, Scripted, client, said

pytestmark = pytest.mark.anyio

TOKENS_MAX = 400
CHARS_A_TOKEN = 4


def leaves(value: object) -> list[object]:
    """Every scalar in a JSON value."""
    match value:
        case dict():
            return [leaf for part in value.values() for leaf in leaves(part)]
        case list():
            return [leaf for part in value for leaf in leaves(part)]
        case _:
            return [value]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", CALLS)
async def test_arguments_arrive_as_they_were_sent(era: str, tool: str) -> None:
    """Each argument reaches the application under its own name."""
    app = Scripted()
    async with client(app, era) as asked:
        result = await asked.call_tool(tool, CALLS[tool])
    assert not result.is_error
    [(heard, arguments)] = app.asked
    assert heard == tool
    assert CALLS[tool].items() <= arguments.items()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", CALLS)
async def test_the_words_and_the_object_are_each_enough(era: str, tool: str) -> None:
    """Verdict, summary, decision and next calls are in both, in at most 400 tokens."""
    async with client(Scripted(), era) as asked:
        result = await asked.call_tool(tool, CALLS[tool])
        [listed] = [t for t in (await asked.list_tools()).tools if t.name == tool]
    answer: dict[str, Any] = result.structured_content or {}
    words = said(result)
    assert listed.output_schema is not None
    jsonschema.validate(answer, listed.output_schema)
    assert words.startswith(f"{answer['verdict'].upper()}: {answer['summary']}")
    assert answer["decision_id"] == ID
    assert ID in words
    for call in answer["next_actions"]:
        assert f"next: {call['tool']}(" in words
        assert call["reason"] in words
    for shown in (words, json.dumps(answer, separators=(",", ":"), ensure_ascii=False)):
        assert len(shown) / CHARS_A_TOKEN <= TOKENS_MAX


@pytest.mark.parametrize("tool", CALLS)
async def test_no_answer_carries_nulls_or_numbers_that_are_none(tool: str) -> None:
    """A field that would be null is left out, and nothing is not a number."""
    async with client(Scripted(), ERAS[1]) as asked:
        result = await asked.call_tool(tool, CALLS[tool])
    for leaf in leaves(result.structured_content):
        assert leaf is not None
        assert not isinstance(leaf, float) or math.isfinite(leaf)


async def test_a_drift_answer_says_in_words_what_moved_and_how_sure() -> None:
    """The numbers of the object are in the words."""
    async with client(Scripted(), ERAS[1]) as asked:
        words = said(await asked.call_tool("check_model_drift", {"dependency": "gpt-4"}))
    for part in (
        "0.840 → 0.511 on 1,000 pairs",
        "baseline: version 0314, n 1,000",
        "1,000 items: ",
    ):
        assert part in words
    assert (
        f'trigger_fallback(dependency="gpt-4", reason={json.dumps(FALL_BACK.arguments["reason"])})'
        in words
    )


@pytest.mark.parametrize("era", ERAS)
async def test_a_list_sent_as_text_is_read_and_a_name_never_is(era: str) -> None:
    """Some clients send lists as text; a version may be called "null" all the same."""
    app = Scripted()
    async with client(app, era) as asked:
        await asked.call_tool("record_observations", {"observations": '[{"dependency": "a"}]'})
        await asked.call_tool("check_model_drift", {"dependency": "[1]", "version": "null"})
    (_, recorded), (_, checked) = app.asked
    assert recorded["observations"] == [{"dependency": "a"}]
    assert (checked["dependency"], checked["version"]) == ("[1]", "null")


@pytest.mark.parametrize("era", ERAS)
async def test_a_null_argument_is_an_absent_one(era: str) -> None:
    """Some clients send every optional argument."""
    app = Scripted()
    async with client(app, era) as asked:
        await asked.call_tool("check_model_drift", {"dependency": "gpt-4", "version": None})
    [(_, arguments)] = app.asked
    assert "version" not in arguments


@pytest.mark.parametrize("era", ERAS)
async def test_a_malformed_observation_does_not_refuse_the_call(era: str) -> None:
    """Items are checked one by one by the application; the tool lets anything in."""
    app = Scripted()
    items = [{"dependency": "a", "outcome": "no number"}, 5, None, "text", {"unknown": [1]}]
    async with client(app, era) as asked:
        result = await asked.call_tool("record_observations", {"observations": items})
    assert not result.is_error
    assert app.asked == [("record_observations", {"observations": items})]
