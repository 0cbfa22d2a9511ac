"""Many processes on one budget: nobody overspends, nobody waits long.

First a rush of 16 processes that reserve as fast as they can on a child budget and its parent; then
8 processes paced at 30 reservations a second each, settled a second later. The transaction is the
ledger's own, forecast outside it; the wait adds the lock, the queue and the durable commit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import anyio
import numpy as np

from gonogo.detectors.arrays import Floats
from gonogo.money.budget_check import check_budget, settle_reservation
from gonogo.money.budget_request import BudgetRequest
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.engine import Connection, Work
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.ledger import SqliteLedger

MICRO = 1_000_000
# Paced work is settled a second after it was reserved.
WORK_IN_HAND = 30
T = TypeVar("T")


class Ran(NamedTuple):
    """What processes saw together; times in seconds."""

    failed: int
    held: float
    inside: Floats
    whole: Floats


def settings_at(store: str, limit_usd: int) -> Settings:
    """A parent and a child with half as much again of it."""
    return Settings(
        store=store,
        budgets={
            "org": BudgetSettings("org", limit_usd * MICRO),
            "team": BudgetSettings("team", limit_usd * MICRO * 2 // 3, parent="org"),
        },
    )


class Timed:
    """The database, with a stopwatch on each work within its transaction and on each write."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.inside: list[float] = []
        self.whole: list[float] = []

    async def read(self, work: Work[T]) -> T:
        """As the database."""
        return await self.database.read(work)

    async def write(self, work: Work[T], durable: bool = False) -> T:  # noqa: FBT001, FBT002 - as the database
        """As the database, timed."""

        def timed(connection: Connection) -> T:
            began = time.perf_counter()
            try:
                return work(connection)
            finally:
                self.inside.append(time.perf_counter() - began)

        began = time.perf_counter()
        try:
            return await self.database.write(timed, durable=durable)
        finally:
            self.whole.append(time.perf_counter() - began)


async def reserve(store: str, limit_usd: int, count: int, every_s: float, start_at: float) -> None:
    """One process: so many reservations, as fast as it can or paced; prints what it saw."""
    settings = settings_at(store, limit_usd)
    database = await Database.open(Path(store))
    watch = Timed(database)
    ledger = SqliteLedger(cast("Database", watch), settings)
    books = SqliteLedger(database, settings)
    telemetry = StoredTelemetry(database, settings)
    held = 0.0
    running: deque[str] = deque()
    await anyio.sleep(max(0.0, start_at - time.time()))  # when every process has started
    began = time.perf_counter()
    for number in range(count):
        if every_s:
            await anyio.sleep(max(0.0, began + number * every_s - time.perf_counter()))
        check = await check_budget(
            telemetry,
            ledger,
            settings,
            BudgetRequest("team", planned_cost_usd=1, reserve=True),
            now_ms=time.time_ns() // 1_000_000,
            new_id=lambda: secrets.token_hex(8),
        )
        if check.reservation is None:
            continue
        held += check.reservation.held_usd
        running.append(check.reservation.id)
        if every_s and len(running) > WORK_IN_HAND:
            now_ms = time.time_ns() // 1_000_000
            done = running.popleft()
            await settle_reservation(
                books, settings, reservation_id=done, actual_usd=0.9, now_ms=now_ms
            )
    await database.close()
    print(json.dumps({"inside": watch.inside, "whole": watch.whole, "held": held}))


async def together(store: Path, *, runs: int, each: int, every_s: float, limit_usd: int) -> Ran:
    """Run processes side by side; what they held and how long each write took, seconds."""
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--store", str(store), "--limit", str(limit_usd)),
            *("--count", str(each), "--every", str(every_s)),
            *("--start-at", str(time.time() + runs)),
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(runs)
    ]
    told = [json.loads((await run.communicate())[0] or "{}") for run in started]
    failed = sum(run.returncode != 0 for run in started)
    inside, whole = (
        np.array([s for one in told for s in one.get(k, ())]) for k in ("inside", "whole")
    )
    return Ran(failed, sum(one.get("held", 0.0) for one in told), inside, whole)


async def main(seconds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        rush = await together(Path(folder, "rush.db"), runs=16, each=40, every_s=0, limit_usd=300)
        paced = await together(
            Path(folder, "paced.db"), runs=8, each=30 * seconds, every_s=1 / 30, limit_usd=10**7
        )
    print(f"16 processes, 640 reservations of $1 on $200 of $300: ${rush.held:.2f} held,")
    print(f"  {rush.failed} processes with an error (goal: at most $200, 0)")
    inside, whole = 1000 * np.array(paced.inside), 1000 * np.array(paced.whole)
    print(
        f"8 processes, 30 a second each, {len(whole):,} reservations, {paced.failed} with an error"
    )
    print(f"  transaction p50 {np.median(inside):.2f} ms (goal < 1)")
    print(
        f"  wait with lock and durable commit p50 {np.median(whole):.2f} ms, "
        f"p99 {np.quantile(whole, 0.99):.1f} ms, worst {whole.max():.0f} ms (goal <= 150)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--store")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--every", type=float, default=0.0)
    parser.add_argument("--start-at", type=float, default=0.0)
    given = parser.parse_args()
    if given.store:
        anyio.run(reserve, given.store, given.limit, given.count, given.every, given.start_at)
    else:
        anyio.run(main, given.seconds)
