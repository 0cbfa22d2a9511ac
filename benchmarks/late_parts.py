"""The time to record a part of a call that comes late, its version or its time, beside a new call, in small and large stores.

`python benchmarks/late_parts.py [--quick]`
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.reads.telemetry_store import StoredTelemetry
from gonogo.store.sqlite.database import Database

NOW_MS = 1_780_000_000_000
SIZES = (10_000, 300_000)
QUICK = (2_000, 20_000)
ROUNDS = 31
ASKED = 5.0


def _call(number: str, **told: Any) -> Observation:  # noqa: ANN401 - any of its fields
    return Observation(dependency="model", id=number, **{"ts_ms": NOW_MS, **told})


def _history(rows: int) -> Iterator[list[Observation]]:
    """A call a second with its answer; one in three never had a version."""
    for first in range(0, rows, 5000):
        yield [
            _call(
                f"h{i}",
                ts_ms=NOW_MS - (rows - i) * 1000,
                version=f"v{i % 3}" if i % 3 else None,
                latency_ms=5.0,
                input_hash=str(i),
                output_hash=str(i % 7),
            )
            for i in range(first, min(first + 5000, rows))
        ]


# What a call is told as at first, and the part that comes late.
_ANSWER = {"input_hash": "a", "output_hash": "b"}
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "its version": ({"latency_ms": 5.0}, {"version": "v1"}),
    "the version of an answer": ({"latency_ms": 5.0, **_ANSWER}, {"version": "v1"}),
    "its time, after its outcome": (
        {"outcome": 1.0, "ts_assumed": True},
        {"ts_ms": NOW_MS - 5000, "latency_ms": 5.0},
    ),
}


async def measure(path: Path, rows: int) -> dict[str, float]:
    """The median milliseconds of each part, and of a new call, in turns."""
    database = await Database.open(path)
    telemetry = StoredTelemetry(database, Settings(store=""))
    for batch in _history(rows):
        await telemetry.record(batch, NOW_MS)
    took: dict[str, list[float]] = {"a new call": [], **{part: [] for part in PARTS}}
    for turn in range(ROUNDS):
        for part, (first, late) in PARTS.items():
            await telemetry.record([_call(f"{part} {turn}", **first)], NOW_MS)
            took[part].append(await _timed(telemetry, _call(f"{part} {turn}", **late)))
        took["a new call"].append(await _timed(telemetry, _call(f"new {turn}", latency_ms=5.0)))
    await database.close()
    return {part: statistics.median(each) for part, each in took.items()}


async def _timed(telemetry: StoredTelemetry, told: Observation) -> float:
    started = time.perf_counter()
    await telemetry.record([told], NOW_MS)
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Fill, record in parts, print."""
    print(f"{'rows':>9}  {'what comes':<28} {'p50 ms':>8}  times a new call (asked <= {ASKED:g})")
    for rows in QUICK if "--quick" in sys.argv else SIZES:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(Path(folder) / "store.db", rows))
        for part, ms in found.items():
            print(f"{rows:>9,}  {part:<28} {ms:>8.2f}  {ms / found['a new call']:.2f}")


if __name__ == "__main__":
    main()
