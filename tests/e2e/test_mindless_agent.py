"""An agent without judgement follows the first next action of each answer: nothing becomes worse.

From every state it comes to an end, invents no evidence, takes nothing back, and the share of calls
that are served well, by rates that the history was made with, never falls. Once against the
library, once over stdio against a real server.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import TextContent
from product import client

from gonogo.answers import Answer, FallbackPlan, rfc3339
from gonogo.app import Gonogo
from gonogo.config import load_settings
from gonogo.errors import ActionRefused, GonogoError
from gonogo.routing import RouteReader

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
STEPS_MAX = 20
A_DAY, DAYS = 60, 30
FELL_DAYS = 6
# How often a call is served well, before the fall and after it.
RATES = {
    "healthy": (0.95, 0.95),
    "backup": (0.95, 0.95),
    "degraded": (0.95, 0.5),
    "asks": (0.95, 0.5),
    "confirms": (0.95, 0.5),
    "alone": (0.95, 0.5),
    "mitigated": (0.95, 0.5),
    "pending": (0.95, 0.5),
    "slices": (0.95, 0.95),
    "stale": (0.95, 0.95),
    "thin": (0.95, 0.95),
}
RULES_RATE = 0.3  # of what nobody measures
CONFIG = """
[dependencies.healthy]
fallback = ["backup", "rules:keywords"]
fallback_policy = "allow"
[dependencies.degraded]
fallback = ["backup", "rules:keywords"]
fallback_policy = "allow"
[dependencies.asks]
fallback = ["backup"]
[dependencies.confirms]
fallback = ["backup"]
fallback_policy = "confirm"
[dependencies.mitigated]
fallback = ["backup", "rules:keywords"]
fallback_policy = "allow"
[dependencies.pending]
fallback = ["backup"]
[budgets.roomy]
limit_usd = 1000
dependencies = ["healthy"]
[budgets.soft]
limit_usd = 4.55
dependencies = ["backup"]
[budgets.hard]
limit_usd = 6.0
hard = true
dependencies = ["backup"]
[budgets.spent]
limit_usd = 0.01
dependencies = ["slices"] # of no ladder: what may be called in its stead would count here as well
[budgets.idle]
limit_usd = 5
[workloads.everything]
dependencies = { healthy = 50, degraded = 50, mitigated = 50, thin = 1, stale = 1 }
budget = "soft"
"""
STARTS: list[tuple[str, dict[str, Any]]] = [
    *(
        (tool, {"dependency": name})
        for name in RATES
        for tool in ("check_model_drift", "get_trust_score_health", "get_route")
    ),
    *(
        ("trigger_fallback", {"dependency": name, "reason": "looks bad"})
        for name in ("healthy", "degraded", "asks", "confirms", "mitigated", "pending", "alone")
    ),
    ("check_model_drift", {"dependency": "degraded", "until": "2020-01-01"}),
    ("check_model_drift", {"dependency": "never-seen"}),
    ("check_model_drift", {"dependency": "stale", "baseline_version": "1", "version": "2"}),
    ("check_model_drift", {"dependency": "degraded", "segment": "day_type=weekday"}),
    ("check_model_drift", {"dependency": "degraded", "metric": "latency_ms"}),
    ("get_trust_score_health", {}),
    ("list_dependencies", {}),
    ("list_dependencies", {"query": "nothing has this name"}),
    ("get_incidents", {}),
    ("preflight", {"workload": "everything"}),
    ("preflight", {"dependencies": ["mitigated"], "planned_calls": 10, "budget": "hard"}),
    *(
        ("check_budget_with_confidence", {"budget": name, **plan})
        for name in ("roomy", "soft", "hard", "spent", "idle")
        for plan in ({}, {"planned_calls": 150}, {"planned_calls": 5}, {"planned_cost_usd": 3.0})
    ),
    ("check_budget_with_confidence", {"budget": "hard", "planned_calls": 150, "reserve": True}),
    ("settle_reservation", {"reservation_id": "HOLD"}),
    ("record_observations", {"observations": [{"dependency": "healthy", "outcome": 1}]}),
]
Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]


def history(name: str, now_ms: int) -> Iterator[dict[str, object]]:
    """A month of calls that fell six days ago where the name's rates say so; some end early."""
    dice = random.Random(name)  # noqa: S311 - a simulation
    ended = 20 if name == "stale" else 0
    days = 1 if name == "thin" else DAYS
    for i in range(days * A_DAY):
        if name == "thin" and i % 15:
            continue
        ago_days = days + ended - (i + 1) / A_DAY
        ts = rfc3339(now_ms - round(ago_days * DAY_MS))
        before, after = RATES[name]
        good = dice.random() < (after if ago_days < FELL_DAYS else before)
        # One call in fifty costs twelve times as much: what a hard budget holds is its worst case.
        yield {
            "dependency": name,
            "id": f"{name}-{i}",
            "ts": ts,
            "outcome": int(good),
            "outcome_ts": ts,
            "latency_ms": 300 + dice.randrange(100),
            "cost_usd": 0.002 * (12 if dice.random() < 0.02 else 1),
            "version": "1" if i < days * A_DAY // 2 else "2",
            "segments": {"tier": "new" if i % 3 else "old"},
        }


