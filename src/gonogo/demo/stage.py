"""A folder, a store and a configuration for each morning of the demo, filled by the real ingest."""

from __future__ import annotations

import json
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
from gonogo.demo.world import MODEL, PREVIOUS, SKILL, World
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


@dataclass(frozen=True, slots=True)
class Stage:
    """One morning: what was recorded by then, and where it lies."""

    day: int
    begin_ms: int
    data: Path
    store: Path
    config: Path
    accepted: int
    took_s: float

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to find this store."""
        return {"GONOGO_STORE": str(self.store), "GONOGO_CONFIG": str(self.config)}

    async def told(self, *command: str) -> str:
        """What a command says of this store.

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
