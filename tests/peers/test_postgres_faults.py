"""Connections killed, the server restarted or crashed while money is held: it is right afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import psycopg
import pytest
from postgres_server import PASSWORD, USER, Server, server, standby

from gonogo.errors import StoreError
from gonogo.ports.money import Balance, Draft, ReserveRequest, Scope
from gonogo.records import Observation
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.engine import Connection, Work
from gonogo.store.postgres import database, fate, migrate
from gonogo.store.postgres.changes import PostgresChanges
from gonogo.store.postgres.database import PostgresDatabase
from gonogo.store.postgres.fate import Mark, UnknownFateError
from gonogo.store.postgres.ledger import PostgresLedger
from gonogo.store.postgres.telemetry_postgres import PostgresTelemetry

pytestmark = pytest.mark.anyio
T = TypeVar("T")
NOW = 1_790_000_000_000
MICRO = 1_000_000
MARK = (
    "SELECT CAST(pg_current_xact_id() AS text), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
)
SETTINGS = Settings(
    store="",
    budgets={
        "org": BudgetSettings("org", 60 * MICRO),
        "team": BudgetSettings("team", 40 * MICRO, parent="org"),
    },
)
SCOPES = (
    Scope("team", ("team",), (), None, None),
    Scope("org", ("org", "team"), (), None, None),
)


def request(name: str) -> ReserveRequest:
    """A dollar of the team's forty, which are the organisation's too."""

    def decide(balances: Sequence[Balance]) -> Draft:
        left = min(
            limit * MICRO - balance.held_micro_usd - balance.spent_micro_usd
            for limit, balance in zip((40, 60), balances, strict=True)
        )
        fits = left >= MICRO
        return Draft(lambda: "held" if fits else "full", MICRO if fits else None, 0.9, left)

    return ReserveRequest(name, "team", SCOPES, decide, NOW, NOW + 900_000)


@pytest.fixture
async def broken() -> AsyncIterator[Server]:
    """A server of its own, to be treated badly."""
    with server() as running:
        yield running


async def books(ledger: PostgresLedger) -> int:
    """Dollars held in the team's name, which the organisation's must equal."""
    team, org = await ledger.balances(SCOPES, now_ms=NOW, holds_max=0)
    assert team.held_micro_usd == org.held_micro_usd
    return team.held_micro_usd // MICRO


async def rush(address: str, disturb: Callable[[], None], *, times: int) -> None:
    """Sixty reservations for forty dollars while the server is disturbed: none twice, none lost."""
    database = await PostgresDatabase.open(address)
    ledger = PostgresLedger(database, SETTINGS)
    answers: dict[str, str] = {}
    reached = [anyio.Event() for _ in range(times)]
    limiter = anyio.Semaphore(6)

    async def one(name: str) -> None:
        async with limiter:
            answers[name] = await ledger.reserve(request(name), holds_max=0)
            for event in reached[: len(answers) // 5]:
                event.set()

    async def trouble() -> None:
        for event in reached:
            await event.wait()
            await anyio.to_thread.run_sync(disturb)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trouble)
        for number in range(60):
            tasks.start_soon(one, f"r{number}")
    assert sorted(answers.values()) == ["full"] * 20 + ["held"] * 40
    assert await books(ledger) == 40
    stored = await database.read(
        lambda c: c.execute(
            "SELECT (SELECT count(*) FROM reservation), (SELECT count(*) FROM ledger_entry),"
            " (SELECT granted_micro_usd FROM account WHERE budget = 'org')"
        ).fetchone()
    )
    assert stored == (40, 40, 40 * MICRO)
    await database.close()


def _disturb(server: Server, how: str) -> None:
    if how == "kill":
        with psycopg.connect(server.address, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'gonogo%' AND pid <> pg_backend_pid()"
            )
        return
    server.stop(signal.SIGINT if how == "restart" else signal.SIGQUIT)
    server.start()


async def test_killed_connections_neither_lose_nor_double_a_hold(broken: Server) -> None:
    """Every connection is killed, eight times, in the middle of sixty reservations."""
    await rush(broken.address, partial(_disturb, broken, "kill"), times=8)


@pytest.mark.parametrize("how", ["restart", "crash"])
async def test_a_server_that_goes_away_is_waited_for(broken: Server, how: str) -> None:
    """Stopped and started, or crashed and recovered, twice: what was answered stands."""
    await rush(broken.address, partial(_disturb, broken, how), times=2)


async def test_a_server_that_restarts_while_a_store_opens_is_waited_for(
    broken: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reached, and lost before the schema was read: opened once it is back."""
    disturbed: list[str] = []

    def disturb(connection: Any, address: str, schema: str, *, read_only: bool) -> int:  # noqa: ANN401 - psycopg is an extra
        if not disturbed:
            disturbed.append("crash")
            _disturb(broken, "crash")
        return migrate.migrate(connection, address, schema, read_only=read_only)

    monkeypatch.setattr(database, "migrate", disturb)
    opened = await PostgresDatabase.open(broken.address)
    assert disturbed == ["crash"]
    assert opened.schema_version > 0
    await opened.close()


async def test_a_standby_takes_over_with_everything_that_was_answered(broken: Server) -> None:
    """The primary crashes for good in the middle, and a synchronous standby is promoted."""
    with standby(broken) as second:

        def fail_over() -> None:
            broken.stop(signal.SIGQUIT)
            second.run("SELECT pg_promote()")

        hosts = f"{broken.folder},{second.folder}"
        address = f"postgresql://{USER}@/postgres?host={hosts}&target_session_attrs=read-write"
        await rush(address, fail_over, times=1)