@asynccontextmanager
async def library(folder: Path, actor: str = "agent") -> AsyncIterator[Gonogo]:
    """The application over a folder's store, as its configuration says."""
    settings = load_settings(str(folder / "gonogo.toml"), str(folder / "gonogo.db"), {})
    async with Gonogo(settings, actor=actor) as app:
        yield app


async def lived_in(folder: Path) -> None:
    """A store with every state in it: a switch made, a plan that waits, and money held."""
    (folder / "gonogo.toml").write_text(CONFIG)
    now_ms = time.time_ns() // 1_000_000
    async with library(folder, actor="recorder") as traffic:
        for name in RATES:
            rows = list(history(name, now_ms))
            for start in range(0, len(rows), 1000):
                stored = await traffic.record_observations(rows[start : start + 1000])
                assert not stored.rejected
    async with library(folder) as app:
        for name in ("mitigated", "pending"):
            plan = await app.trigger_fallback(name, reason="it fell")
            assert isinstance(plan, FallbackPlan)
            await app.trigger_fallback(name, plan_id=plan.plan_id)
        held = await app.check_budget_with_confidence("roomy", planned_calls=20, reserve=True)
        assert held.reservation is not None
        (folder / "hold").write_text(held.reservation.id)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every walk begins with a copy of."""
    folder = tmp_path_factory.mktemp("lived-in")
    anyio.run(lived_in, folder)
    return folder


def served_well(folder: Path) -> dict[str, float]:
    """The share of each dependency's calls that its route has served well, by the true rates."""
    routes = RouteReader(folder / "gonogo.db.routes.json")
    found = {}
    for name in RATES:
        rate = 0.0
        for i in range(100):
            target = routes.target(name, key=str(i))
            rate += RATES[target][1] if target in RATES else RULES_RATE
        found[name] = rate
    return found


async def followed(ask: Ask, tool: str, arguments: dict[str, Any]) -> list[tuple[str, str]]:
    """The calls that were made: the first, and then each first next action, to the end."""
    made: list[tuple[str, str]] = []
    acted = 0  # where a plan was carried out: once, after which a look may be taken anew
    while True:
        call = (tool, json.dumps(arguments, sort_keys=True))
        assert call not in made[acted:], f"it goes in a circle: {made}"
        made.append(call)
        if "plan_id" in arguments:
            assert acted == 0, f"it acts again: {made}"
            acted = len(made)
        assert len(made) <= STEPS_MAX, made
        answer = await ask(tool, arguments)
        if answer is None:
            assert len(made) == 1, f"an offered call was refused: {made}"
            return made
        offered = answer.get("next_actions", [])
        for action in offered:
            assert action["tool"] != "record_observations", "what happened is made up"
            assert "undo" not in action["arguments"], "a switch is to be taken back unasked"
        if not offered:
            return made
        tool, arguments = offered[0]["tool"], offered[0]["arguments"]


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of its own."""
    shutil.copytree(made, tmp_path / "own")
    return tmp_path / "own"


def first_call(folder: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with the id of the money that is held."""
    hold = (folder / "hold").read_text()
    return {key: hold if value == "HOLD" else value for key, value in arguments.items()}


