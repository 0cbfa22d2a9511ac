"""Where each row lives and what each transaction touches, as docs/scale.md lists it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import Server

import engines
from gonogo.answers import FallbackPlan
from gonogo.app import Gonogo
from gonogo.config import local_routes
from gonogo.settings import BudgetSettings, DependencySettings, Settings
from gonogo.store.postgres.database import PostgresDatabase

pytestmark = pytest.mark.anyio

# Keys that do not begin with a shard: a dictionary, and what is claimed, locked, moved, told or known.
OWN = {"name", "lease", "shard_lock", "moved", "message_told", "counter_point", "schema_version"}
# The last is that of the log's tables: a dependency's name, else a budget's.
SHARD = ("dependency_id", "dependency", "root", "shard")
KEYS = """
SELECT t.relname, a.attname FROM pg_class t
JOIN pg_namespace s ON s.oid = t.relnamespace
LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
WHERE s.nspname = 'gonogo' AND t.relkind = 'r'
"""
WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)", re.IGNORECASE)


class Noting:
    """A session that keeps the names of the tables that are written through it."""

    def __init__(self, session: Any, tables: set[str]) -> None:  # noqa: ANN401 - as works take it
        self._session, self._tables = session, tables

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._session, name)

    def execute(self, statement: str, *parameters: Any) -> Any:  # noqa: ANN401
        """Run it, and note what it writes."""
        self._tables.update(
            WRITES.findall(statement.replace("FOR UPDATE", "").replace("DO UPDATE", ""))
        )
        return self._session.execute(statement, *parameters)

    def executemany(self, statement: str, rows: Any) -> None:  # noqa: ANN401
        """The same."""
        self._tables.update(WRITES.findall(statement.replace("DO UPDATE", "")))
        self._session.executemany(statement, rows)

    def insert(self, table: str, columns: Any, rows: Any) -> None:  # noqa: ANN401
        """The same."""
        self._tables.add(table)
        self._session.insert(table, columns, rows)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The tables that each transaction writes, as they are committed."""
    found: list[set[str]] = []

    def noted(method: Any) -> Any:  # noqa: ANN401
        def run(self: PostgresDatabase, work: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
            tables: set[str] = set()
            result = method(self, lambda session: work(Noting(session, tables)), *rest, **named)
            found.append(tables)
            return result

        return run

    for name in ("_transact", "_alone"):
        monkeypatch.setattr(PostgresDatabase, name, noted(getattr(PostgresDatabase, name)))
    return found


def keys(address: str) -> dict[str, str]:
    """The first column of each table's key."""
    with psycopg.connect(address) as connection:
        return dict(connection.execute(KEYS).fetchall())


def shards(tables: set[str], first: dict[str, str]) -> set[str]:
    """Whose rows a transaction writes: a dependency's, a budget's, or entries about either."""
    kinds = {"root": "budget", "shard": "entries"}
    return {kinds.get(first[table], "dependency") for table in tables if table not in OWN}


async def steps(app: Gonogo, traffic: Gonogo) -> AsyncIterator[str]:
    """What agents do, one after the other; each is named once it is done."""
    calls = [
        {"dependency": name, "outcome": name == "n" or i % 3 > 0, "latency_ms": 3}
        for i, name in enumerate("mn" * 200)
    ]
    await traffic.record_observations(calls)
    yield "record"
    await app.record_observations([{**calls[0], "cost_usd": 0.01, "budget": "work"}])
    yield "record for a budget"
    held = await app.check_budget_with_confidence("work", planned_cost_usd=0.1, reserve=True)
    assert held.reservation is not None
    yield "reserve"
    await app.settle_reservation(held.reservation.id, 0.05)
    yield "settle"
    await app.check_model_drift("m")
    yield "check"
    plan = await app.trigger_fallback("m", reason="it fell")
    assert isinstance(plan, FallbackPlan)
    switched = await app.trigger_fallback("m", plan_id=plan.plan_id, confirm=True)
    assert switched.verdict == "go", switched
    yield "fall back"


def entries_lie_with_what_they_are_about(address: str) -> None:
    """So that a switch and its entries are in one shard, and a settlement and its budget's."""
    with psycopg.connect(address) as connection:
        kept = connection.execute(
            "SELECT DISTINCT kind, shard, dependency, budget FROM gonogo.decision"
        )
        about = {kind: (shard, name or held) for kind, shard, name, held in kept.fetchall()}
        chains = connection.execute(
            "SELECT a.shard, count(*), max(a.seq) FROM gonogo.audit a GROUP BY a.shard"
        ).fetchall()
        links = connection.execute(
            "SELECT count(*) FROM gonogo.audit a JOIN gonogo.decision d"
            " ON d.shard = a.shard AND d.id = a.decision_id"
        ).fetchone()
    assert {shard for shard, _ in about.values()} == {"m", "work"}
    assert all(shard == (subject or "") for shard, subject in about.values()), about
    assert {shard: (n, newest) for shard, n, newest in chains} == {
        "m": (2, 2),
        "work": (2, 2),
    }
    assert links == (4,)


async def test_keys_begin_with_the_shard_and_transactions_stay_in_it(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[set[str]]
) -> None:
    """But for money that a call spends in the name of a budget."""
    monkeypatch.setattr(engines, "ADDRESS", postgres.address)
    address = engines.store_of(tmp_path)
    settings = Settings(
        store=address,
        environ={"HOME": str(tmp_path / "home")},  # where nothing is yet
        budgets={"work": BudgetSettings("work", 10**9)},
        dependencies={"m": DependencySettings("m", fallback=("n",), fallback_policy="confirm")},
    )
    seen: dict[str, list[set[str]]] = {}
    # A switch is judged without what its own asker recorded.
    async with Gonogo(settings) as app, Gonogo(settings, actor="otlp") as traffic:
        await app.list_dependencies()
        first = keys(address)
        elsewhere = {t for t, column in first.items() if column not in SHARD}
        assert elsewhere == {*OWN, "dependency"} - {"shard_lock"}
        async for step in steps(app, traffic):
            await app.close()  # what is queued is written; the next question opens it again
            kinds = [s for s in (shards(tables, first) for tables in written) if s]
            # What is queued may be committed together: in a row the same counts once.
            seen[step] = [kind for kind, _ in groupby(kinds)]
            written.clear()
    assert local_routes(settings).exists()
    dependency, budget, entries = {"dependency"}, {"budget"}, {"entries"}
    assert seen == {
        # With what its calls used, in the name of no budget.
        "record": [dependency | budget],
        "record for a budget": [dependency | budget],
        # An action is kept together with its entry, or not at all.
        "reserve": [budget, budget | entries],
        "settle": [budget | entries],
        "check": [dependency, dependency | entries],
        # Judged and planned; then switched, its incident opened, and read back: what acts has its
        # entry in the audit trail.
        "fall back": [
            dependency,
            entries,
            dependency,
            dependency | entries,
            dependency,
            dependency | entries,
        ],
    }
    entries_lie_with_what_they_are_about(address)
