"""A fleet that was never scored at its first looks, then at rest; preflight of 20 beside one check.

    python benchmarks/fleet.py [--dependencies 10000]

Over a real stdio server, on the wire, in turns with an empty tool. Nobody watches, and nothing was
asked before: the looks score every dependency themselves, each on ten days of labelled calls. Drift
was asked of every second one, so that half of the lines have both parts of a standing verdict.
Preflight is asked with nothing new since the last look, as its 20 checks one by one are.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
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

PARTS, FEW = 20, 500
HOURS, RIGHT = 240, 0.9
ROUNDS = 40
# The first few were recorded, and have one series each with the dependency's own id.
_OF = "FROM dependency d JOIN {} f ON f.{} = (d.id - 1) % :few + 1 WHERE d.id > :few"
LIKE_THE_FIRST = (
    """WITH RECURSIVE new(id) AS (SELECT :few + 1 UNION ALL SELECT id + 1 FROM new WHERE id < :all)
    INSERT INTO dependency SELECT new.id, printf('d%05d', new.id - 1), kind, provider, rev,
    history_rev, n, first_ts_ms, newest_ts_ms, rule, embedding_size
    FROM new JOIN dependency f ON f.id = (new.id - 1) % :few + 1""",
    f"""INSERT INTO dependency_version SELECT d.id, version_id, f.n, f.first_ts_ms, f.newest_ts_ms
    {_OF.format("dependency_version", "dependency_id")}""",
    f"""INSERT INTO dependency_metric SELECT d.id, metric
    {_OF.format("dependency_metric", "dependency_id")}""",
    f"""INSERT INTO series SELECT d.id, d.id, version_id, golden, segment_id
    {_OF.format("series", "dependency_id")}""",
    f"""INSERT INTO rollup SELECT d.id, daily, bucket, f.n, errors, timed, slo_met, labels,
    outcome_sum, good, ok, ok_labels, ok_good {_OF.format("rollup", "series_id")}""",
)


async def fill(store: Path, dependencies: int) -> None:
    """Many dependencies with ten days of one to four calls an hour.

    A few are recorded call by call; the others are given the rows that those have, at once.
    """
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    async with Gonogo(Settings(store=str(store))) as app:
        stores = await app.stores()
        for number in range(PARTS):
            dice = random.Random(number)  # noqa: S311 - no secret is made
            times = [now_ms - hour * HOUR_MS for hour in range(HOURS)]
            calls = [
                _call(f"d{number:05}", dice, ts_ms - 60_000 * call)
                for ts_ms in times
                for call in range(dice.randint(1, 4))
            ]
            await stores.telemetry.record(calls, now_ms)
    connection = sqlite3.connect(store)
    for statement in LIKE_THE_FIRST:
        connection.execute(statement, {"few": PARTS, "all": dependencies})
    connection.commit()
    connection.close()
    async with Gonogo(Settings(store=str(store))) as app:
        asked = PartVerdict("drift", "go", now_ms, now_ms - HOUR_MS)
        names = [f"d{number:05}" for number in range(0, dependencies, 2)]
        (await app.stores()).decisions.say(dict.fromkeys(names, asked))


def _call(name: str, dice: random.Random, ts_ms: int) -> Observation:
    return Observation(
        dependency=name,
        ts_ms=ts_ms,
        outcome=float(dice.random() < RIGHT),
        outcome_ts_ms=ts_ms,
        latency_ms=400 + 100 * dice.random(),
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
        few, few_left, few_s = looks_at(ours)
        ours.close()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "fleet.db")
        anyio.run(fill, store, dependencies)
        names = [f"d{number:05}" for number in range(PARTS)]
        empty, ours = empty_server(), own_server(store)
        looks, left, took_s = looks_at(ours)
        before_ms = ours.process_ms()
        at_rest = [ours.call_ms("get_trust_score_health", {}) for _ in range(ROUNDS)]
        rest_ms = (ours.process_ms() - before_ms) / ROUNDS
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
        Row(f"first look at {FEW} never scored ({FEW - few_left} scored), s", few[0], "<= 1.5"),
        Row("  the same, s of processor time, imports included", few_s, "<= 1.5"),
        Row(
            f"first look at {dependencies:,} ({dependencies - left:,} scored), s", looks[0], "<= 3"
        ),
        Row(f"  all scored after {len(looks)} looks, s of processor time", took_s, "<= 30"),
        Row(f"fleet view of {dependencies:,} at rest, p50 ms", statistics.median(at_rest), "<= 50"),
        Row("  the same, ms of processor time", rest_ms, "<= 50"),
        Row("  right after a check, p50 ms", fleet, "<= 50"),
        Row("  the same, x an empty tool", fleet / floor, ""),
        Row(f"preflight of {PARTS} dependencies, x one drift check", many / one, "<= 5"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dependencies", type=int, default=10_000)
    print_rows(rows(parser.parse_args().dependencies))
