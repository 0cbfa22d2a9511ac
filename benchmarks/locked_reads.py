"""How long what only looks takes while another process holds a store file and does not let go, beside a free store.

`python benchmarks/locked_reads.py [--quick]`

The holder has the lock and an open write transaction. Every round opens the store anew, free and held in turns, so that
each look reads the file; the times of imports are not in it, and what was imported is set aside from garbage collections,
as `gonogo serve` does after each tool's first call. Beside the time on the clock stands that of the processor:
what a look waits for is the rest, and on a machine that others load, they are most of it.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gonogo.app import Gonogo
from gonogo.settings import BudgetSettings, Settings

ASKED_MS = 50.0
MODELS = 20
HOLD = """
import fcntl, sqlite3, sys
file = open(sys.argv[1] + ".lock", "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE dependency SET rev = rev + 1")
print("held", flush=True)
sys.stdin.read()
"""
LOOKS: dict[str, Callable[[Gonogo], Awaitable[object]]] = {
    "open, list_dependencies": lambda app: app.list_dependencies(),
    "check_model_drift": lambda app: app.check_model_drift("model-0"),
    "get_trust_score_health": lambda app: app.get_trust_score_health("model-1"),
    "check_budget_with_confidence": lambda app: app.check_budget_with_confidence(
        "nightly", planned_cost_usd=1
    ),
    "preflight": lambda app: app.preflight(dependencies=["model-2"]),
    "get_route": lambda app: app.get_route("model-3"),
    "get_incidents": lambda app: app.get_incidents(),
}


@contextmanager
def held(path: Path, *, is_held: bool) -> Iterator[None]:
    """Another process holds the store, where it is to."""
    if not is_held:
        yield
        return
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=pipe, stdout=pipe) as holder:
        if holder.stdout is None or holder.stdout.readline() != b"held\n":
            raise SystemExit("The store could not be held.")
        yield
        holder.communicate()


async def fill(settings: Settings, calls: int) -> None:
    """Ten days of calls of each model, with outcomes."""
    now_s = time.time()
    async with Gonogo(settings) as app:
        for model in range(MODELS):
            told = [
                {
                    "dependency": f"model-{model}",
                    "ts": now_s - 60 - i * 864_000 / calls,
                    "outcome": i % 10 > 0,
                    "latency_ms": 100 + i % 37,
                    "cost_usd": 0.001,
                    "budget": "nightly",
                }
                for i in range(calls)
            ]
            for first in range(0, calls, 1000):
                await app.record_observations(told[first : first + 1000])


async def looked(settings: Settings, into: dict[str, list[tuple[float, float]]]) -> None:
    """Every look once, on a store that is opened for it."""
    app = Gonogo(settings)
    for name, look in LOOKS.items():
        started, worked = time.perf_counter(), time.process_time()
        await look(app)
        ended, done = time.perf_counter(), time.process_time()
        into[name].append((1000 * (ended - started), 1000 * (done - worked)))
    await app.close()


def main(rounds: int, calls: int) -> None:
    """Fill, look in turns, print."""
    took: dict[bool, dict[str, list[tuple[float, float]]]] = {
        is_held: {name: [] for name in LOOKS} for is_held in (False, True)
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        budgets = {"nightly": BudgetSettings("nightly", 100_000_000)}
        settings = Settings(store=str(path), budgets=budgets)
        asyncio.run(fill(settings, calls))
        asyncio.run(
            looked(settings, {name: [] for name in LOOKS})
        )  # what is imported, and remembered
        gc.freeze()
        for turn in range(2 * rounds):
            with held(path, is_held=turn % 2 == 1):
                asyncio.run(looked(settings, took[turn % 2 == 1]))
    print(
        f"{MODELS} models, {calls:,} calls each. ms: p50 / p99, of the processor p50; asked, held: p99 <= {ASKED_MS:g}"
    )
    for name in LOOKS:
        print(f"{name:<30} free {_line(took[False][name])}   held {_line(took[True][name])}")


def _line(took: list[tuple[float, float]]) -> str:
    clock, worked = (sorted(each) for each in zip(*took, strict=True))
    return f"{clock[len(clock) // 2]:>6.1f} /{clock[int(len(clock) * 0.99)]:>6.1f},{worked[len(worked) // 2]:>6.1f}"


if __name__ == "__main__":
    main(*((10, 500) if "--quick" in sys.argv else (100, 1000)))
