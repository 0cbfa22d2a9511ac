"""Kills processes and crashes the server in the middle of what they do; says what was lost.

Run as a program, so that it forks before any thread is started: `postgres_torture.py DUTY FOLDER
ROUNDS SEED`; prints JSON. The duties are those that `make torture` does on a file.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from sqlite3 import Connection  # as the works of both engines are typed

import duties
import soundness
from duties import DUTIES, NOON_MS, Place
from postgres_server import Server, server

import engines
from gonogo.settings import Settings
from gonogo.store.books.audit import verify_chain
from gonogo.store.observations.rows import id_hash
from gonogo.store.postgres.database import PostgresDatabase
from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry
from gonogo.store.repair import mend, unbalanced
from telemetry_worlds import rollups_of
from torture import JUMPS_MS, Child

ROUNDS_A_STORE = 10
ROUNDS_A_CRASH = 5
# Only SQLite has `instr`.
FOUND = soundness.FOUND | {"held": soundness.FOUND["held"].replace("instr(", "strpos(")}


# What the books say, and what it is made from.
BOOKS = (
    (
        (
            "SELECT root, budget, dependency, bucket, micro_usd FROM spend "
            "WHERE reserved = 1 AND daily = 0 AND micro_usd <> 0"
        ),
        (
            "SELECT e.root, r.budget, e.dependency, e.quarter, sum(e.spent_micro_usd)::bigint "
            "FROM ledger_entry e JOIN reservation r ON (r.root, r.id) = (e.root, e.reservation) "
            "WHERE e.quarter IS NOT NULL GROUP BY 1, 2, 3, 4 HAVING sum(e.spent_micro_usd) <> 0"
        ),
    ),
    (
        "SELECT root, budget, granted_micro_usd FROM account WHERE granted_micro_usd <> 0",
        (
            "SELECT e.root, r.budget, sum(e.held_micro_usd)::bigint FROM ledger_entry e "
            "JOIN reservation r ON (r.root, r.id) = (e.root, e.reservation) "
            "WHERE e.kind = 'hold' GROUP BY 1, 2"
        ),
    ),
    (
        "SELECT coalesce(sum(micro_usd), 0)::bigint FROM spend WHERE reserved = 0 AND daily = 1",
        (
            "SELECT coalesce(sum(cost_micro_usd), 0)::bigint FROM observation "
            "WHERE reservation IS NULL"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Shared(Place):
    """A place whose store is a database of the server."""

    address: str = ""

    @property
    def settings(self) -> Settings:
        """The same, elsewhere."""
        own: Settings = Place.settings.__get__(self)
        return replace(own, store=self.address)


@asynccontextmanager
async def telemetry(place: Place) -> AsyncIterator[PostgresTelemetry]:
    """What `record` and `ingest` write to."""
    database = await PostgresDatabase.open(place.settings.store)
    try:
        yield PostgresTelemetry(database, place.settings)
    finally:
        await database.close()


duties._telemetry = telemetry  # the same duty on the other engine


async def opened(duty: str, folder: Path, address: str) -> PostgresDatabase:
    """Where a duty writes: falling back is done in a world that opens its own schema."""
    if duty != "apply":
        return await PostgresDatabase.open(address)
    return await PostgresDatabase.open(engines.ADDRESS or "", schema=engines.schema_of(folder))


async def looked_through(
    duty: str, folder: Path, address: str, told: Iterable[str], tell: Callable[[str], None]
) -> None:
    """Hold the store to every invariant, and tell how many acknowledged things are not in it."""
    database = await opened(duty, folder, address)
    missing = 0
    for line in told:
        missing += not await database.read(partial(_is_there, line))
    assert await database.read(unbalanced) == []
    for one, other in BOOKS:
        assert await database.read(partial(_rows, one)) == await database.read(
            partial(_rows, other)
        )
    chain = await database.read(verify_chain)
    assert chain.broken_at is None, chain.problem
    recorded = await database.read(rollups_of)
    await mend(
        database,
        PostgresTelemetry(database, Settings(store="")),
        Settings(store=""),
        now_ms=1 << 60,
    )
    assert await database.read(rollups_of) == recorded
    await database.close()
    tell(f"missing {missing}")


def _is_there(line: str, connection: Connection) -> bool:
    kind, name = line.split(" ")
    wanted = id_hash(name) if kind == "call" else name
    return connection.execute(FOUND[kind], (wanted,)).fetchone() is not None


def _rows(query: str, connection: Connection) -> list[tuple[object, ...]]:
    return sorted(connection.execute(query).fetchall(), key=repr)


def torture(
    duty: str, folder: Path, running: Server, rounds: int, dice: random.Random
) -> dict[str, int]:
    """Two processes at a duty are killed, again and again; in every fifth round the server first."""
    result = {"rounds": rounds, "acknowledged": 0, "crashes": 0, "lost": 0}
    told: list[str] = []
    place, address = folder, ""
    for number in range(rounds):
        if number % ROUNDS_A_STORE == 0:
            place, told = folder / str(number), []
            place.mkdir(parents=True)
            address = engines.store_of(place)
        children = [
            Child(partial(_do, duty, place, address, f"{number}-{i}", dice.choice(JUMPS_MS)))
            for i in range(2)
        ]
        lines = dice.choice([1, 1, 2, 5])
        children[0].hear(lines)
        if number % ROUNDS_A_CRASH == 1:
            # Both have it open: who finds no server at the start is told so, and ends.
            children[1].hear(1)
            running.stop(signal.SIGQUIT)
            running.start()
            children[0].hear(lines + 2)
            result["crashes"] += 1
        select.select([], [], [], dice.uniform(0, 0.02))
        for child in children:
            child.kill()
        for child in children:
            code, said = child.ended()
            assert code == -signal.SIGKILL, f"{duty} ended by itself: {code}"
            told += said
            result["acknowledged"] += len(said)
        if number % ROUNDS_A_STORE in (ROUNDS_A_STORE - 1, 1) or number == rounds - 1:
            code, said = Child(partial(looked_through, duty, place, address, told)).ended()
            assert code == 0
            result["lost"] += int(said[0].split(" ")[1])
    return result


async def _do(
    duty: str, folder: Path, address: str, name: str, jump_ms: int, tell: Callable[[str], None]
) -> None:
    now_ms = NOON_MS + jump_ms
    await DUTIES[duty](Shared(folder, name, tell, now_ms=now_ms, address=address))


if __name__ == "__main__":
    DUTY, FOLDER, ROUNDS, SEED = sys.argv[1:]
    with server() as RUNNING:
        engines.ADDRESS = os.environ["GONOGO_TEST_POSTGRES"] = RUNNING.address
        DICE = random.Random(int(SEED))  # noqa: S311 - chooses when to kill
        print(json.dumps(torture(DUTY, Path(FOLDER), RUNNING, int(ROUNDS), DICE)))  # noqa: T201 - its output