async def test_a_commit_whose_answer_was_lost_is_found_again(broken: Server) -> None:
    """The hold is committed and the connection dies before the answer: it is held once."""
    database = await _Forgetful.open(broken.address)
    ledger = PostgresLedger(database, SETTINGS)
    assert await ledger.reserve(request("once"), holds_max=0) == "held"
    assert isinstance(database, _Forgetful)
    assert database.lost == 1
    assert await books(ledger) == 1
    await database.close()


class _Forgetful(PostgresDatabase):
    """Loses its connection once, after the commit of a hold and before the answer: a failover."""

    lost = 0

    def _alone(self, work: Work[T], *, writes: bool) -> T:
        result = super()._alone(work, writes=writes)
        if result is True and not self.lost:
            self.lost += 1
            raise UnknownFateError
        return result


async def test_a_commit_is_asked_for_by_its_transaction(broken: Server) -> None:
    """Committed and not heard of, it is not done again; on another timeline nobody can know."""
    database = await _Deaf.open(broken.address)
    telemetry = PostgresTelemetry(database, Settings(store=""))
    call = Observation("m", NOW)
    for _ in range(3):
        assert (await telemetry.record([call], NOW)).accepted == 1
    known = await telemetry.dependency("m")
    assert known is not None
    assert known.n == 3
    assert isinstance(database, _Deaf)
    assert database.lost == 3
    database.elsewhere = True
    with pytest.raises(StoreError, match="Whether this write was kept is not known"):
        await telemetry.record([call], NOW)
    await database.close()


async def test_an_engine_without_ids_of_transactions_is_written_to_all_the_same(
    broken: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once."""
    database = await PostgresDatabase.open(broken.address)
    telemetry = PostgresTelemetry(database, Settings(store=""))
    for unknown in (b"; SELECT no_such_function()", b"; SELECT 1 / 0"):
        monkeypatch.setattr(fate, "_MARK", unknown)
        assert (await telemetry.record([Observation("m", NOW)], NOW)).accepted == 1
    await database.close()


class _Deaf(PostgresDatabase):
    """Loses its connection after every commit; `elsewhere`: and finds itself on another timeline."""

    lost = 0
    elsewhere = False

    def _transact(self, work: Work[T], shard: str | None, *, writes: bool) -> T:
        marks: list[Mark] = []

        def noting(connection: Connection) -> T:
            if writes:
                marks.append(Mark(*connection.execute(MARK).fetchone()))
            return work(connection)

        result = super()._transact(noting, shard, writes=writes)
        if not marks:
            return result
        self.lost += 1
        mark = marks[0]._replace(timeline="FFFFFFFF") if self.elsewhere else marks[0]
        raise UnknownFateError(mark, result)


async def test_changes_of_another_process_are_heard(postgres: Server) -> None:
    """At once, and after a write through another connection; also when LISTEN was cut off."""
    schema = "heard"
    here, there = [await PostgresDatabase.open(postgres.address, schema=schema) for _ in range(2)]
    heard = PostgresChanges(here).changes()
    with anyio.fail_after(20):
        await anext(heard)
        for number in range(2):
            call = Observation("m", NOW, id=str(number))
            await PostgresTelemetry(there, Settings(store="")).record([call], NOW)
            await anext(heard)
    await heard.aclose()
    await here.close()
    await there.close()


async def test_refusals_are_one_line_and_never_show_the_password() -> None:
    """A wrong password, database, user, host, port; a schema of a newer release."""
    with server(authentication="scram-sha-256") as locked:
        place = f"@/postgres?host={locked.folder}"
        good = f"postgresql://{USER}:{PASSWORD.replace(' ', '%20')}{place}"
        opened = await PostgresDatabase.open(good)
        await opened.write(lambda c: c.execute("INSERT INTO schema_version VALUES (999)") and None)
        await opened.close()
        cases = {
            good: "made by a newer gonogo",
            f"postgresql://{USER}:hunter2{place}": "the password or the user is wrong",
            f"postgresql://{USER}{place}": "asks for a password",
            good.replace("/postgres?", "/nowhere?"): "its database does not exist",
            f"postgresql://nobody-here:hunter2{place}": "the password or the user is wrong",
            f"postgresql://{USER}:hunter2@127.0.0.1:1/x": "no server listens there",
            f"postgresql://{USER}:hun/ter2@127.0.0.1:1/x": "cannot be opened",
            f"postgresql://{USER}:hun@ter2@nowhere.invalid/x": "cannot be opened",
            f"postgresql://{USER}:hunter2@nowhere.invalid/x": "its host is not known",
            f"postgresql://{USER}:hunter2@127.0.0.1:port/x": "cannot be opened",
        }
        for address, said in cases.items():
            with pytest.raises(StoreError) as refused:
                await PostgresDatabase.open(address)
            message = str(refused.value)
            assert said in message, message
            assert "\n" not in message
            for secret in (PASSWORD, "hunter2", "hun", "ter2", "correct", "horse"):
                assert secret not in message, message


def test_the_doctor_names_the_store_without_its_password(tmp_path: Path) -> None:
    """Its own command, over an address with a password."""
    done = subprocess.run(
        [Path(sys.executable).with_name("gonogo"), "doctor"],
        env={
            "HOME": str(tmp_path),
            "GONOGO_STORE": f"postgresql://{USER}:hunter2@127.0.0.1:1/gonogo",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "hunter2" not in done.stdout + done.stderr
    assert f"postgresql://{USER}@127.0.0.1:1/gonogo" in done.stdout
