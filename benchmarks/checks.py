"""What a check costs an agent: each tool over a real stdio server, beside an empty tool of the same SDK.

Prints one table: p50 of each call and its ratio to the empty tool's, in one run, at two sizes of
history; then cold start to the first answer, beside an empty server.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import numpy as np
from mcp import Client, StdioServerParameters

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
QUESTIONS: dict[str, tuple[str, dict[str, object]]] = {
    "check_model_drift": ("check_model_drift", {"dependency": "m"}),
    "get_trust_score_health": ("get_trust_score_health", {"dependency": "m"}),
    "check_budget": ("check_budget_with_confidence", {"budget": "work", "planned_calls": 40}),
    "get_route": ("get_route", {"dependency": "m"}),
}


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
            wrong, cost = rng.random(len(rows)) < 0.06, rng.lognormal(8, 1, len(rows))
            await telemetry.record(
                [
                    Observation(
                        dependency="m",
                        ts_ms=(ts_ms := round(start + row * step)),
                        outcome=float(not wrong[at]),
                        outcome_ts_ms=ts_ms,
                        latency_ms=400.0 + at % 97,
                        cost_micro_usd=int(cost[at]),
                    )
                    for at, row in enumerate(rows)
                ],
                round(now.timestamp() * 1000),
            )


async def p50_ms(client: Client, tool: str, arguments: dict[str, object], calls: int) -> float:
    """Median time of one call, after three that warm up."""
    took = []
    for call in range(calls + 3):
        begin = time.perf_counter()
        result = await client.call_tool(tool, arguments)
        if call >= 3:
            took.append(time.perf_counter() - begin)
        if result.is_error:
            raise SystemExit(f"{tool} failed: {result.content}")
    return 1000 * statistics.median(took)


async def cold_ms(server: StdioServerParameters, tool: str, arguments: dict[str, object]) -> float:
    """Median of five starts, from spawning the process to its first answer."""
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        async with Client(server) as client:
            await client.call_tool(tool, arguments)
            took.append(time.perf_counter() - begin)
    return 1000 * statistics.median(took)


async def main(observations: int, calls: int) -> None:
    """Print the table."""
    empty = StdioServerParameters(command=sys.executable, args=["-c", EMPTY])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "gonogo.toml")
        await anyio.Path(config).write_text(BUDGET)
        async with Client(empty) as client:
            floor = await p50_ms(client, "nothing", {}, calls)
        print(f"{'over stdio, p50 of ' + str(calls):34}{'ms':>8}{'ratio':>8}   goal")
        print(f"{'empty tool':34}{floor:8.2f}{1:8.2f}")
        for size in (observations // 10, observations):
            store = Path(folder, f"{size}.db")
            await fill(store, size)
            ours = StdioServerParameters(
                command=sys.executable,
                args=["-m", "gonogo", "--store", str(store), "--config", str(config), "serve"],
            )
            async with Client(ours) as client:
                for name, (tool, arguments) in QUESTIONS.items():
                    took = await p50_ms(client, tool, arguments, calls)
                    goal = "<= 1.5" if tool == "check_model_drift" else "<= 2.5"
                    print(f"{name + f', {size:,} rows':34}{took:8.2f}{took / floor:8.2f}   {goal}")
        cold = await cold_ms(empty, "nothing", {})
        first = await cold_ms(ours, "list_dependencies", {})
    print(f"{'cold start, empty server':34}{cold:8.0f}{1:8.2f}")
    print(f"{'cold start, list_dependencies':34}{first:8.0f}{first / cold:8.2f}   <= 1.10")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=200_000)
    parser.add_argument("--calls", type=int, default=200)
    given = parser.parse_args()
    anyio.run(main, given.observations, given.calls)
