"""The demo's world: three simulated weeks, seeded, and a folder, a store and a configuration for each of its mornings."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextContent

from gonogo.answers import Answer, FallbackPlan, FallbackResult
from gonogo.errors import ProbeError, StoreError, plain
from gonogo.records import DAY_MS, HOUR_MS

WORKLOAD, BUDGET = "triage", "weekly"
BASELINE_DAYS = 7

CONFIG = """\
[dependencies."{model}"]
kind = "model"
provider = "acme"
latency_slo_ms = 1000
fallback = ["{previous}", "rules:keyword-list", "human"]
fallback_policy = "confirm"
baseline = {{ start = "{start}", end = "{end}" }}

[dependencies."{skill}"]
kind = "skill"
baseline = {{ start = "{start}", end = "{end}" }}

[budgets.{budget}]
limit_usd = 11.90
window = "rolling:7d"
dependencies = ["{model}", "{previous}", "{skill}"]
required_confidence = 0.95

[workloads.{workload}]
dependencies = {{ "{model}" = 400, "{skill}" = 150 }}
budget = "{budget}"
"""

Answered = TypeVar("Answered", bound=Answer)
SEED = 20260401
DAYS = 21
HEALTHY_DAYS = 8

MODEL, PREVIOUS, SKILL = "sentiment-v3", "sentiment-v2", "source-trust"
MODEL_A_DAY, PREVIOUS_A_DAY, SKILL_A_DAY = 800, 120, 240
DAY_S = 86_400.0
SATURDAY = 5
PREVIOUS_RIGHT = 0.925
LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Stage:
    """The scene of one morning: the records up to then, in a store of their own."""

    day: int
    begin_ms: int
    data: Path
    store: Path
    config: Path
    accepted: int
    took_s: float

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which a process finds this store."""
        return {"GONOGO_STORE": str(self.store), "GONOGO_CONFIG": str(self.config)}

    async def told(self, *command: str) -> str:
        """Run a command on this store and return its output.

        Raises:
            StoreError: it failed; its own line is passed on.
        """
        options = ("--store", str(self.store), "--config", str(self.config))
        return await _run(*command, *options)

    def time(self, day: float) -> str:
        """A day of the simulated weeks as a time of this store."""
        when = datetime.fromtimestamp((self.begin_ms + day * DAY_MS) / 1000, tz=UTC)
        return when.isoformat(timespec="seconds")

    def day_of(self, time: str) -> float:
        """The day of the simulated weeks that a time of this store is."""
        return (datetime.fromisoformat(time).timestamp() * 1000 - self.begin_ms) / DAY_MS


async def set_up(world: World, folder: Path, *, day: int, now_ms: int) -> Stage:
    """Write the weeks up to a morning, and record them with `gonogo ingest`.

    The morning is now: its data end now, so that the server's own clock fits.

    Raises:
        StoreError: the command failed; its own line is passed on.
    """
    begin_ms = now_ms - day * DAY_MS
    data, store = folder / f"day-{day}.jsonl", folder / f"day-{day}.db"
    config = folder / f"day-{day}.toml"
    await anyio.to_thread.run_sync(partial(world.write, data, day, now_ms=now_ms))
    # A whole week, so that a weekend lies in it; by the hour, since dates would make it the
    # shorter the later in the day it is now. An hour named as the end is included.
    first_ms = -(-begin_ms // HOUR_MS) * HOUR_MS
    start, end = (
        datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat()
        for ms in (first_ms, first_ms + BASELINE_DAYS * DAY_MS - HOUR_MS)
    )
    await anyio.Path(config).write_text(
        CONFIG.format(
            model=MODEL,
            previous=PREVIOUS,
            skill=SKILL,
            start=start,
            end=end,
            budget=BUDGET,
            workload=WORKLOAD,
        ),
        encoding="utf-8",
    )
    started = time.perf_counter()
    options = ("--store", str(store), "--config", str(config), "--json")
    told = await _run("ingest", str(data), *options)
    accepted, took_s = json.loads(told)["accepted"], time.perf_counter() - started
    return Stage(day, begin_ms, data, store, config, accepted, took_s)


async def _run(name: str, *arguments: str) -> str:
    done = await anyio.run_process([sys.executable, "-m", "gonogo", name, *arguments], check=False)
    if done.returncode != 0:
        raise StoreError(f"The demo's {name} failed: {plain(done.stderr.decode(), 300)}")
    return done.stdout.decode()


class Agent:
    """Asks tools by name and reads their structured answers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, shape: type[Answered], tool: str, **arguments: object) -> Answered:
        """Call a tool.

        Raises:
            ProbeError: the tool refused; its own line is passed on.
        """
        return shape.model_validate(await self._call(tool, arguments))

    async def fall_back(self, **arguments: object) -> FallbackPlan | FallbackResult:
        """Call `trigger_fallback`, whose first answer is a plan and whose second a result."""
        answer = await self._call("trigger_fallback", arguments)
        if "route_epoch" in answer:
            return FallbackResult.model_validate(answer)
        return FallbackPlan.model_validate(answer)

    async def _call(self, tool: str, arguments: dict[str, object]) -> Mapping[str, object]:
        result = await self._client.call_tool(tool, arguments)
        if not isinstance(result, CallToolResult) or result.is_error:
            said = [c.text for c in result.content if isinstance(c, TextContent)]
            raise ProbeError(f"{tool} was refused: {' '.join(said)}")
        return result.structured_content or {}


@asynccontextmanager
async def agent_of(environ: Mapping[str, str]) -> AsyncIterator[Agent]:
    """An agent with a server of its own, as a client starts it: a process, its pipes."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gonogo", "serve"], env=dict(environ)
    )
    try:
        async with Client(stdio_client(server)) as client:
            yield Agent(client)
    except BaseExceptionGroup as group:
        # The client's task groups wrap what went wrong inside the block, twice.
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


