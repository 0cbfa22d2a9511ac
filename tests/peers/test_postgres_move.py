"""`gonogo migrate-store`: a file moves over, also in two goes, and answers as it did."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import anyio
import psycopg
import pytest
from postgres_server import Server
from test_postgres_same_answers import NOW_MS, history, said

from gonogo.app import Gonogo
from gonogo.app.store_transfer import move_store
from gonogo.errors import ParameterError
from gonogo.settings import BudgetSettings, Settings

pytestmark = pytest.mark.anyio
BUDGETS = {
    "org": BudgetSettings("org", 30_000_000),
    "nightly": BudgetSettings("nightly", 20_000_000, parent="org"),
}


class _BrokenOffError(Exception):
    """The person pressed Ctrl-C."""


def settings(store: str) -> Settings:
    """Two budgets over a store."""
    return Settings(store=store, budgets=BUDGETS)


def database(postgres: Server, name: str) -> str:
    """The address of a new database."""
    with psycopg.connect(postgres.address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.address.replace("/postgres?", f"/{name}?")


async def used(store: str) -> str:
    """A store with history, money held and settled, decisions; the id of an open hold."""
    async with Gonogo(settings(store), clock=lambda: NOW_MS) as app:
        stores = await app.stores()
        await stores.telemetry.record(history()[:3000], NOW_MS)
        ids = []
        for number in range(3):
            check = await app.check_budget_with_confidence(
                "nightly", planned_cost_usd=1, reserve=True, idempotency_key=f"k{number}"
            )
            assert check.reservation is not None
            ids.append(check.reservation.id)
        await app.settle_reservation(ids[0], actual_usd=0.5)
        await app.record_observations([{"dependency": "sentiment", "outcome": 7}])
        await app.get_trust_score_health("sentiment")
        return ids[1]


async def test_a_move_that_breaks_off_goes_on_and_answers_as_before(
    postgres: Server, tmp_path: Path
) -> None:
    """Broken off after two parts, run again, then used: money, chain and verdicts are the same."""
    file, target = str(tmp_path / "old.db"), database(postgres, "moved")
    hold = await used(file)
    told: list[str] = []

    def breaks_off(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            raise _BrokenOffError

    with pytest.raises(_BrokenOffError):
        await move_store(settings(""), source=file, target=target, now_ms=NOW_MS, say=breaks_off)
    moved = await move_store(
        settings(""), source=file, target=target, now_ms=NOW_MS, say=told.append
    )
    assert moved.parts == 3  # of five: three dependencies, the money, the actions
    assert moved.verdicts == 6
    again = await move_store(
        settings(""), source=file, target=target, now_ms=NOW_MS, say=told.append
    )
    assert (again.parts, again.rows) == (0, 0)
    answers = []
    for store in (file, target):
        async with Gonogo(settings(store), clock=lambda: NOW_MS + 1) as app:
            repeated = await app.check_budget_with_confidence(
                "nightly", planned_cost_usd=1, reserve=True, idempotency_key="k1"
            )
            assert repeated.reservation is not None
            assert repeated.reservation.id == hold
            settled = said(await app.settle_reservation(hold, actual_usd=0.25))
            left = said(await app.check_budget_with_confidence("org", planned_cost_usd=1))
            stores = await app.stores()
            await stores.telemetry.record(history()[2900:3100], NOW_MS)
            drift = said(await app.check_model_drift("sentiment", detail="full"))
            chain = await stores.decisions.verify()
            answers.append((settled, left, drift, chain.entries, chain.problem))
    assert "1 row since" in str(answers[0][2])
    assert answers[0] == answers[1]
    assert answers[0][-1] is None


async def test_what_cannot_be_moved_is_refused(postgres: Server, tmp_path: Path) -> None:
    """A database with other data, and an address that is none; each in one line."""
    file, target = str(tmp_path / "old.db"), database(postgres, "taken")
    await used(file)
    await used(target)
    with pytest.raises(ParameterError, match="did not come from this file"):
        await move_store(settings(""), source=file, target=target, now_ms=NOW_MS, say=print)
    with pytest.raises(ParameterError, match="is no postgresql:// address"):
        await move_store(settings(""), source=file, target="x.db", now_ms=NOW_MS, say=print)


async def test_the_command_tells_what_it_moved(postgres: Server, tmp_path: Path) -> None:
    """As a person runs it; nothing of the file is changed."""
    file, target = tmp_path / "old.db", database(postgres, "told")
    await used(str(file))
    before = sqlite3.connect(file).execute("SELECT count(*), max(seq) FROM audit").fetchone()
    gonogo = str(Path(sys.executable).with_name("gonogo"))
    command = [gonogo, "migrate-store", str(file), target]
    environ = {"HOME": str(tmp_path)}
    done = await anyio.run_process(command, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    assert "answers are the same" in done.stdout.decode()
    again = await anyio.run_process([*command, "--json"], env=environ)
    assert json.loads(again.stdout)["parts"] == 0
    assert (
        before == sqlite3.connect(file).execute("SELECT count(*), max(seq) FROM audit").fetchone()
    )
