"""The fleet of 10,000 dependencies at one look, and preflight of 20 beside one check.

    python benchmarks/fleet.py [--dependencies 10000]

Over a real stdio server, on the wire, in turns with an empty tool. The fleet answers from the kept
scores, which `watch` renews; here they are synthetic. Preflight is asked with nothing new since
the last look, as its 20 checks one by one are.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import anyio
from checks import empty_server, in_turns, own_server
from wire import Row, print_rows

from gonogo.app import Gonogo
from gonogo.records import HOUR_MS, Observation
from gonogo.services.ports_trust import KeptScore
from gonogo.settings import Settings
from gonogo.store.reading_trust import keep_score

PARTS = 20
CALLS_EACH = 400
ROUNDS = 40


async def fill(store: Path, dependencies: int) -> None:
    """Many dependencies with a call and a kept score each, the first `PARTS` with a history."""
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    async with Gonogo(Settings(store=str(store))) as app:
        telemetry = (await app.stores()).telemetry
        names = [f"d{number:05}" for number in range(dependencies)]
        for first in range(0, dependencies, 1000):
            await telemetry.record(
                [
                    Observation(dependency=name, ts_ms=now_ms - HOUR_MS)
                    for name in names[first : first + 1000]
                ],
                now_ms,
            )
        for part, name in enumerate(names[:PARTS]):
            await telemetry.record(
                [
                    Observation(
                        dependency=name,
                        ts_ms=(ts_ms := now_ms - (CALLS_EACH - call) * HOUR_MS),
                        outcome=float((call * 7 + part) % 12 > 0),
                        outcome_ts_ms=ts_ms,
                        latency_ms=400.0 + call % 97,
                    )
                    for call in range(CALLS_EACH)
                ],
                now_ms,
            )
        scores = [0.6 + 0.39 * number / dependencies for number in range(dependencies)]

        def keep(connection: sqlite3.Connection) -> None:
            for name, score in zip(names, scores, strict=True):
                keep_score(
                    connection, KeptScore(name, now_ms, 1, "go", score, score - 0.05, score + 0.01)
                )

        await (await app.stores()).db.write(keep)


def rows(dependencies: int) -> list[Row]:
    """What is asked of this part: what, the figure reached, the figure asked."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "fleet.db")
        anyio.run(fill, store, dependencies)
        names = [f"d{number:05}" for number in range(PARTS)]
        empty, ours = empty_server(), own_server(store)
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
        Row(f"fleet view of {dependencies:,} dependencies, p50 ms", fleet, "<= 50"),
        Row("  the same, x an empty tool", fleet / floor, ""),
        Row(f"preflight of {PARTS} dependencies, x one drift check", many / one, "<= 5"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dependencies", type=int, default=10_000)
    print_rows(rows(parser.parse_args().dependencies))
