"""What `check_model_drift` costs over stdio beside an empty tool, at two sizes of history.

    python benchmarks/drift_speed.py [--observations 1000000] [--calls 200] [--keep FOLDER]

Both servers are asked in turns in one run, so that a busy machine slows both. Times are of the
wire: from a line written to the server to its answer read, as every client pays them; what a
client does with the answer afterwards is its own. The stores hold ninety days of one dependency
and are written by the real writer in batches of 5,000, hours of it at ten million observations:
`--keep` leaves them in a folder and finds them there again. The goal is for ten million.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio
from checks import empty_server, fill, own_server
from wire import Server

from gonogo.app import Gonogo
from gonogo.records import Observation
from gonogo.settings import Settings

ASKED = ("check_model_drift", {"dependency": "m", "detail": "brief"})
ROUNDS_AFTER_NEW, NEW = 5, 1000


async def record_new(store: Path) -> None:
    """A thousand observations of now, by another process's writer."""
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    async with Gonogo(Settings(store=str(store))) as app:
        await (await app.stores()).telemetry.record(
            [
                Observation(
                    dependency="m",
                    ts_ms=now_ms - at,
                    outcome=float(at % 17 > 0),
                    outcome_ts_ms=now_ms - at,
                    latency_ms=400.0 + at % 97,
                    cost_micro_usd=3000 + at,
                )
                for at in range(NEW)
            ],
            now_ms,
        )


def measured(empty: Server, store: Path, calls: int) -> tuple[float, float, float]:
    """p50 of an empty tool, of the check with nothing new, and of the first check after news."""
    ours = own_server(store)
    floor, same, news = [], [], []
    for call in range(calls + 3):
        pair = empty.call_ms("nothing", {}), ours.call_ms(*ASKED)
        if call >= 3:
            floor.append(pair[0])
            same.append(pair[1])
    for _ in range(ROUNDS_AFTER_NEW):
        anyio.run(record_new, store)
        news.append(ours.call_ms(*ASKED))
    ours.close()
    return statistics.median(floor), statistics.median(same), statistics.median(news)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="folder in which the stores stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.keep or Path(made)
        empty = empty_server()
        print(f"{'p50 of ' + str(given.calls) + ' on the wire':36}{'ms':>8}{'x empty':>9}   goal")
        took = []
        for size in (given.observations // 10, given.observations):
            store = folder / f"{size}.db"
            if not store.exists():
                began = time.perf_counter()
                anyio.run(fill, store, size)
                print(f"{size:,} observations written in {time.perf_counter() - began:.0f} s")
            floor, same, news = measured(empty, store, given.calls)
            took.append(same / floor)
            print(f"{'empty tool':36}{floor:8.2f}{1:9.2f}")
            print(f"{f'nothing new, {size:,}':36}{same:8.2f}{same / floor:9.2f}   <= 1.5")
            print(f"{f'after {NEW:,} new, {size:,}':36}{news:8.2f}{news / floor:9.2f}   <= 3")
        print(f"{'ten times the history':36}{'':8}{took[1] / took[0]:9.2f}   <= 1.1")
        empty.close()


if __name__ == "__main__":
    main()
