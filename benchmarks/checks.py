"""What a check, a start and a server cost, each beside an empty one of the same SDK, in one run.

    python benchmarks/checks.py [--observations 100000] [--calls 100]

Times are of the wire, from a line written to its answer read, and both servers are asked in turns,
so that a busy machine slows both. A cold start runs from spawning the process to its first answer
after `initialize` and `tools/list`, as every client asks for them. The check for drift has its own
script, `drift_speed.py`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import anyio
import numpy as np
from wire import Row, Server, print_rows

from gonogo.app import Gonogo
from gonogo.records import Observation
from gonogo.settings import Settings

EMPTY = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("empty", version="1", log_level="WARNING")
@server.tool()
def nothing() -> dict[str, str]:
    return {"verdict": "go"}
server.run("stdio")
"""
BUDGET = '[budgets.work]\nlimit_usd = 1000000\ndependencies = ["m"]\n'
ASKED: dict[str, tuple[str, dict[str, object]]] = {
    "trust check": ("get_trust_score_health", {"dependency": "m"}),
    "budget check": ("check_budget_with_confidence", {"budget": "work", "planned_calls": 40}),
    "route": ("get_route", {"dependency": "m"}),
}
STARTS = 7


def empty_server() -> Server:
    """A server of the same SDK whose one tool does nothing."""
    return Server([sys.executable, "-c", EMPTY])


def own_server(store: Path, *options: str) -> Server:
    """`gonogo serve` over a store."""
    return Server([sys.executable, "-m", "gonogo", "--store", str(store), *options, "serve"])


def in_turns(rounds: int, *asked: Callable[[], float]) -> list[float]:
    """The median of each, asked in turns, after three rounds that warm up."""
    took = [[ask() for ask in asked] for _ in range(rounds + 3)][3:]
    return [statistics.median(column) for column in zip(*took, strict=True)]


WRONG, LATENCY, COST = 0.06, (6.0, 0.4), (8.0, 1.0)  # a share; lognormal, ms and micro-dollars


async def fill(store: Path, observations: int) -> None:
    """Ninety days of one dependency's calls, evenly spread."""
    rng = np.random.default_rng(1)
    now = datetime.now(UTC)
    start = round((now - timedelta(days=90)).timestamp() * 1000)
    step = 90 * 86_400_000 / observations
    async with Gonogo(Settings(store=str(store))) as app:
        telemetry = (await app.stores()).telemetry
        for first in range(0, observations, 5000):
            rows = range(first, min(first + 5000, observations))
            wrong, latency = rng.random(len(rows)) < WRONG, rng.lognormal(*LATENCY, len(rows))
            cost = rng.lognormal(*COST, len(rows))
            await telemetry.record(
                [
                    Observation(
                        dependency="m",
                        ts_ms=(ts_ms := round(start + row * step)),
                        outcome=float(not wrong[at]),
                        outcome_ts_ms=ts_ms,
                        latency_ms=float(latency[at]),
                        cost_micro_usd=int(cost[at]),
                    )
                    for at, row in enumerate(rows)
                ],
                round(now.timestamp() * 1000),
            )


class Start(NamedTuple):
    """A cold start to the first answer. CPU is what the process used, memory what it then held."""

    wall_s: float
    cpu_s: float
    memory_kib: float


def cold(start: Callable[[], Server], tool: str) -> Start:
    """Start a server, ask what a client asks, and end it."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    server = start()
    server.ask("tools/list", {})
    server.call_ms(tool, {})
    wall_s, memory_kib = time.perf_counter() - began, server.memory_kib()
    server.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Start(
        wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory_kib
    )


def start_rows(store: Path) -> list[Row]:
    """Cold starts in turns: the least of each counts, since other work only ever adds."""
    empty, ours = [], []
    for _ in range(STARTS):
        empty.append(cold(empty_server, "nothing"))
        ours.append(cold(lambda: own_server(store), "list_dependencies"))
    floor, least = (Start(*map(min, zip(*all_, strict=True))) for all_ in (empty, ours))
    return [
        Row(
            "cold start to first answer, x an empty server", least.wall_s / floor.wall_s, "<= 1.10"
        ),
        Row("  the same in CPU time", least.cpu_s / floor.cpu_s),
        Row("  empty server, ms", 1000 * floor.wall_s),
        Row(
            "memory until the first check, x an empty server",
            least.memory_kib / floor.memory_kib,
            "<= 1.3",
        ),
    ]


def rows(observations: int, calls: int) -> list[Row]:
    """What is asked of this part."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "gonogo.toml")
        config.write_text(BUDGET)
        store = Path(folder, "checks.db")
        anyio.run(fill, store, observations)
        empty, ours = empty_server(), own_server(store, "--config", str(config))
        floor, *took = in_turns(
            calls,
            lambda: empty.call_ms("nothing", {}),
            *(lambda asked=asked: ours.call_ms(*asked) for asked in ASKED.values()),
        )
        ours.close()
        empty.close()
        checks = [
            Row(f"{name}, p50, x an empty tool", each / floor, "<= 2.5")
            for name, each in zip(ASKED, took, strict=True)
        ]
        return [*checks, Row("  empty tool, ms", floor), *start_rows(store)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=100)
    given = parser.parse_args()
    print_rows(rows(given.observations, given.calls))
