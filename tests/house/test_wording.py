"""The words of each surface, one snapshot a surface, over a small shop at a fixed moment.

Tests elsewhere hold what an answer means; how it is put is held here alone. After words have changed, read the diff:
GONOGO_SNAPSHOTS=accept .venv/bin/python -m pytest tests/house/test_wording.py
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.resources import files
from pathlib import Path

import anyio
import pytest
from mcp import Client

from agent_world import NOW_MS, lived_in
from gonogo.__main__ import run
from gonogo.app import Gonogo
from gonogo.cli.next_steps import as_command, with_options
from gonogo.errors import GonogoError
from gonogo.incidents.by_hand import acknowledge, change_by_hand
from gonogo.incidents.telling import tell
from gonogo.notifiers.slack import Slack
from gonogo.server.surface import build_server
from gonogo.text.answer_text import as_text
from receivers import receiver, slack

WORDS = Path(__file__).parent / "words"
# An agent's questions in the order of its day: each tool, each verdict, and what is refused.
ASKED: tuple[tuple[str, dict[str, object]], ...] = (
    ("list_dependencies", {}),
    ("check_model_drift", {"dependency": "sentiment-v3"}),
    ("check_model_drift", {"dependency": "sentiment-v3", "detail": "full"}),
    ("check_model_drift", {"dependency": "sentiment-v2", "segment": "day_type=weekend"}),
    ("check_model_drift", {"dependency": "ticket-search", "metric": "latency_ms"}),
    ("check_model_drift", {"dependency": "ticket-search", "until": "2026-05-20"}),
    ("check_model_drift", {"dependency": "vision-api"}),
    ("check_model_drift", {"dependency": "summariser"}),
    ("check_model_drift", {"dependency": "new-model"}),
    ("check_model_drift", {"dependency": "sentiment-v4"}),
    ("get_trust_score_health", {}),
    ("get_trust_score_health", {"dependency": "sentiment-v3"}),
    ("get_trust_score_health", {"dependency": "ticket-search"}),
    ("check_budget_with_confidence", {"budget": "nightly", "planned_calls": 400}),
    ("check_budget_with_confidence", {"budget": "tight", "planned_calls": 4_000}),
    ("check_budget_with_confidence", {"budget": "unused"}),
    (
        "check_budget_with_confidence",
        {"budget": "nightly", "planned_cost_usd": 3.5, "reserve": True},
    ),
    ("check_budget_with_confidence", {"budget": "nigthly"}),
    ("preflight", {"workload": "triage"}),
    ("preflight", {"workload": "search"}),
    ("preflight", {"dependencies": ["summariser", "new-model"]}),
    ("preflight", {}),
    ("get_route", {"dependency": "sentiment-v3"}),
    ("trigger_fallback", {"dependency": "sentiment-v3"}),
    ("trigger_fallback", {"dependency": "sentiment-v3", "reason": "it fell"}),
    ("trigger_fallback", {"dependency": "vision-api", "reason": "half of its calls fail"}),
    ("get_incidents", {}),
    ("settle_reservation", {"reservation_id": "res-none"}),
    (
        "record_observations",
        {
            "observations": [
                {"dependency": "sentiment-v3", "outcome": 1},
                {"dependency": "x", "outcome": 7},
                {"model": "x"},
            ]
        },
    ),
)
COMMANDS = (
    "--help",
    "check --help",
    "check drift --help",
    "ingest --help",
    "install --help",
    "fallback --help",
)
# What is another at each run; the digits of what is drawn at random are held elsewhere.
VARIES = (
    (re.compile(r"(res|plan|inc)-[0-9A-Z]{16}"), r"\1-…"),
    (re.compile(r"(decision |`)[0-9A-Z]{16}"), r"\1…"),
    (re.compile(r"/\S*/(?=gonogo\.db)"), "…/"),
)

COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
# A text for people: two words, or one with a capital; not a name of a class or an attribute.
SAID = re.compile(r"[A-Za-z]{2,}[,:;.]? [^ ]|^[A-Z][a-z]+")


def holds(name: str, said: str) -> None:
    """Compare with the snapshot, or write it."""
    for pattern, put in VARIES:
        said = pattern.sub(put, said)
    path = WORDS / name
    if os.environ.get("GONOGO_SNAPSHOTS") == "accept":
        path.write_text(said, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == said, (
        f"read the diff of tests/house/words/{name}, then accept it"
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an agent and a person read of the same questions, and of the night that follows from them."""
    return anyio.run(_asked, tmp_path_factory.mktemp("shop"))


