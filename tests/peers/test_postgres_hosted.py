"""PostgreSQL as it is hosted: behind PgBouncer, with locks that somebody forgot, with few rights."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import anyio
import psycopg
import pytest
from environments import program
from postgres_server import USER, Server, as_user

from gonogo.errors import StoreError
from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.books.lease_book import StoredLeases
from gonogo.store.engine import Connection
from gonogo.store.postgres.database import PostgresDatabase
from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry

pytestmark = pytest.mark.anyio

NOW_MS = 1_767_268_800_000
PORT = 6432


@contextmanager
def pooled(postgres: Server) -> Iterator[str]:
    """PgBouncer before a server, in transaction mode with two sessions for everybody; its address."""
    ini = postgres.folder / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\npostgres = host={postgres.folder} user={USER}\n[pgbouncer]\n"
        f"listen_port = {PORT}\nlisten_addr =\nunix_socket_dir = {postgres.folder}\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\nauth_type = any\n"
        "ignore_startup_parameters = extra_float_digits\nlogfile = /dev/null\n"
    )
    process = subprocess.Popen(
        [*as_user(), program("pgbouncer"), "-q", str(ini)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"postgresql://{USER}@:{PORT}/postgres?host={postgres.folder}"
    ready = [program("pg_isready"), "-q", "-h", str(postgres.folder), "-p", str(PORT), "-t", "1"]
    try:
        while subprocess.run(ready, check=False).returncode:
            assert process.poll() is None, "PgBouncer ended as it started"
        yield address
    finally:
        process.terminate()
        process.wait(10)


def typed(*words: str, store: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "gonogo", *words, "--store", store]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_eight_processes_at_once_work_behind_a_pooler(postgres: Server, tmp_path: Path) -> None:
    """Each transaction may get another session: nothing that was set or prepared before is there."""
    config = tmp_path / "gonogo.toml"
    config.write_text("[budgets.work]\nlimit_usd = 1000\n")
    rows = tmp_path / "calls.jsonl"
    rows.write_text('{"dependency": "m", "outcome": 1, "cost_usd": 0.01}\n' * 200)
    with pooled(postgres) as address:
        assert typed("ingest", str(rows), store=address).returncode == 0

        def commands(number: int) -> list[subprocess.CompletedProcess[str]]:
            reserve = ("reserve", "work", "--usd", "1", "--config", str(config))
            return [
                typed("list", store=address),
                typed(*reserve, store=address),
                typed("ingest", str(rows), "--run", f"run-{number}", store=address),
            ]

        with ThreadPoolExecutor(8) as threads:
            done = [each for some in threads.map(commands, range(8)) for each in some]
        assert [each.stderr for each in done if each.returncode not in (0, 1)] == []
        doctor = json.loads(
            typed("doctor", "--json", "--config", str(config), store=address).stdout
        )
        figures = {f["what"]: f for f in doctor["findings"]}
        assert figures["reservations"]["said"] == "8 compared"
        assert figures["audit"]["state"] == "ok"


async def test_a_row_that_is_locked_keeps_nobody_else_waiting(postgres: Server) -> None:
    """A forgotten psql holds one dependency's row: others are recorded, and reads answer."""
    database = await PostgresDatabase.open(postgres.address, schema="locked", lock_wait_s=1)
    telemetry = PostgresTelemetry(database, Settings(store=""))
    for name in ("held", "free"):
        await telemetry.record([Observation(name, NOW_MS)], NOW_MS)
    with psycopg.connect(postgres.address) as forgotten:
        forgotten.execute("SELECT 1 FROM locked.shard_lock WHERE shard = 'held' FOR UPDATE")

        async def waits() -> None:
            with pytest.raises(Exception, match="another session holds a lock"):
                await telemetry.record([Observation("held", NOW_MS + 1)], NOW_MS)

        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(waits)
            await anyio.lowlevel.checkpoint()
            begun = time.perf_counter()
            await telemetry.record([Observation("free", NOW_MS + 1)], NOW_MS)
            assert (await telemetry.dependency("held")) is not None
            assert time.perf_counter() - begun < 0.9
            tasks.cancel_scope.cancel()
    await database.close()


