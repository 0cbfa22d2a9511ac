"""Moving a store file to PostgreSQL: brought over, counted, and asked the same questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from gonogo.app.parts import Stores, open_stores
from gonogo.drift.drift_check import check_drift
from gonogo.drift.finding import DriftQuestion
from gonogo.errors import NoInput, ParameterError, StoreError, plain
from gonogo.settings import Settings
from gonogo.store.engine import Connection
from gonogo.store.postgres.address import is_address, shown
from gonogo.store.postgres.database import PostgresDatabase
from gonogo.store.postgres.transfer import Move
from gonogo.store.sqlite.database import Database
from gonogo.trust.trust_check import check_trust

# Of the dependencies with the newest observations: each is asked two questions in both stores.
COMPARED_MAX = 200


@dataclass(frozen=True, slots=True)
class TransferReport:
    """The rows that a move copied, and the comparison of both stores afterwards."""

    parts: int
    rows: int
    tables: int
    verdicts: int


async def move_store(
    settings: Settings, *, source: str, target: str, now_ms: int, say: Callable[[str], None]
) -> TransferReport:
    """Bring a store file over and compare the two; a move that broke off goes on.

    Args:
        settings: Budgets with their parents, SLOs and bars, as they will be used.
        source: A store file that nobody writes to meanwhile.
        target: `postgresql://…`, empty or begun by an earlier move of the same file.
        now_ms: The time that both are asked about.
        say: Told of each part.

    Raises:
        ParameterError: The target is no address, or holds something else.
        StoreError: Afterwards something differs; what, is said.
    """
    path = Path(source)
    if not is_address(target):
        raise ParameterError(f"'{plain(target, 200)}' is no postgresql:// address to move to.")
    if is_address(source) or not await anyio.Path(path).is_file():
        raise NoInput(f"'{shown(source)}' is no store file to move from.")
    # Opened as any process would: refused in words, or brought up to this release's schema.
    await (await Database.open(path)).close()
    database = await PostgresDatabase.open(target, schema=settings.store_schema)
    move = Move(path, database, settings)
    try:
        await move.begin()
        parts = await move.parts()
        rows = 0
        for number, (part, state) in enumerate(parts, 1):
            brought = await move.bring(part, state)
            rows += brought
            say(f"{number}/{len(parts)} {plain(part, 80)}: {brought:,} rows")
        tables = await _count(move, database)
        verdicts = await _compare(settings, source, target, now_ms=now_ms)
        await move.finish()
    finally:
        move.close()
        await database.close()
    return TransferReport(len(parts), rows, tables, verdicts)


async def _count(move: Move, database: PostgresDatabase) -> int:
    """Compare the number of rows of every table."""
    asked = move.counts()

    def count(connection: Connection) -> dict[str, int]:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - constant names
            for table in asked
        }

    found = await database.read(count)
    for table, rows in asked.items():
        if found[table] != rows:
            raise StoreError(
                f"After the move '{table}' has {found[table]:,} rows and {rows:,} in the file. Was "
                "it written to meanwhile? Run the move again; the file is as it was."
            )
    return len(asked)


async def _compare(settings: Settings, source: str, target: str, *, now_ms: int) -> int:
    """Ask both stores for drift, trust and balances; how many answers were equal."""
    old, new = [
        await open_stores(
            replace(settings, store=store, read_only=True), actor="person", clock=lambda: now_ms
        )
        for store in (source, target)
    ]
    try:
        known = await old.telemetry.dependencies(limit=1 << 31)
        newest = sorted(known, key=lambda each: -each.newest_ts_ms)[:COMPARED_MAX]
        for dependency in newest:
            first, second = [
                await _said(each, settings, dependency.name, now_ms) for each in (old, new)
            ]
            if first != second:
                raise StoreError(
                    f"After the move {plain(dependency.name, 80)} is judged otherwise: "
                    f"{plain(second, 120)} instead of {plain(first, 120)}. The file is as it was."
                )
        return 2 * len(newest)
    finally:
        await old.close()
        await new.close()


async def _said(stores: Stores, settings: Settings, name: str, now_ms: int) -> str:
    drift = await check_drift(
        stores.telemetry, stores.decisions, settings, DriftQuestion(dependency=name), now_ms=now_ms
    )
    trust = await check_trust(
        stores.telemetry, stores.decisions, settings, dependency=name, now_ms=now_ms
    )
    return f"{drift.model_dump_json()} {trust.model_dump_json()}"
