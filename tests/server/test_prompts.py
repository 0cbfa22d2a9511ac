"""Prompts: short, filled with what is known now, and of use when nothing can be known."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS, PromptReference, TextContent

from gonogo.app import Gonogo
from gonogo.server.surface import build_server
from gonogo.settings import BudgetSettings, Settings, WorkloadSettings
from scripted import ERAS, ID, Scripted, client

pytestmark = pytest.mark.anyio

TOKENS_MAX = 1_000
PROMPTS: dict[str, dict[str, str]] = {
    "preflight": {"workload": "triage"},
    "incident_response": {"incident_id": "inc-1"},
    "should_i_fall_back": {"dependency": "gpt-4", "plan_id": "plan-1"},
    "post_mortem": {"incident_id": "inc-1"},
    "budget_review": {"budget": "nightly"},
}
FACTS = {
    "preflight": "NO_GO: triage is no_go: gpt-4 degraded.",
    "incident_response": "inc-1,gpt-4,open",
    "should_i_fall_back": "Carry out fallback plan plan-1 for 'gpt-4'?",
    "post_mortem": "check_model_drift no_go: gpt-4 degraded",
    "budget_review": "remaining budget $47.23",
}


def configured(store: Path) -> Gonogo:
    """An application with a budget and a workload, and nothing recorded."""
    return Gonogo(
        Settings(
            store=str(store),
            budgets={"nightly": BudgetSettings("nightly", 60_000_000)},
            workloads={"triage": WorkloadSettings("triage", {"gpt-4": 40}, budget="nightly")},
        )
    )


async def filled(asked: Client, name: str, arguments: dict[str, str]) -> str:
    """The text of a prompt: one message of the user."""
    [message] = (await asked.get_prompt(name, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


@pytest.mark.parametrize("era", ERAS)
async def test_each_prompt_is_listed_with_what_it_takes(era: str) -> None:
    """Name, title, a line, and a description of every argument."""
    async with client(Scripted(), era) as asked:
        listed = (await asked.list_prompts()).prompts
    assert [prompt.name for prompt in listed] == list(PROMPTS)
    for prompt in listed:
        assert prompt.title
        assert prompt.description
        assert all(argument.description for argument in prompt.arguments or ())
        assert PROMPTS[prompt.name].keys() <= {a.name for a in prompt.arguments or ()}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", PROMPTS)
async def test_a_prompt_carries_the_facts_of_now(era: str, name: str) -> None:
    """Short enough to read at night, with the words of the tools in it."""
    async with client(Scripted(), era) as asked:
        text = await filled(asked, name, PROMPTS[name])
    assert FACTS[name] in text
    assert len(text) / 4 <= TOKENS_MAX


@pytest.mark.parametrize("name", PROMPTS)
async def test_a_prompt_says_what_is_not_known(tmp_path: Path, name: str) -> None:
    """An empty store changes nothing about the steps."""
    async with Client(build_server(configured(tmp_path / "gonogo.db"))) as asked:
        text = await filled(asked, name, PROMPTS[name])
        bare = {k: v for k, v in PROMPTS[name].items() if k == "dependency"}
        if name != "post_mortem":
            await filled(asked, name, bare)
    assert "Unknown" in text or "Nothing is recorded" in text or "UNKNOWN" in text


async def test_a_prompt_without_a_store_still_gives_the_steps(tmp_path: Path) -> None:
    """The night it is needed may be the night the disk is gone."""
    (tmp_path / "gonogo.db").write_text("no store")
    async with Client(build_server(configured(tmp_path / "gonogo.db"))) as asked:
        text = await filled(asked, "incident_response", {})
    assert "(not known: " in text
    assert "not a gonogo store" in text
    assert "4. Way back: trigger_fallback" in text


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("preflite", {}, "unknown prompt 'preflite' \\(did you mean 'preflight'\\?\\)"),
        ("preflight", {"work": "x"}, "unknown argument 'work' \\(did you mean 'workload'\\?\\)"),
        ("post_mortem", {}, "post_mortem: argument 'incident_id' is missing"),
    ],
)
async def test_a_wrong_prompt_is_refused_in_one_line(
    era: str, name: str, arguments: dict[str, str], line: str
) -> None:
    """By name, with the nearest that there is."""
    async with client(Scripted(), era) as asked:
        with pytest.raises(MCPError, match=line) as refused:
            await asked.get_prompt(name, arguments)
    assert refused.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("name", "argument", "typed", "values"),
    [
        ("should_i_fall_back", "dependency", "gpt-4", ["gpt-4"]),
        ("should_i_fall_back", "plan_id", "plan", ["plan-1"]),
        ("incident_response", "incident_id", "", ["inc-1"]),
        ("post_mortem", "incident_id", "inc", ["inc-1"]),
        ("preflight", "workload", "tri", ["triage"]),
        ("budget_review", "budget", "", ["nightly", "weekly"]),
        ("budget_review", "else", "", []),
    ],
)
async def test_the_arguments_of_prompts_are_completed(
    name: str, argument: str, typed: str, values: list[str]
) -> None:
    """Names and ids that there are."""
    async with client(Scripted(), ERAS[1]) as asked:
        result = await asked.complete(
            PromptReference(name=name), {"name": argument, "value": typed}
        )
    assert result.completion.values == values


async def test_decisions_are_told_by_their_id() -> None:
    """A post-mortem can be traced to the log."""
    async with client(Scripted(), ERAS[1]) as asked:
        text = await filled(asked, "post_mortem", PROMPTS["post_mortem"])
    assert ID in text
