"""A fleet that was never scored at its first looks, then at rest; preflight of 20 beside one check.

    python benchmarks/fleet.py [--dependencies 10000]

Over a real stdio server, on the wire, in turns with an empty tool. Nobody watches, and nothing was
asked before: the looks score every dependency themselves, each on a day of labelled calls. Drift
was asked of every second one, so that half of the lines have both parts of a standing verdict.
Preflight is asked with nothing new since the last look, as its 20 checks one by one are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import anyio
from checks import empty_server, in_turns, own_server
from wire import Row, Server, print_rows

from gonogo.app import Gonogo
from gonogo.records import HOUR_MS, Observation, PartVerdict
from gonogo.settings import Settings

PARTS = 20
CALLS_EACH = 400
CALLS, BATCH, FEW = 24, 200, 500
ROUNDS = 40


async def fill(store: Path, dependencies: int) -> None:
    """Many dependencies with a day of calls each, the first `PARTS` with a history."""
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    async with Gonogo(Settings(store=str(store))) as app:
        stores = await app.stores()
        names = [f"d{number:05}" for number in range(dependencies)]
        for first in range(0, dependencies, BATCH):
            await stores.telemetry.record(
                [
                    _call(name, number, hour, now_ms - (CALLS - hour) * HOUR_MS)
                    for number, name in enumerate(names[first : first + BATCH], first)
                    for hour in range(CALLS)
                ],
                now_ms,
            )
        for part, name in enumerate(names[:PARTS]):
            await stores.telemetry.record(
                [
                    _call(name, part, call, now_ms - (CALLS_EACH - call) * HOUR_MS - 1)
                    for call in range(CALLS_EACH)
                ],
                now_ms,
            )
        asked = PartVerdict("drift", "go", now_ms, now_ms - HOUR_MS)
        stores.decisions.say(dict.fromkeys(names[::2], asked))


def _call(name: str, part: int, call: int, ts_ms: int) -> Observation:
    return Observation(
        dependency=name,
        ts_ms=ts_ms,
        outcome=float((call * 7 + part) % 12 > 0),
        outcome_ts_ms=ts_ms,
        latency_ms=400.0 + call % 97,
    )


def looks_at(ours: Server) -> tuple[list[float], int, float]:
    """Seconds of each look until all is scored, how many the first one left, processor seconds."""
    looks: list[float] = []
    left: list[int] = []
    before_ms = ours.process_ms()
    while not left or left[-1]:
        begin = time.perf_counter()
        answer = ours.ask("tools/call", {"name": "get_trust_score_health", "arguments": {}})
        looks.append(time.perf_counter() - begin)
        report = cast("dict[str, int]", answer["result"]["structuredContent"])
        left.append(report.get("waiting", 0))
    return looks, left[0], (ours.process_ms() - before_ms) / 1000


def rows(dependencies: int) -> list[Row]:
    """What is asked of this part: what, the figure reached, the figure asked."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "few.db")
        anyio.run(fill, store, FEW)
        ours = own_server(store)
        few, _, _ = looks_at(ours)
        ours.close()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "fleet.db")
        anyio.run(fill, store, dependencies)
        names = [f"d{number:05}" for number in range(PARTS)]
        empty, ours = empty_server(), own_server(store)
        looks, left, took_s = looks_at(ours)
        floor, fleet, one, many = in_turns(
            ROUNDS,
            lambda: empty.call_ms("nothing", {}),
            lambda: ours.call_ms("get_trust_score_health", {}),
            lambda: ours.call_ms("check_model_drift", {"dependency": names[0]}),
            lambda: ours.call_ms("preflight", {"dependencies": names}),
        )
        ours.close()
        empty.close()
    return [
        Row(f"first look at {FEW} never scored, all in one answer, s", few[0], "<= 1.5"),
        Row(
            f"first look at {dependencies:,} ({dependencies - left:,} scored), s", looks[0], "<= 3"
        ),
        Row(f"  all scored after {len(looks)} looks, s of processor time", took_s, "<= 30"),
        Row(f"fleet view of {dependencies:,} dependencies, p50 ms", fleet, "<= 50"),
        Row("  the same, x an empty tool", fleet / floor, ""),
        Row(f"preflight of {PARTS} dependencies, x one drift check", many / one, "<= 5"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dependencies", type=int, default=10_000)
    print_rows(rows(parser.parse_args().dependencies))
