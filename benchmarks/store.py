"""The store beside its floors, in one run each: `python benchmarks/store.py [ROWS]`.

Ratios count, not rates: both sides of a ratio are measured in turns on the same machine.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import aiosqlite

from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.database import Database
from gonogo.store.telemetry import SqliteTelemetry

START_MS = 1_760_000_000_000
BATCH = 5000
ROUNDS = 3
CALLERS = 64
PROCESSES = 8
PACED_PER_S = 100
PACED_S = 5.0
SYNTHETIC_SEED = 1


def wide_observations(n: int) -> list[Observation]:
    """Synthetic calls of five dependencies, one every four seconds, every common field there."""
    dice = random.Random(SYNTHETIC_SEED)  # noqa: S311 - no secret is made
    calls = []
    for i in range(n):
        ts_ms = START_MS + i * 4000
        calls.append(
            Observation(
                dependency=f"dependency-{i % 5}",
                ts_ms=ts_ms,
                id=f"call-{i}",
                version="v1" if i < n // 2 else "v2",
                outcome=float(dice.random() < 0.9),
                outcome_ts_ms=ts_ms,
                error="timeout" if dice.random() < 0.02 else None,
                confidence=round(dice.betavariate(8, 2), 4),
                latency_ms=dice.lognormvariate(6, 0.5),
                cost_micro_usd=int(dice.lognormvariate(6, 0.5)),
                input_tokens=int(dice.lognormvariate(6, 0.5)),
                output_tokens=int(dice.lognormvariate(5, 0.5)),
                segments=MappingProxyType({"tier": "new" if dice.random() < 0.3 else "old"}),
            )
        )
    return calls


async def recorded(path: Path, calls: Sequence[Observation]) -> float:
    """Seconds to record all with rollups, `BATCH` a transaction."""
    database = await Database.open(path)
    telemetry = SqliteTelemetry(database, Settings(store=""))
    started = time.perf_counter()
    for at in range(0, len(calls), BATCH):
        await telemetry.record(calls[at : at + BATCH], START_MS)
    spent = time.perf_counter() - started
    await database.close()
    return spent


def raw_inserts(path: Path, source: Path) -> float:
    """Seconds for `executemany` of the same ready rows and ids into the same two tables."""
    stored = sqlite3.connect(source)
    tables = {
        name: (sql, stored.execute(f"SELECT * FROM {name}").fetchall())  # noqa: S608 - constant names
        for name, sql in stored.execute(
            "SELECT name, sql FROM sqlite_schema WHERE name IN ('observation', 'observation_id')"
        ).fetchall()
    }
    stored.close()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = NORMAL")
    for sql, _ in tables.values():
        raw.execute(sql)
    started = time.perf_counter()
    for at in range(0, len(tables["observation"][1]), BATCH):
        raw.execute("BEGIN IMMEDIATE")
        for name, (_, rows) in tables.items():
            marks = ", ".join("?" * len(rows[0]))
            raw.executemany(f"INSERT INTO {name} VALUES ({marks})", rows[at : at + BATCH])  # noqa: S608 - only marks
        raw.execute("COMMIT")
    spent = time.perf_counter() - started
    raw.close()
    return spent


def _add(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO name (text) VALUES (hex(randomblob(16)))")


async def grouped_acks_per_s(path: Path, writes: int) -> float:
    """Durable acknowledgements a second of `CALLERS` concurrent writers through the store."""
    database = await Database.open(path)

    async def caller() -> None:
        for _ in range(writes // CALLERS):
            await database.write(_add, durable=True)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    rate = writes // CALLERS * CALLERS / (time.perf_counter() - started)
    await database.close()
    return rate


async def single_acks_per_s(path: Path, writes: int) -> float:
    """The same through aiosqlite, a commit a call, synchronous FULL."""
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = FULL")
        await connection.execute("CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
        turn = asyncio.Lock()

        async def caller() -> None:
            for _ in range(writes // CALLERS):
                async with turn:
                    await connection.execute("INSERT INTO name (text) VALUES (hex(randomblob(16)))")
                    await connection.commit()

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return writes // CALLERS * CALLERS / (time.perf_counter() - started)


async def paced(path: Path) -> None:
    """One of several processes: prints the milliseconds of each of its paced durable writes."""
    database = await Database.open(path)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    started = time.perf_counter()
    for i in range(int(PACED_S * PACED_PER_S)):
        await asyncio.sleep(max(0.0, started + i / PACED_PER_S - time.perf_counter()))
        before = time.perf_counter()
        await database.write(_add, durable=True)
        print((time.perf_counter() - before) * 1000)
    await database.close()


def paced_waits_ms(path: Path) -> list[float]:
    """Waits of all writes of all processes, ascending; they start together."""
    command = [sys.executable, __file__, "--paced", str(path)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for process in started:
        assert process.stdout is not None  # noqa: S101 - it was asked for above
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None  # noqa: S101 - it was asked for above
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate()[0].split() for process in started]
    return sorted(float(wait) for waits in printed for wait in waits)


def main(rows: int) -> None:
    """Measure and print one table."""
    calls = wide_observations(rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # numpy is imported by the first batch; that is start-up, not ingest.
        asyncio.run(recorded(folder / "warm.db", calls[:BATCH]))
        ours, raw = [], []
        for i in range(ROUNDS):
            ours.append(asyncio.run(recorded(folder / f"ours{i}.db", calls)))
            raw.append(raw_inserts(folder / f"raw{i}.db", folder / f"ours{i}.db"))
        size = (folder / "ours0.db").stat().st_size / rows
        grouped = asyncio.run(grouped_acks_per_s(folder / "group.db", 12_800))
        single = asyncio.run(single_acks_per_s(folder / "single.db", 3_200))
        asyncio.run(grouped_acks_per_s(folder / "paced.db", CALLERS))
        waits = paced_waits_ms(folder / "paced.db")
    p99 = waits[int(0.99 * len(waits))]
    lines = [
        ("bulk ingest with rollups, rows/s", rows / min(ours), ""),
        ("raw executemany of the same rows, rows/s", rows / min(raw), ""),
        ("  ratio", min(raw) / min(ours), ">= 0.35"),
        ("64 durable writers, group commit, acks/s", grouped, ""),
        ("64 durable writers, aiosqlite commit a call, acks/s", single, ""),
        ("  ratio", grouped / single, ">= 15"),
        (
            f"{PROCESSES} processes x {PACED_PER_S} writes/s, {len(waits)} writes, p99 ms",
            p99,
            "<= 30",
        ),
        ("  worst ms", waits[-1], "<= 150"),
        ("bytes an observation, all in", size, "<= 120"),
    ]
    print(f"SQLite {sqlite3.sqlite_version}, {rows} synthetic observations, best of {ROUNDS}")
    for what, value, goal in lines:
        print(f"{what:<62}{value:>12,.2f}  {goal}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--paced"]:
        asyncio.run(paced(Path(sys.argv[2])))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 50_000)
