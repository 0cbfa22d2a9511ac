"""The store on PostgreSQL: recording with rollups, and reservations on one hot budget.

A real server on this machine, its fsync on, shared with the workers. Two workers record wide
observations (latency, cost, confidence, outcome, a segment, a version); then workers, each with
agents that ask without pause, reserve on one budget that half of it fits in, and settle nothing, so
that thousands of holds are open. What must be nothing: money over the limit, deadlocks, errors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "peers"))

from postgres_server import server

from gonogo.ports.money import Balance, Draft, ReserveRequest, Scope
from gonogo.records import HOUR_MS, Observation
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.engine import Connection
from gonogo.store.postgres.database import PostgresDatabase
from gonogo.store.postgres.ledger import PostgresLedger
from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

# Who asks one worker at once.
AGENTS = 32
START_MS = 1_780_000_000_000
BATCH = 5_000
HOLD_MICRO_USD = 1_000_000
ASKED_RECORD, ASKED_RESERVE = 20_000, 3_000


def settings_of(limit: int = 0) -> Settings:
    """One budget."""
    return Settings(store="", budgets={"hot": BudgetSettings("hot", limit * HOLD_MICRO_USD)})


def observations(worker: int, number: int) -> list[Observation]:
    """A batch of one dependency: an hour of wide calls."""
    rng = np.random.default_rng((worker, number))
    latency = rng.lognormal(5, 0.5, BATCH)
    good = rng.random(BATCH) < 0.93
    confidence = rng.beta(8, 2, BATCH)
    return [
        Observation(
            dependency=f"model-{worker}-{number % 8}",
            ts_ms=START_MS + number * HOUR_MS + i * (HOUR_MS // BATCH),
            id=f"{worker}-{number}-{i}",
            version="v1" if i % 3 else "v2",
            outcome=float(good[i]),
            outcome_ts_ms=START_MS + number * HOUR_MS + i,
            confidence=float(confidence[i]),
            latency_ms=float(latency[i]),
            cost_micro_usd=1200 + i % 700,
            input_tokens=900 + i % 300,
            segments={"tier": "paid" if i % 4 else "free"},
        )
        for i in range(BATCH)
    ]


async def record(address: str, worker: int, batches: int, start_at: float) -> None:
    """One worker that records; prints its seconds."""
    database = await PostgresDatabase.open(address)
    telemetry = PostgresTelemetry(database, settings_of())
    made = [observations(worker, number) for number in range(batches)]
    await anyio.sleep(max(0.0, start_at - time.time()))
    began, busy = time.perf_counter(), time.process_time()
    for batch in made:
        await telemetry.record(batch, START_MS)
    spent = time.perf_counter() - began
    await database.close()
    print(json.dumps({"done": batches * BATCH, "s": spent, "cpu_s": time.process_time() - busy}))


def decide(limit: int, balances: Sequence[Balance]) -> Draft:
    """Hold a dollar where it fits."""
    left = limit * HOLD_MICRO_USD - balances[0].spent_micro_usd - balances[0].held_micro_usd
    held = HOLD_MICRO_USD if left >= HOLD_MICRO_USD else None
    return Draft(lambda: "held" if held else "full", held, 0.95, left)


async def reserve(address: str, worker: int, count: int, limit: int, start_at: float) -> None:
    """One worker with agents that reserve side by side without pause; prints what it held."""
    database = await PostgresDatabase.open(address)
    ledger = PostgresLedger(database, settings_of(limit))
    scope = Scope("hot", ("hot",), (), None, None)
    waits: list[float] = []
    held = 0
    await anyio.sleep(max(0.0, start_at - time.time()))
    began = time.perf_counter()

    async def one(lane: int) -> None:
        nonlocal held
        for number in range(count):
            asked = time.perf_counter()
            answer = await ledger.reserve(
                ReserveRequest(
                    reservation_id=f"{worker}-{lane}-{number}",
                    budget="hot",
                    scopes=(scope,),
                    decide=lambda balances: decide(limit, balances),
                    now_ms=START_MS + number,
                    expires_ms=START_MS + number + 900_000,
                ),
                holds_max=0,
            )
            waits.append(time.perf_counter() - asked)
            held += answer == "held"

    async with anyio.create_task_group() as tasks:
        for lane in range(AGENTS):
            tasks.start_soon(one, lane)
    spent = time.perf_counter() - began
    await database.close()
    worst = 1000 * float(np.quantile(waits, 0.99))
    print(json.dumps({"done": count * AGENTS, "s": spent, "held": held, "worst_ms": worst}))


async def together(
    what: str, address: str, workers: int, count: int, limit: int = 0
) -> tuple[list[dict[str, float]], int]:
    """Run workers side by side; what each told, and how many failed."""
    start_at = str(time.time() + 2 + 1.5 * workers)
    arguments = ("--address", address, "--count", str(count), "--limit", str(limit))
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--what", what, "--worker", str(worker), *arguments),
            *("--start-at", start_at),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for worker in range(workers)
    ]
    told = [json.loads((await run.communicate())[0] or "{}") for run in started]
    return [one for one in told if one], sum(run.returncode != 0 for run in started)


async def main(*, quick: bool) -> None:
    """Print the table."""
    with server() as running:
        idle_s = running.cpu_s()
        recorded, failed = await together("record", running.address, 2, 6 if quick else 24)
        rate, n = (
            sum(one["done"] / one["s"] for one in recorded),
            sum(one["done"] for one in recorded),
        )
        print(f"2 workers record with rollups: {rate:,.0f} observations/s (asked {ASKED_RECORD:,})")
        client_us = 1e6 * sum(one["cpu_s"] for one in recorded) / n
        server_us = 1e6 * (running.cpu_s() - idle_s) / n
        rows, rollups = await sizes(running.address)
        print(f"  CPU an observation: worker {client_us:.0f} us, server {server_us:.0f} us")
        print(f"  bytes an observation: row and id {rows / n:.0f}, rollups {rollups / n:.1f}")
        deadlocks = await asked(running.address)
    for workers in (2, 4):
        # Books of their own: entries of a ledger cannot be taken away again.
        with server() as running:
            failed += await race(running.address, workers, 4_000 if quick else 8_000)
            deadlocks += await asked(running.address)
    print(f"{failed} workers with an error, {deadlocks} deadlocks (asked: 0, 0)")


async def race(address: str, workers: int, reservations: int) -> int:
    """Reserve on one budget that half of it fits in, and print a row; how many workers failed."""
    count = reservations // workers // AGENTS
    limit = workers * count * AGENTS // 2
    held, failed = await together("reserve", address, workers, count, limit)
    rate = sum(one["done"] / one["s"] for one in held)
    worst = max(one["worst_ms"] for one in held)
    over = sum(one["held"] for one in held) - limit
    print(
        f"{workers} workers of {AGENTS} agents on one budget: {rate:,.0f} reservations/s "
        f"(asked {ASKED_RESERVE:,}), p99 {worst:.1f} ms; "
        f"{over:+.0f} holds against the limit (asked: none over)"
    )
    return failed


async def sizes(address: str) -> tuple[int, int]:
    """Bytes of rows with their indexes, and of rollups."""

    def size_of(connection: Connection, *tables: str) -> int:
        size = "SELECT pg_total_relation_size(?::regclass)"
        return sum(connection.execute(size, (table,)).fetchone()[0] for table in tables)

    database = await PostgresDatabase.open(address)
    rows = await database.read(lambda c: size_of(c, "observation", "observation_id"))
    rollups = await database.read(lambda c: size_of(c, "rollup", "histogram", "category"))
    await database.close()
    return rows, rollups


async def asked(address: str) -> int:
    """How many deadlocks the server has seen."""
    database = await PostgresDatabase.open(address)
    found: int = await database.read(
        lambda c: c.execute("SELECT sum(deadlocks) FROM pg_stat_database").fetchone()[0]
    )
    await database.close()
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--what")
    parser.add_argument("--address", default="")
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--start-at", type=float, default=0.0)
    given = parser.parse_args()
    if given.what == "record":
        anyio.run(record, given.address, given.worker, given.count, given.start_at)
    elif given.what == "reserve":
        anyio.run(reserve, given.address, given.worker, given.count, given.limit, given.start_at)
    else:
        anyio.run(lambda: main(quick=given.quick))