async def test_the_states_are_what_they_are_called(folder: Path) -> None:
    """Else the walks would show nothing."""
    served = served_well(folder)
    assert served["mitigated"] > 90 > served["pending"]
    async with library(folder) as app:
        verdicts = {
            name: (await app.check_model_drift(name)).verdict for name in RATES if name != "pending"
        }
        assert [name for name, verdict in verdicts.items() if verdict == "no_go"] == [
            "degraded",
            "asks",
            "confirms",
            "alone",
            "mitigated",
        ]
        assert [name for name, v in verdicts.items() if v == "unknown"] == ["stale", "thin"]
        moved = await app.check_model_drift("mitigated")
        assert "A fallback is in place: its calls go to backup 99% + mitigated 1%" in moved.summary
        assert next(action.tool for action in moved.next_actions) == "get_route"
        with pytest.raises(ActionRefused, match="backup is fit"):
            await app.trigger_fallback("mitigated", reason="again")
        for budget in ("soft", "hard"):
            asked = await app.check_budget_with_confidence(budget, planned_calls=150)
            held = await app.check_budget_with_confidence(budget, planned_calls=150, reserve=True)
            assert asked.verdict == held.verdict == "no_go"
            assert asked.calls_that_would_pass == held.calls_that_would_pass
            fits = asked.calls_that_would_pass
            assert fits is not None
            assert fits > 5
            held = await app.check_budget_with_confidence(budget, planned_calls=fits, reserve=True)
            assert held.verdict == "go"


@pytest.mark.parametrize(("tool", "arguments"), STARTS, ids=lambda part: str(part)[:60])
async def test_following_the_first_next_action_ends_and_makes_nothing_worse(
    folder: Path, tool: str, arguments: dict[str, Any]
) -> None:
    """By the library, from every state."""
    before = served_well(folder)
    async with library(folder) as app:
        known = [(line.dependency, line.n) for line in (await app.list_dependencies()).dependencies]

        async def ask(name: str, given: dict[str, Any]) -> dict[str, Any] | None:
            try:
                answer: Answer = await getattr(app, name)(**given)
            except GonogoError:
                return None
            told: dict[str, Any] = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
            return told

        await followed(ask, tool, first_call(folder, arguments))
        after = [(line.dependency, line.n) for line in (await app.list_dependencies()).dependencies]
    assert tool == "record_observations" or after == known
    now = served_well(folder)
    assert all(now[name] >= before[name] for name in RATES), (before, now)


async def test_the_same_over_stdio(folder: Path) -> None:
    """One server, one walk after another; each leaves the store to the next."""
    before = served_well(folder)
    config = str(folder / "gonogo.toml")
    async with client(folder / "gonogo.db", "auto", "--config", config) as agent:

        async def ask(name: str, given: dict[str, Any]) -> dict[str, Any] | None:
            done = await agent.call_tool(name, given)
            if done.is_error:
                assert isinstance(done.content[0], TextContent)
                return None
            told: dict[str, Any] | None = done.structured_content
            assert told is not None
            return told

        lengths = [
            len(await followed(ask, tool, first_call(folder, arguments)))
            for tool, arguments in STARTS
        ]
    assert max(lengths) > 2
    now = served_well(folder)
    assert all(now[name] >= before[name] for name in RATES), (before, now)
    assert now["degraded"] > before["degraded"]
