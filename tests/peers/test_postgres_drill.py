"""A rehearsal on a PostgreSQL store: read in sessions that cannot write, and the same trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psycopg
import pytest
from postgres_server import Server

from drill_world import NOW_MS, recorded
from gonogo.demo.stage import MODEL
from gonogo.drill.drill_run import DrillRequest, prepare
from gonogo.drill.rehearsal import rehearse

pytestmark = pytest.mark.anyio

ASKED = DrillRequest(MODEL, ("outage",), replicates=1, seed=1, days=28)


async def test_a_rehearsal_is_the_same_on_both_engines(postgres: Server, tmp_path: Path) -> None:
    """The same history gives the same calls to play and the same trial; nothing is written."""
    with psycopg.connect(postgres.address, autocommit=True) as admin:
        admin.execute("CREATE DATABASE drill")
    address = postgres.address.replace("/postgres?", "/drill?")
    grounds = []
    for store in (None, address):
        settings = await recorded(tmp_path, store=store)
        grounds.append(await prepare(settings, ASKED, clock=lambda: NOW_MS))
    file, database = grounds
    assert file.begin_ms == database.begin_ms
    for name in ("ts_ms", "outcome_e6", "cost_micro_usd", "confidence_e6"):
        np.testing.assert_array_equal(
            getattr(file.pasts[MODEL].calls, name), getattr(database.pasts[MODEL].calls, name)
        )
    assert await rehearse(file, "outage", 0) == await rehearse(database, "outage", 0)
    with psycopg.connect(address) as reader:
        for table in ("decision", "incident", "plan"):
            [(count,)] = reader.execute(f"SELECT count(*) FROM gonogo.{table}").fetchall()  # noqa: S608 - a constant
            assert count == 0, table
