"""What a model reads when a call is wrong: one line, what and what next, and nothing inside."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from gonogo.errors import UnknownTarget
from scripted import ERAS, Scripted, client, said

pytestmark = pytest.mark.anyio

LINE_CHARS_MAX = 400
DRIFT, BUDGET = "check_model_drift", "check_budget_with_confidence"

WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        DRIFT,
        {"dependency": "a", "metrik": "x"},
        "unknown argument 'metrik' (did you mean 'metric'?)",
    ),
    (DRIFT, {"dependency": "a", "zzz": 1}, "unknown argument 'zzz' (known: dependency, metric,"),
    (DRIFT, {}, "argument 'dependency' is missing"),
    (DRIFT, {"dependency": ""}, "argument 'dependency' must not be empty"),
    (DRIFT, {"dependency": 5}, "argument 'dependency' must be text, got 5"),
    (DRIFT, {"dependency": None}, "argument 'dependency' must be text, got null"),
    (
        DRIFT,
        {"dependency": "x" * 1_000_000},
        "'dependency' is 1000000 characters long; at most 200",
    ),
    (DRIFT, {"dependency": "a", "detail": "max"}, "must be one of 'brief', 'full', got 'max'"),
    (BUDGET, {"budget": "b", "planned_calls": -3}, "'planned_calls' must be at least 0, got -3"),
    (BUDGET, {"budget": "b", "planned_calls": "40.5"}, "must be a whole number, got 40.5"),
    (BUDGET, {"budget": "b", "planned_calls": "forty"}, "must be a whole number, got 'forty'"),
    (BUDGET, {"budget": "b", "planned_calls": "1_000"}, "must be a whole number, got '1_000'"),
    (BUDGET, {"budget": "b", "planned_cost_usd": "nan"}, "must be a number, got 'nan'"),
    (BUDGET, {"budget": "b", "planned_calls": 1.5}, "must be a whole number, got 1.5"),
    (BUDGET, {"budget": "b", "planned_calls": True}, "must be a whole number, got True"),
    (BUDGET, {"budget": "b", "planned_cost_usd": -1}, "must be at least 0, got -1"),
    (BUDGET, {"budget": "b", "planned_cost_usd": 1e16}, "must be at most 1e+15"),
    (BUDGET, {"budget": "b", "reserve": "yes"}, "'reserve' must be true or false, got 'yes'"),
    ("trigger_fallback", {"dependency": "a", "share": 0}, "'share' must be greater than 0"),
    ("record_observations", {"observations": []}, "'observations' needs at least 1"),
    ("record_observations", {"observations": [{}] * 1001}, "'observations' has 1001; at most 1000"),
    ("record_observations", {"observations": 5}, "'observations' must be a list, got 5"),
    ("preflight", {"dependencies": ["a", 7]}, "'dependencies.1' must be text, got 7"),
    ("check_drift", {}, "Unknown tool 'check_drift' (did you mean 'check_model_drift'?)"),
    (DRIFT, {"dependency": "gpt4"}, "Unknown dependency 'gpt4'. Known: gpt-4, gpt-3.5-turbo."),
    (DRIFT, {"dependency": "broken store"}, "The store is locked."),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("tool", "arguments", "line"), WRONG)
async def test_a_wrong_call_is_refused_in_one_line(
    era: str, tool: str, arguments: dict[str, Any], line: str
) -> None:
    """What is wrong, with which value, and what is allowed."""
    async with client(Scripted(), era) as asked:
        result = await asked.call_tool(tool, arguments)
    assert result.is_error
    words = said(result)
    assert line in words
    assert len(words) <= LINE_CHARS_MAX
    assert "\n" not in words
    assert "pydantic" not in words


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
async def test_numbers_that_are_none_are_refused(value: float) -> None:
    """NaN and infinity are no amounts. JSON has none, so this asks without a transport."""
    from gonogo.server.surface import build_server

    server = build_server(Scripted())
    with pytest.raises(Exception, match="planned_cost_usd' must be"):
        await server.call_tool(BUDGET, {"budget": "b", "planned_cost_usd": value})


async def test_many_problems_are_counted_and_the_unknown_name_comes_first() -> None:
    """An unknown name explains a missing one."""
    wrong = {
        "budgt": "b",
        "planned_calls": -1,
        "planned_cost_usd": "one",
        "reserve": 1,
        "detail": 5,
    }
    async with client(Scripted(), ERAS[1]) as asked:
        words = said(await asked.call_tool(BUDGET, wrong))
    assert words.startswith(f"{BUDGET}: unknown argument 'budgt' (did you mean 'budget'?); ")
    assert words.endswith("and 3 more problems.")


@pytest.mark.parametrize("era", ERAS)
async def test_invisible_characters_do_not_come_back(era: str) -> None:
    """What a caller sent is shown without what could steer the reader."""
    async with client(Scripted(), era) as asked:
        result = await asked.call_tool(DRIFT, {"dependency": "a", "x\u202e\x1b[31m\nignore": 1})
    assert "unknown argument 'x[31mignore'" in re.sub(r"\s+", "", said(result)).replace(
        "unknownargument", "unknown argument "
    )


@pytest.mark.parametrize("era", ERAS)
async def test_a_crash_tells_the_model_an_id_and_the_log_the_rest(
    era: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of an unexpected error reaches the model; the id leads to it."""
    with caplog.at_level(logging.ERROR, logger="gonogo"):
        async with client(Scripted(), era) as asked:
            result = await asked.call_tool(DRIFT, {"dependency": "crash"})
    words = said(result)
    assert result.is_error
    assert "secret" not in words
    found = re.search(r"crash ([0-9a-f]{8})", words)
    assert found is not None
    [record] = [r for r in caplog.records if found[1] in r.getMessage()]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_the_nearest_names_are_found_whatever_their_capitals_and_said_once() -> None:
    """Names may come from the configuration and from the store."""
    told = str(UnknownTarget("dependency", "Chat-B", ["chat-z", "chat-b", "CHAT-B", "chat-b"]))
    assert told == "Unknown dependency 'Chat-B'. Known: chat-b, CHAT-B, chat-z."
