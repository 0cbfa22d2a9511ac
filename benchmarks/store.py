"""The store beside its floors, in one run each: `python benchmarks/store.py [ROWS]`.

Ratios count, not rates: both sides of a ratio are measured in turns on the same machine. Ingest is
of a JSONL file with an id a line; the floor reads the same file with `json.loads` and inserts its
values as they are by `executemany`, ids unique so that loading it twice adds nothing there either.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import aiosqlite
from wire import Row, print_rows

from gonogo.app.parts import open_stores
from gonogo.cli.ingest import GARBAGE_LOOKED_FOR_AFTER
from gonogo.clock import wall_clock_ms as now_ms
from gonogo.ingest.load import load
from gonogo.ingest.mapping_options import parse_mapping
from gonogo.records import MICRO, Observation
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.sqlite.database import Database

START_MS = 1_760_000_000_000
BATCH = 5000
ROUNDS = 3
CALLERS = 64
PROCESSES = 8
PACED_PER_S = 100
PACED_S = 5.0
SYNTHETIC_SEED = 1
COLUMNS = [
    "dependency",
    "ts",
    "id",
    "version",
    "outcome",
    "error",
    "confidence",
    "latency_ms",
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "segments",
]


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


def write_file(path: Path, calls: Sequence[Observation]) -> None:
    """The calls as JSON Lines, as a user exports them."""
    with path.open("w") as file:
        for call in calls:
            line = {
                "dependency": call.dependency,
                "ts": call.ts_ms / 1000,
                "id": call.id,
                "version": call.version,
                "outcome": call.outcome,
                "confidence": call.confidence,
                "latency_ms": call.latency_ms,
                "cost_usd": (call.cost_micro_usd or 0) / MICRO,
                "input_tokens": call.input_tokens,
                "output_tokens": call.output_tokens,
                "segments": dict(call.segments),
            }
            file.write(json.dumps(line if call.error is None else {**line, "error": call.error}))
            file.write("\n")


class Spent(NamedTuple):
    """What a piece of work took."""

    wall_s: float
    cpu_s: float


@contextmanager
def timed(into: list[Spent]) -> Iterator[None]:
    """Add what the block takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into.append(Spent(time.perf_counter() - wall, time.process_time() - cpu))


async def ingested(path: Path, file: Path, into: list[Spent]) -> None:
    """Load the file as `gonogo ingest` does, with rollups."""
    stores = await open_stores(Settings(store=str(path)), actor="benchmark", clock=now_ms)
    intake = stores.intake(from_files=True)
    with timed(into):
        await load([str(file)], intake, parse_mapping([], []), clock=now_ms, stdin=io.BytesIO())
    await stores.close()


def raw_inserts(path: Path, file: Path, into: list[Spent]) -> None:
    """Load the same file by `json.loads` and `executemany`, `BATCH` rows a transaction."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = NORMAL")
    raw.execute(f"CREATE TABLE call ({', '.join(COLUMNS)}, UNIQUE (dependency, id))")
    insert = f"INSERT INTO call VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - only marks
    rows: list[list[object]] = []

    def commit() -> None:
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany(insert, rows)
        raw.execute("COMMIT")
        rows.clear()

    with timed(into), file.open("rb") as lines:
        for line in lines:
            values = json.loads(line)
            values["segments"] = json.dumps(values["segments"])
            rows.append([values.get(column) for column in COLUMNS])
            if len(rows) == BATCH:
                commit()
        commit()
    raw.close()


def ingest_rows(folder: Path, rows: int) -> list[Row]:
    """Bulk ingest beside its floor, in turns, the least of each; and what it takes on disk."""
    # As `gonogo ingest` sets it, for both sides.
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    file, ours, raw = folder / "calls.jsonl", list[Spent](), list[Spent]()
    write_file(file, wide_observations(rows))
    # numpy is imported by the first batch; that is start-up, not ingest.
    asyncio.run(ingested(folder / "warm.db", file, []))
    for i in range(ROUNDS):
        asyncio.run(ingested(folder / f"ours{i}.db", file, ours))
        raw_inserts(folder / f"raw{i}.db", file, raw)
    mine, floor = (Spent(*map(min, zip(*spent, strict=True))) for spent in (ours, raw))
    return [
        Row("bulk ingest with rollups, x raw executemany", floor.wall_s / mine.wall_s, ">= 0.35"),
        Row("  the same in CPU time", floor.cpu_s / mine.cpu_s),
        Row("  gonogo, rows/s", rows / mine.wall_s),
        Row("  raw executemany, rows/s", rows / floor.wall_s),
        Row("bytes an observation, all in", (folder / "ours0.db").stat().st_size / rows, "<= 120"),
    ]


def _add(connection: Connection) -> None:
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


def writer_rows(folder: Path) -> list[Row]:
    """Concurrent writers beside aiosqlite, the median of turns; and several processes."""
    grouped, single = [], []
    for i in range(2 * ROUNDS + 1):
        grouped.append(asyncio.run(grouped_acks_per_s(folder / f"group{i}.db", 12_800)))
        single.append(asyncio.run(single_acks_per_s(folder / f"single{i}.db", 3_200)))
    ratios = [ours / theirs for ours, theirs in zip(grouped, single, strict=True)]
    asyncio.run(grouped_acks_per_s(folder / "paced.db", CALLERS))
    waits = paced_waits_ms(folder / "paced.db")
    paced_name = f"{PROCESSES} processes x {PACED_PER_S} writes/s"
    return [
        Row("64 durable writers, x aiosqlite commit a call", statistics.median(ratios), ">= 15"),
        Row("  group commit, acks/s", statistics.median(grouped)),
        Row(f"{paced_name}, p99 ms", waits[int(0.99 * len(waits))], "<= 30"),
        Row(f"{paced_name}, worst ms", waits[-1], "<= 150"),
    ]


def rows(observations: int) -> list[Row]:
    """What is asked of this part."""
    with tempfile.TemporaryDirectory() as name:
        return [*ingest_rows(Path(name), observations), *writer_rows(Path(name))]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--paced"]:
        asyncio.run(paced(Path(sys.argv[2])))
    else:
        print_rows(rows(int(sys.argv[1]) if sys.argv[1:] else 50_000))
