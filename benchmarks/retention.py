"""How long letting old rows go holds others up: the longest step, and the longest wait of a writer.

`python benchmarks/retention.py [--quick]`
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar, cast

from gonogo.records import DAY_MS, Observation
from gonogo.settings import Settings
from gonogo.store.engine import Connection, Work
from gonogo.store.observations.retention import let_go
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.sqlite.database import Database

T = TypeVar("T")
NOW_MS = 1_780_000_000_000
ASKED_MS = 60.0


class Timed(Database):
    """A store that keeps how long its longest work took while it held the lock."""

    worst_ms = 0.0

    async def write(self, work: Work[T], durable: bool = False, **options: object) -> T:  # noqa: FBT001, FBT002 - as the store's own
        """As the store's own, timed."""

        def timed(connection: Connection) -> T:
            started = time.perf_counter()
            result = work(connection)
            self.worst_ms = max(self.worst_ms, 1000 * (time.perf_counter() - started))
            return result

        return await super().write(timed, durable, **options)  # type: ignore[arg-type]  # passed on


def _calls(first: int, n: int) -> list[Observation]:
    return [
        Observation(
            dependency="model",
            ts_ms=NOW_MS - 100 * DAY_MS + i * 30_000,
            id=str(i),
            outcome=i % 2,
            latency_ms=float(i % 900),
            cost_micro_usd=i % 50,
            segments={"tier": "ab"[i % 2]},
        )
        for i in range(first, first + n)
    ]


async def _waits(path: Path, ended: asyncio.Event) -> list[float]:
    """How long one small write took, again and again, until the rows are gone."""
    other, waits = await Database.open(path), []
    while not ended.is_set():
        started = time.perf_counter()
        await other.write(lambda c: c.execute("SELECT 1").fetchone())
        waits.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(0.002)
    await other.close()
    return sorted(waits)


async def main(rows: int) -> None:
    """Fill, let go beside a writer, print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        database = cast("Timed", await Timed.open(path))
        telemetry = StoredTelemetry(database, Settings(store=""))
        for first in range(0, rows, 5000):
            await telemetry.record(_calls(first, 5000), NOW_MS)
        await telemetry.record([Observation(dependency="model", ts_ms=NOW_MS)], NOW_MS)
        database.worst_ms = 0.0
        ended = asyncio.Event()
        waiting = asyncio.create_task(_waits(path, ended))
        started = time.perf_counter()
        gone = await let_go(database, days=7, now_ms=NOW_MS)
        took_s = time.perf_counter() - started
        ended.set()
        waits = await waiting
        await database.close()
    print(f"rows let go                      {gone:>10,} in {took_s:.1f} s")
    print(f"longest step, holding the lock   {database.worst_ms:>10.1f} ms   asked <= {ASKED_MS:g}")
    print(f"another writer, p99              {waits[int(len(waits) * 0.99)]:>10.1f} ms")
    print(f"another writer, longest wait     {waits[-1]:>10.1f} ms")


if __name__ == "__main__":
    asyncio.run(main(20_000 if "--quick" in sys.argv else 200_000))