async def test_whoever_is_waited_for_is_named_and_all_give_up_at_once(
    postgres: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """After a second by its session, after the limit in the error; reads answer meanwhile."""
    database = await PostgresDatabase.open(postgres.address, schema="named", lock_wait_s=2)
    telemetry = PostgresTelemetry(database, Settings(store=""))
    await telemetry.record([Observation("held", NOW_MS)], NOW_MS)
    forgotten = psycopg.connect(postgres.address, application_name="nightly report")
    forgotten.execute("SELECT 1 FROM named.shard_lock WHERE shard = 'held' FOR UPDATE")
    pid, gave_up = forgotten.info.backend_pid, list[float]()

    async def waits() -> None:
        holder = rf"another session holds a lock.* held by session {pid} \('nightly report', user gonogo, since "
        with pytest.raises(StoreError, match=holder):
            await telemetry.record([Observation("held", NOW_MS + 1)], NOW_MS)
        gave_up.append(time.perf_counter())

    async def reads() -> None:
        while not gave_up:
            begun = time.perf_counter()
            assert await telemetry.dependency("held") is not None
            took_s.append(time.perf_counter() - begun)

    took_s: list[float] = []
    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reads)
        for _ in range(10):
            tasks.start_soon(waits)
    assert max(gave_up) - begun < 2 * 2
    assert sorted(took_s)[len(took_s) // 2] < 0.05
    [said] = {r.message for r in caplog.records if "waiting for the store" in r.message}
    assert f"session {pid} ('nightly report'" in said
    forgotten.close()
    assert (await telemetry.record([Observation("held", NOW_MS + 1)], NOW_MS)).accepted == 1
    await database.close()


async def test_writes_that_wait_for_a_connection_give_up_with_those_that_have_them(
    postgres: Server,
) -> None:
    """Thirty claims of one lease that a psql keeps, on eight connections: one limit for all, not four."""
    database = await PostgresDatabase.open(postgres.address, schema="claimed", lock_wait_s=3)
    leases = StoredLeases(database)
    assert await leases.claim("duty", "a", now_ms=NOW_MS, until_ms=NOW_MS + 1)
    forgotten = psycopg.connect(postgres.address)
    forgotten.execute("SELECT 1 FROM claimed.lease FOR UPDATE")

    async def waits() -> None:
        with pytest.raises(StoreError, match="another session holds a lock"):
            await leases.claim("duty", "b", now_ms=NOW_MS + 2, until_ms=NOW_MS + 3)

    begun = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(waits)
    # Eight after eight would be twelve.
    assert time.perf_counter() - begun < 3 * 3
    forgotten.close()
    assert await leases.claim("duty", "b", now_ms=NOW_MS + 2, until_ms=NOW_MS + 3)
    await database.close()


async def test_commits_are_kept_where_the_database_would_not(postgres: Server) -> None:
    """`synchronous_commit = off` on the database, a LATIN1 database, a role that may make nothing."""
    postgres.run("CREATE DATABASE lazy")
    postgres.run("ALTER DATABASE lazy SET synchronous_commit = off")
    lazy = postgres.address.replace("/postgres?", "/lazy?")
    database = await PostgresDatabase.open(lazy, schema="own")

    def setting(connection: Connection) -> str:
        found: str = connection.execute("SELECT current_setting('synchronous_commit')").fetchone()[
            0
        ]
        return found

    assert await database.write(setting) == "on"
    await database.close()
    postgres.run(
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    latin = postgres.address.replace("/postgres?", "/latin?")
    with pytest.raises(Exception, match="has the encoding LATIN1"):
        await PostgresDatabase.open(latin)
    postgres.run("CREATE ROLE clerk LOGIN")
    for statement in (
        "GRANT USAGE ON SCHEMA own TO clerk",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA own TO clerk",
    ):
        with psycopg.connect(lazy) as owner:
            owner.execute(statement)
    clerk = await PostgresDatabase.open(lazy.replace(f"{USER}@", "clerk@"), schema="own")
    stored = await PostgresTelemetry(clerk, Settings(store="")).record(
        [Observation("m", NOW_MS)], NOW_MS
    )
    assert stored.accepted == 1
    await clerk.close()