async def _asked(folder: Path) -> dict[str, str]:
    agent, person = [], []
    async with await lived_in(folder) as app:
        async with Client(build_server(app), mode="2026-07-28") as asked:
            for tool, arguments in ASKED:
                result = await asked.call_tool(tool, arguments)
                agent.append(f"## {tool} {arguments}\n\n{result.content[0].text}\n")  # type: ignore[union-attr]
        for tool, arguments in ASKED:
            person.append(f"## {tool} {arguments}\n\n{await _typed(app, tool, arguments)}\n")
        told = await _told(app)
        [first, *_] = (await app.get_incidents()).incidents
        report = await app.post_mortem(first.id)
    return {
        "agent.txt": "\n".join(agent),
        "person.txt": "\n".join(person),
        "notices.txt": told,
        "post-mortem.md": report,
    }


async def _typed(app: Gonogo, tool: str, arguments: dict[str, object]) -> str:
    """What the command of a tool prints into a pipe."""
    ask = getattr(app, tool)
    try:
        return with_options(as_text(await ask(**arguments), as_command))
    except GonogoError as error:
        return f"gonogo: {with_options(str(error))}"


async def _told(app: Gonogo) -> str:
    """What a channel is sent of all that happened, and after somebody has taken it on."""
    stores = await app.stores()
    with receiver(slack) as channel:
        teller = Slack("ops", channel.url)
        [first, *_] = (await app.get_incidents()).incidents
        laddered = app.settings.laddered
        await tell(stores.notices, teller, laddered=laddered, now_ms=NOW_MS)
        await change_by_hand(
            stores.incidents, first.id, acknowledge(), actor="person:kim", now_ms=NOW_MS
        )
        await tell(stores.notices, teller, laddered=laddered, now_ms=NOW_MS)
        return "\n\n".join(str(message["text"]) for message in channel.taken) + "\n"


@pytest.mark.parametrize("surface", ["agent.txt", "person.txt", "notices.txt", "post-mortem.md"])
def test_the_words_of_the_answers(shop: dict[str, str], surface: str) -> None:
    """Of MCP and of the command line to the same questions; of the messages and the report of the night after."""
    holds(surface, shop[surface])


def test_the_words_of_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first screen, and of the commands that a newcomer needs; all options stand in docs/reference.md."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    pages = []
    for command in COMMANDS:
        with redirect_stdout(io.StringIO()) as said:
            assert run(command.split(), {"PATH": ""}) == 0
        pages.append(
            f"$ gonogo {command}\n" + "\n".join(map(str.rstrip, said.getvalue().splitlines()))
        )
    holds("help.txt", "\n\n".join(pages) + "\n")


def spoken(code: str) -> Iterator[str]:
    """The texts of a JavaScript source, in the order in which they end; what is put into one stands as an ellipsis."""
    templates: list[
        tuple[str, int]
    ] = []  # of those that are open: the text so far, and braces within ${…}
    at = 0
    while at < len(code):
        text, depth = templates[-1] if templates else ("", -1)
        step = 1
        if depth == 0 and code[at] == "`":
            templates.pop()
            yield text
        elif depth == 0 and code.startswith("${", at):
            templates[-1], step = (f"{text}…", 1), 2
        elif depth == 0:
            templates[-1] = (text + code[at], 0)
        elif code[at] == "`":
            templates.append(("", 0))
        elif quoted := STRING.match(code, at):
            step = len(quoted[0])
            yield quoted[1]
        elif depth > 0 and code[at] in "{}":
            templates[-1] = (text, depth + (1 if code[at] == "{" else -1))
        at += step


def test_the_words_of_the_page() -> None:
    """What the dashboard says itself, beside the answers that it draws: the texts in its sources."""
    said = []
    for source in sorted(files("gonogo.panel").iterdir(), key=lambda path: path.name):
        if source.name.endswith(".js"):
            code = COMMENT.sub("", source.read_text(encoding="utf-8"))
            said += [f"## {source.name}", *filter(SAID.search, spoken(code)), ""]
    holds("page.txt", "\n".join(said))
