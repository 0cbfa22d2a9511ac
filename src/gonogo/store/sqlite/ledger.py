"""The ledger on SQLite: money held and spent, every change in one durable transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from gonogo.errors import GonogoError
from gonogo.ports.money import Balance, Draft, Ledger, ReserveRequest, Scope
from gonogo.records import MICRO, QUARTER_MS
from gonogo.settings import Settings
from gonogo.store.books.audit import append_action
from gonogo.store.books.hold_clock import Dating, date_anew, dating_of
from gonogo.store.books.ledger_books import balance, enter, enter_closing, session_start
from gonogo.store.books.stored_ledger import StoredLedger, answered
from gonogo.store.engine import Connection, Engine
from gonogo.store.observations.catalogue import Catalogue

# Quarter hours in which something was called, or settled at a declared amount.
_USED_IN = """
SELECT DISTINCT u.bucket FROM spend_source p CROSS JOIN used u
WHERE u.source_id = p.id AND u.daily = 0 AND u.bucket >= :first AND u.bucket <= :now
  AND (u.calls > 0 OR p.dependency = '')
  AND (p.budget IN (SELECT value FROM json_each(:members))
       OR p.dependency IN (SELECT value FROM json_each(:dependencies)))
ORDER BY u.bucket
"""


class SqliteLedger(StoredLedger[Engine]):
    """A `Ledger` on a store file."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        super().__init__(database, settings, catalogue_of=Catalogue, enter=enter_closing)

    def under(self, settings: Settings) -> Ledger:
        """See `Ledger`."""
        return SqliteLedger(self._database, settings)

    async def session_start(self, scope: Scope, *, now_ms: int) -> int | None:
        """See `Ledger`."""
        return await self._database.read(partial(_session_start, scope=scope, now_ms=now_ms))

    async def balances(
        self, scopes: Sequence[Scope], *, now_ms: int, holds_max: int
    ) -> tuple[Balance, ...]:
        """See `Ledger`."""

        def work(connection: Connection) -> tuple[Balance, ...]:
            dating = dating_of(connection)
            return _balances(connection, scopes, now_ms=now_ms, dating=dating, holds_max=holds_max)

        return await self._database.read(work)

    async def reserve(self, request: ReserveRequest, *, holds_max: int) -> str:
        """See `Ledger`."""
        found = await self._database.write(
            partial(_reserve, request=request, holds_max=holds_max), durable=True
        )
        return found if isinstance(found, str) else found.answer()


def _session_start(connection: Connection, scope: Scope, now_ms: int) -> int | None:
    members, dependencies = json.dumps(scope.members), json.dumps(scope.dependencies)

    def buckets(since: int | None) -> list[int]:
        found = connection.execute(
            _USED_IN,
            {
                "members": members,
                "dependencies": dependencies,
                "first": -1 if since is None else since,
                "now": now_ms // QUARTER_MS,
            },
        )
        return [row[0] for row in found]

    return session_start(buckets, length_ms=scope.session_ms or 0, now_ms=now_ms)


def _balances(
    connection: Connection, scopes: Sequence[Scope], *, now_ms: int, dating: Dating, holds_max: int
) -> tuple[Balance, ...]:
    held_by: dict[str, int] = {}
    return tuple(
        balance(
            connection,
            scope,
            now_ms=now_ms,
            dating=dating,
            holds_max=holds_max if i == 0 else 0,
            held_by=held_by,
        )
        for i, scope in enumerate(scopes)
    )


def _reserve(connection: Connection, *, request: ReserveRequest, holds_max: int) -> str | Draft:
    date_anew(connection, now_ms=request.now_ms)
    if request.key is not None:
        before = answered(connection, request.key, request.arguments, request.now_ms)
        if before is not None:
            return before.answer
    now_ms, dated_now = request.now_ms, Dating()
    drafted = request.decide(
        _balances(connection, request.scopes, now_ms=now_ms, dating=dated_now, holds_max=holds_max)
    )
    if drafted.held_micro_usd is not None:
        made = connection.execute(
            "INSERT INTO reservation (id, budget, unit, state, held_micro_usd, created_ms,"
            " expires_ms, confidence_e6, remaining_micro_usd, planned_micro_usd)"
            " VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                request.reservation_id,
                request.budget,
                request.unit,
                drafted.held_micro_usd,
                request.now_ms,
                request.expires_ms,
                round(drafted.confidence * MICRO),
                drafted.remaining_micro_usd,
                request.planned_micro_usd,
            ),
        )
        if not made.rowcount:
            raise GonogoError("The run was taken up and ended by another just now; ask again.")
        enter(
            connection,
            request.now_ms,
            request.reservation_id,
            "hold",
            held=drafted.held_micro_usd,
        )
    if request.key is None and request.entry_of is None:
        return drafted
    answer = drafted.answer()
    if request.key is not None and drafted.held_micro_usd is not None:
        connection.execute(
            "INSERT OR REPLACE INTO reserve_answer (key, arguments, answer, ts_ms) VALUES (?, ?, ?, ?)",
            (request.key, request.arguments, answer, request.now_ms),
        )
    if request.entry_of is not None:
        append_action(connection, request.entry_of(answer))
    return answer