# Three simulated weeks of an agent's dependencies, seeded: the same weeks on every machine.
#
# `sentiment-v3` is healthy for eight days and then slides from 94 % to 87 %, while its latency and
# its own confidence stay as they were, and its answers grow longer and dearer. `source-trust` goes
# wrong, from day eight, only for what was published on a weekend. `sentiment-v2` is the previous
# version, a little weaker, steady and cheaper.


@dataclass(frozen=True, slots=True)
class Item:
    """An item that the skill judged: when it was published, in days since the beginning, and a die."""

    day: float
    published_day: float
    luck: float

    def judged(self, begin_s: float) -> dict[str, object]:
        """Weekend or weekday, by the calendar of the weeks as they are written, and the outcome."""
        published = datetime.fromtimestamp(begin_s + self.published_day * DAY_S, tz=UTC)
        weekend = published.weekday() >= SATURDAY
        wrong = 0.35 if weekend and self.day >= HEALTHY_DAYS else 0.05
        return {
            "outcome": self.luck >= wrong,
            "segments": {"published": "weekend" if weekend else "weekday"},
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One simulated call: when, in days since the beginning, and what an ingest line says."""

    day: float
    fields: dict[str, object]
    item: Item | None = None


def _slid(day: float) -> float:
    """The progress of the slide, from 0 to 1."""
    return min(1.0, max(0.0, (day - HEALTHY_DAYS) / (DAYS - HEALTHY_DAYS)))


def _model(dice: random.Random, day: float) -> dict[str, object]:
    right = dice.random() < 0.94 - 0.07 * _slid(day)
    label = dice.choice(LABELS)
    answer = label if right else dice.choice([text for text in LABELS if text != label])
    tokens = round(dice.lognormvariate(3.7, 0.3) * (1 + 0.35 * _slid(day)))
    return {
        "dependency": MODEL,
        "kind": "model",
        "provider": "acme",
        "version": "3.0",
        "prediction": answer,
        "label": label,
        # As sure as ever: a model that slides does not know it.
        "confidence": round(min(0.999, dice.betavariate(18, 1.3)), 4),
        "latency_ms": round(dice.lognormvariate(5.2, 0.25), 1),
        "output_tokens": tokens,
        "cost_usd": round(3.5e-5 * tokens, 6),
    }


def _previous(dice: random.Random) -> dict[str, object]:
    tokens = round(dice.lognormvariate(3.5, 0.3))
    return {
        "dependency": PREVIOUS,
        "kind": "model",
        "provider": "acme",
        "version": "2.4",
        "outcome": dice.random() < PREVIOUS_RIGHT,
        "latency_ms": round(dice.lognormvariate(5.0, 0.25), 1),
        "output_tokens": tokens,
        "cost_usd": round(2e-5 * tokens, 6),
    }


def _skill(dice: random.Random, day: float) -> Call:
    # An item is judged within a week of its publication, so that on each day as many of those that
    # are judged come from a weekend, whatever day it is.
    item = Item(day, published_day=day - dice.uniform(0, 7), luck=dice.random())
    fields: dict[str, object] = {
        "dependency": SKILL,
        "kind": "skill",
        "latency_ms": round(dice.lognormvariate(3.9, 0.3), 1),
        "cost_usd": 0.0002,
    }
    return Call(day, fields, item)


class World:
    """The weeks, simulated once; they are the same whenever they are written to end."""

    def __init__(self) -> None:
        dice = random.Random(SEED)  # noqa: S311 - a simulation, not a secret
        self._calls: list[Call] = []
        for day in range(DAYS):
            for _ in range(MODEL_A_DAY):
                at = day + dice.random()
                self._calls.append(Call(at, _model(dice, at)))
            for _ in range(PREVIOUS_A_DAY):
                self._calls.append(Call(day + dice.random(), _previous(dice)))
            for _ in range(SKILL_A_DAY):
                self._calls.append(_skill(dice, day + dice.random()))
        self._calls.sort(key=lambda call: call.day)

    def write(self, path: Path, days: int, *, now_ms: int) -> int:
        """Write the first `days` days as JSON Lines that end now; returns how many lines.

        Weekends are those of the calendar that ends now: any whole week holds one, whatever day is
        now.
        """
        begin_s = now_ms / 1000 - days * DAY_S
        calls = [call for call in self._calls if call.day < days]
        with path.open("w", encoding="utf-8") as file:
            for number, call in enumerate(calls):
                when = datetime.fromtimestamp(begin_s + call.day * DAY_S, tz=UTC)
                line = {"id": f"call-{number}", "ts": when.isoformat(timespec="milliseconds")}
                judged = call.item.judged(begin_s) if call.item else {}
                file.write(json.dumps({**line, **call.fields, **judged}) + "\n")
        return len(calls)

    def accuracy(self) -> list[float]:
        """The share of right answers of the model on each day, as they are written."""
        right, asked = [0] * DAYS, [0] * DAYS
        for call in self._calls:
            if call.fields["dependency"] == MODEL:
                asked[int(call.day)] += 1
                right[int(call.day)] += call.fields["prediction"] == call.fields["label"]
        return [r / n for r, n in zip(right, asked, strict=True)]
