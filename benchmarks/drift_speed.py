"""What `check_model_drift` costs over stdio beside an empty tool, at two sizes of history.

After news any process is slow with anything for the pause before, so an empty tool is asked after the same one.

    python benchmarks/drift_speed.py [--observations 1000000] [--calls 200] [--keep FOLDER]

Both servers are asked in turns in one run, so that a busy machine slows both. Times are of the
wire: from a line written to the server to its answer read, as every client pays them; what a
client does with the answer afterwards is its own. Beside it stands the processor time of the server,
which a busy machine changes less. The stores hold ninety days of one dependency
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
from typing import TYPE_CHECKING, NamedTuple

import anyio
import numpy as np
from checks import COST, LATENCY, WRONG, empty_server, fill, own_server
from wire import Cost, Server

from gonogo.app import Gonogo
from gonogo.records import Observation
from gonogo.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = ("check_model_drift", {"dependency": "m", "detail": "brief"})
ROUNDS_AFTER_NEW, NEW = 9, 1000
GOALS = {"nothing new": "<= 1.5", f"after {NEW:,} new": "process <= 25"}


def median(costs: Sequence[Cost]) -> Cost:
    """Of each part."""
    return Cost(*(statistics.median(part) for part in zip(*costs, strict=True)))


async def record_new(store: Path) -> None:
    """A thousand observations of now, by another process's writer."""
    now_ms, rng = round(datetime.now(UTC).timestamp() * 1000), np.random.default_rng()
    wrong, latency = rng.random(NEW) < WRONG, rng.lognormal(*LATENCY, NEW)
    cost = rng.lognormal(*COST, NEW)
    async with Gonogo(Settings(store=str(store))) as app:
        await (await app.stores()).telemetry.record(
            [
                Observation(
                    dependency="m",
                    ts_ms=now_ms - at,
                    outcome=float(not wrong[at]),
                    outcome_ts_ms=now_ms - at,
                    latency_ms=float(latency[at]),
                    cost_micro_usd=int(cost[at]),
                )
                for at in range(NEW)
            ],
            now_ms,
        )


class Row(NamedTuple):
    """What a check costs, and an empty tool in the same moment."""

    what: str
    ours: Cost
    empty: Cost


def pair(ours: Server, empty: Server, *, first: bool) -> tuple[Cost, Cost]:
    """One call of each, ours first or last: who was idle the longer is the slower."""
    if first:
        return ours.costs(*ASKED), empty.costs("nothing", {})
    cost = empty.costs("nothing", {})
    return ours.costs(*ASKED), cost


def row(what: str, pairs: Sequence[tuple[Cost, Cost]]) -> Row:
    """Medians."""
    return Row(what, median([one for one, _ in pairs]), median([other for _, other in pairs]))


def measured(empty: Server, store: Path, calls: int) -> list[Row]:
    """With nothing new, after news, and the first check of a process."""
    ours = own_server(store)
    first = ours.costs(*ASKED)
    # Strictly in turns: whoever is asked twice in a row is quick the second time.
    same = [pair(ours, empty, first=False) for _ in range(calls + 3)][3:]
    news = []
    for at in range(ROUNDS_AFTER_NEW):
        anyio.run(record_new, store)
        news.append(pair(ours, empty, first=at % 2 > 0))
    ours.close()
    found = [row("nothing new", same), row(f"after {NEW:,} new", news)]
    return [*found, Row("first check of a process", first, found[0].empty)]


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
        title = f"p50 of {given.calls} on the wire, ms"
        print(f"{title:44}{'wire':>9}{'process':>9}{'empty':>9}{'x empty':>9}   goal")
        took = []
        for size in (given.observations // 10, given.observations):
            store = folder / f"{size}.db"
            if not store.exists():
                began = time.perf_counter()
                anyio.run(fill, store, size)
                print(f"{size:,} observations written in {time.perf_counter() - began:.0f} s")
            rows = measured(empty, store, given.calls)
            took.append(rows[0].ours.wire_ms / rows[0].empty.wire_ms)
            for what, cost, floor in rows:
                costs = f"{cost.wire_ms:9.2f}{cost.process_ms:9.2f}{floor.wire_ms:9.2f}"
                ratio = f"{cost.wire_ms / floor.wire_ms:9.2f}   {GOALS.get(what, '')}"
                print(f"{what + f', {size:,}':44}{costs}{ratio}")
        print(f"{'ten times the history':44}{'':27}{took[1] / took[0]:9.2f}   <= 1.1")
        empty.close()


if __name__ == "__main__":
    main()
