"""An agent that reads only what it is shown: the right tool comes first, its answer is enough.

The tool is chosen by BM25 (Robertson & Zaragoza, 2009; k1 = 1.5, b = 0.75) of the agent's own words
over names, titles and descriptions: a reader far below any model. What to do is then read off the
answer in brief, once from the words and once from the object, and nothing else.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from mcp import Client
from mcp_types import Tool

from agent_world import lived_in
from gonogo.app import Gonogo
from gonogo.server.surface import build_server
from scripted import Scripted, said

pytestmark = pytest.mark.anyio

TOKENS_MAX = 400
K1, B = 1.5, 0.75
COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been by can do does for from has have how i if in is it its me my no"
        " not of on or our so that the them then there this to up was we what when which will with"
        " you",
    )
)
DO = {"go": "start", "caution": "look first", "no_go": "stop", "unknown": "learn more"}


# What a field is called in a sentence.
IN_WORDS = {"plan_id": "plan", "onset": "since about"}


@dataclass(frozen=True)
class Scenario:
    """What the agent thinks, the tool it should ask, and what it should come away with."""

    thought: str
    tool: str
    arguments: dict[str, Any]
    do: str
    told: tuple[str, ...] = field(default=())


SCENARIOS = (
    Scenario(
        "I am about to begin a long costly run of triage. Is everything the work needs fit, go or no-go?",
        "preflight",
        {"workload": "triage"},
        "stop",
        ("sentiment-v3",),
    ),
    Scenario(
        "Before this expensive search run: is all it needs, with its budget, fit for the work?",
        "preflight",
        {"workload": "search"},
        "start",
        ("nightly",),
    ),
    Scenario(
        "This irreversible run over the images needs the vision API. Go or no-go for the run?",
        "preflight",
        {"workload": "images"},
        "stop",
        ("vision-api",),
    ),
    Scenario(
        "Go or no-go for a costly piece of work with a new model that hardly anybody used?",
        "preflight",
        {"workload": "trial"},
        "learn more",
        ("new-model",),
    ),
    Scenario(
        "The results of the sentiment model look odd lately. Has it degraded, since when, and how sure?",
        "check_model_drift",
        {"dependency": "sentiment-v3"},
        "stop",
        ("onset", "baseline"),
    ),
    Scenario(
        "Did the search tool degrade against its baseline before I rely on its output?",
        "check_model_drift",
        {"dependency": "ticket-search"},
        "start",
    ),
    Scenario(
        "Can I rely on the output of the summariser, or has it degraded since its baseline?",
        "check_model_drift",
        {"dependency": "summariser"},
        "learn more",
    ),
    Scenario(
        "Which dependencies can be trusted, worst first? I am choosing between two.",
        "get_trust_score_health",
        {},
        "stop",
        ("vision-api", "sentiment-v2"),
    ),
    Scenario(
        "What is the chance that the next call of the older sentiment model is good?",
        "get_trust_score_health",
        {"dependency": "sentiment-v2"},
        "start",
    ),
    Scenario(
        "What is the chance that the next call to the vision API is good?",
        "get_trust_score_health",
        {"dependency": "vision-api"},
        "stop",
    ),
    Scenario(
        "Will 2000 calls fit the nightly budget, with what probability? I want to spend.",
        "check_budget_with_confidence",
        {"budget": "nightly", "dependency": "ticket-search", "planned_calls": 2000},
        "start",
        ("$",),
    ),
    Scenario(
        "What remains of the tight budget before spending on 400 more calls?",
        "check_budget_with_confidence",
        {"budget": "tight", "dependency": "sentiment-v3", "planned_calls": 400},
        "stop",
        ("70% required",),
    ),
    Scenario(
        "Hold money of the budget against other agents before we spend.",
        "check_budget_with_confidence",
        {
            "budget": "nightly",
            "dependency": "ticket-search",
            "planned_calls": 100,
            "reserve": True,
            "idempotency_key": "run-1",
        },
        "start",
        ("res-",),
    ),
    Scenario(
        "The answer was no_go. Plan a way back and move the traffic of the sentiment model.",
        "trigger_fallback",
        {"dependency": "sentiment-v3", "reason": "quality fell"},
        "start",
        ("plan_id", "sentiment-v2"),
    ),
    Scenario(
        "Which target and version do I call right now, after any fallback?",
        "get_route",
        {"dependency": "sentiment-v3"},
        "stop",
        ("sentiment-v3",),
    ),
    Scenario(
        "The batch is done: store the outcome of each call as evidence.",
        "record_observations",
        {"observations": [{"dependency": "ticket-search", "outcome": True, "id": "late-1"}]},
        "start",
    ),
    Scenario(
        "The work is given up: release the hold.",
        "settle_reservation",
        {"reservation_id": "HELD"},
        "start",
        ("released",),
    ),
    Scenario(
        "I do not know the right name. List the names that are known.",
        "list_dependencies",
        {"query": "sentiment"},
        "stop",
        ("sentiment-v2", "sentiment-v3"),
    ),
    Scenario(
        "What is already being done about degradations, before acting?",
        "get_incidents",
        {},
        "stop",
        ("sentiment-v3", "open"),
    ),
    Scenario(
        "Show the status and timeline of the incident.",
        "get_incidents",
        {"dependency": "vision-api"},
        "stop",
        ("vision-api", "opened"),
    ),
)


def terms(text: str) -> list[str]:
    """Lower-case words, a plural as its singular, without the commonest."""
    found = re.findall(r"[a-z]+", text.lower().replace("_", " "))
    return [
        word.removesuffix("s") if len(word) > 3 else word for word in found if word not in COMMON
    ]


def ranked(tools: list[Tool], thought: str) -> list[str]:
    """The tools by BM25, best first; ties in the order in which they are listed."""
    documents = [Counter(terms(f"{t.name} {t.title} {t.description}")) for t in tools]
    mean = sum(d.total() for d in documents) / len(documents)
    asked = set(terms(thought))
    rarity = {
        word: math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
        for word in asked
        for n in [sum(word in d for d in documents)]
    }

    def score(document: Counter[str]) -> float:
        length = K1 * (1 - B + B * document.total() / mean)
        return sum(
            rarity[word] * document[word] * (K1 + 1) / (document[word] + length) for word in asked
        )

    order = sorted(range(len(tools)), key=lambda i: -score(documents[i]))
    return [tools[i].name for i in order]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module: the application lives in it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gonogo]:
    """The application with its history; what one scenario does, the next finds done."""
    async with await lived_in(tmp_path_factory.mktemp("agent")) as lived:
        for _ in range(2):
            await lived.check_model_drift("sentiment-v3")
        yield lived


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.thought[:40])
async def test_the_right_tool_is_asked_first(scenario: Scenario) -> None:
    """By the wording of its definition alone."""
    tools = await build_server(Scripted()).list_tools()
    assert ranked(tools, scenario.thought)[0] == scenario.tool


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.thought[:40])
async def test_the_answer_in_brief_is_enough_to_decide(app: Gonogo, scenario: Scenario) -> None:
    """From the words alone, and from the object alone; each in at most 400 tokens."""
    arguments = dict(scenario.arguments)
    async with Client(build_server(app), mode="2026-07-28") as agent:
        if arguments.get("reservation_id") == "HELD":
            [held] = [s for s in SCENARIOS if s.arguments.get("reserve")]
            hold = await agent.call_tool(held.tool, held.arguments)
            arguments["reservation_id"] = (hold.structured_content or {})["reservation"]["id"]
        result = await agent.call_tool(scenario.tool, arguments)
    words, answer = said(result), result.structured_content or {}
    assert not result.is_error, words
    shown = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    assert DO[words.partition(":")[0].lower()] == scenario.do, words
    assert DO[answer["verdict"]] == scenario.do
    for fact in scenario.told:
        assert IN_WORDS.get(fact, fact) in words
        assert fact in shown
    assert len(words) / 4 <= TOKENS_MAX, words
    assert len(shown) / 4 <= TOKENS_MAX, shown


async def test_full_has_what_brief_left_out(app: Gonogo) -> None:
    """Only what did not move is left out, and only of an answer that would be too long."""
    full = await app.check_model_drift("sentiment-v3", detail="full")
    brief = await app.check_model_drift("sentiment-v3")
    assert len(full.model_dump_json(exclude_none=True)) / 4 > TOKENS_MAX
    assert brief.summary == full.summary
    assert brief.evidence == full.evidence
    assert full.segments is not None
    assert (brief.segments or []) == full.segments[: len(brief.segments or ())]
    assert {s.status for s in full.signals or ()} == {"stable"}
    assert brief.signals is None
