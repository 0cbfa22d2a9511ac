"""The ledger on SQLite: money held and spent, every change in one durable transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gonogo.errors import GonogoError, ParameterError, plain
from gonogo.ports.money import (
    Balance,
    BudgetRecord,
    ClosedReservation,
    Draft,
    JudgedCheck,
    Ledger,
    Payer,
    Replay,
    ReserveRequest,
    RunProgress,
    Scope,
)
from gonogo.records import (
    DAY_MS,
    MICRO,
    QUARTER_MS,
    Decision,
    Unit,
)
from gonogo.settings import Settings
from gonogo.store.books.audit import append_action
from gonogo.store.books.closing import lower, settle
from gonogo.store.books.hold_clock import date_anew, dating_of
from gonogo.store.books.keyed_names import budgets_below, keyed_names, newest_values
from gonogo.store.books.keyed_sums import keep_key
from gonogo.store.books.ledger_books import (
    balance,
    enter,
    session_start,
)
from gonogo.store.books.run_books import (
    budgets_named,
    left_holds,
    next_hold,
    payers,
    renew,
    run_so_far,
)
from gonogo.store.engine import Connection, Engine, Rows
from gonogo.store.observations.catalogue import Catalogue

_JUDGED = """
SELECT confidence_e6, remaining_micro_usd, coalesce(declared_micro_usd, observed_micro_usd),
       planned_micro_usd
FROM reservation
WHERE state = 'settled'
  AND (:members IS NULL OR (unit = :unit AND budget IN (SELECT value FROM json_each(:members))))
ORDER BY closed_ms DESC LIMIT :limit
"""
# Quarter hours in which something was called, or settled at a declared amount.
_USED_IN = """
SELECT DISTINCT u.bucket FROM spend_source p CROSS JOIN used u
WHERE u.source_id = p.id AND u.daily = 0 AND u.bucket >= :first AND u.bucket <= :now
  AND (u.calls > 0 OR p.dependency = '')
  AND (p.budget IN (SELECT value FROM json_each(:members))
       OR p.dependency IN (SELECT value FROM json_each(:dependencies)))
ORDER BY u.bucket
"""
# As far back as a budget's own record is read at every check.
_RECORD_CHECKS_MAX = 500


class SqliteLedger:
    """A `Ledger` on the store's database."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def under(self, settings: Settings) -> Ledger:
        """See `Ledger`."""
        return SqliteLedger(self._database, settings)

    async def session_start(self, scope: Scope, *, now_ms: int) -> int | None:
        """See `Ledger`."""
        return await self._database.read(partial(_session_start, scope=scope, now_ms=now_ms))

    async def keyed_names(self, key: str, value: str | None = None) -> tuple[str, ...]:
        """See `Ledger`."""
        read = partial(keyed_names, key=key, value=value)
        found = await self._database.read(read)
        if found is None:
            keep = partial(keep_key, key=key, settings=self._settings, catalogue_of=Catalogue)
            await self._database.write(keep, durable=True)
            found = await self._database.read(read)
        return found or ()

    async def newest_values(self, key: str, *, most: int) -> tuple[str, ...]:
        """See `Ledger`."""
        await self.keyed_names(key, "")
        return await self._database.read(partial(newest_values, key=key, most=most))

    async def budgets_below(self, owner: str) -> tuple[str, ...]:
        """See `Ledger`."""
        return await self._database.read(partial(budgets_below, owner=owner))

    async def balances(
        self, scopes: Sequence[Scope], *, now_ms: int, holds_max: int
    ) -> tuple[Balance, ...]:
        """See `Ledger`."""

        def work(connection: Connection) -> tuple[Balance, ...]:
            return _balances(connection, scopes, now_ms=now_ms, holds_max=holds_max)

        return await self._database.read(work)

    async def reserve(self, request: ReserveRequest, *, holds_max: int) -> str:
        """See `Ledger`."""
        found = await self._database.write(
            partial(_reserve, request=request, holds_max=holds_max), durable=True
        )
        return found if isinstance(found, str) else found.answer()

    async def answered(self, key: str, arguments: str, *, now_ms: int) -> Replay | None:
        """See `Ledger`."""
        work = partial(answered, key=key, arguments=arguments, now_ms=now_ms)
        return await self._database.read(work)

    async def next_hold(self, key: str, arguments: str, *, now_ms: int) -> str | None:
        """See `Ledger`."""
        work = partial(next_hold, key=key, arguments=arguments, now_ms=now_ms)
        return await self._database.read(work)

    async def renew(
        self, reservation_id: str, *, now_ms: int, length_s: int | None = None
    ) -> tuple[str, int]:
        """See `Ledger`."""
        work = partial(
            renew,
            name=reservation_id,
            now_ms=now_ms,
            settings=self._settings,
            length_s=length_s,
        )
        return await self._database.write(work, durable=True)

    async def lower(
        self, reservation_id: str, *, to_micro_usd: int, now_ms: int, beyond_recorded: bool = False
    ) -> None:
        """See `Ledger`."""
        work = partial(
            lower,
            name=reservation_id,
            to=to_micro_usd,
            beyond_recorded=beyond_recorded,
            now_ms=now_ms,
        )
        await self._database.write(work, durable=True)

    async def run_so_far(self, reservation_id: str) -> RunProgress | None:
        """See `Ledger`."""
        return await self._database.read(partial(run_so_far, name=reservation_id))

    async def settle(
        self,
        reservation_id: str,
        *,
        actual_usd: float | None,
        now_ms: int,
        entry_of: Callable[[ClosedReservation], Decision] | None = None,
    ) -> ClosedReservation:
        """See `Ledger`."""
        work = partial(
            settle, name=reservation_id, actual_usd=actual_usd, now_ms=now_ms, entry_of=entry_of
        )
        return await self._database.write(work, durable=True)

    async def record(self, members: Sequence[str], *, unit: Unit, now_ms: int) -> BudgetRecord:
        """See `Ledger`."""

        def work(connection: Connection) -> BudgetRecord:
            wanted = {"members": json.dumps(members), "unit": unit, "limit": _RECORD_CHECKS_MAX}
            judged = connection.execute(_JUDGED, wanted)
            return BudgetRecord(
                _named_by(connection, members),
                _judged(judged),
                left_holds(connection, self._settings, now_ms=now_ms),
            )

        return await self._database.read(work)

    async def named_by(self, members: Sequence[str]) -> tuple[str, ...]:
        """See `Ledger`."""
        return await self._database.read(partial(_named_by, members=members))

    async def budgets_named(self) -> tuple[str, ...]:
        """See `Ledger`."""
        return await self._database.read(budgets_named)

    async def payers(self, reservations: Sequence[str]) -> Mapping[str, Payer]:
        """See `Ledger`."""
        return await self._database.read(partial(payers, reservations=reservations))

    async def judged(self, *, limit: int = 1000) -> tuple[JudgedCheck, ...]:
        """See `Ledger`."""
        return await self._database.read(
            lambda connection: _judged(
                connection.execute(_JUDGED, {"members": None, "unit": None, "limit": limit})
            )
        )


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
    connection: Connection, scopes: Sequence[Scope], *, now_ms: int, holds_max: int
) -> tuple[Balance, ...]:
    held_by: dict[str, int] = {}
    dating = dating_of(connection)
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


def _named_by(connection: Connection, members: Sequence[str]) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT DISTINCT dependency FROM spend_source WHERE dependency <> ''"
        " AND budget IN (SELECT value FROM json_each(?)) ORDER BY dependency",
        (json.dumps(members),),
    )
    return tuple(row[0] for row in found)


def _judged(rows: Rows) -> tuple[JudgedCheck, ...]:
    return tuple(JudgedCheck(p / MICRO, left, actual, plan) for p, left, actual, plan in rows)


def answered(connection: Connection, key: str, arguments: str, now_ms: int) -> Replay | None:
    """See `Ledger`, on both engines."""
    row = connection.execute(
        "SELECT arguments, answer, ts_ms FROM reserve_answer WHERE key = ?", (key,)
    ).fetchone()
    ahead_ms = dating_of(connection).ahead_ms
    if row is None or row[2] + DAY_MS <= now_ms - ahead_ms:
        return None
    hold = json.loads(row[1]).get("reservation")
    if hold is None:
        return None
    found = connection.execute(
        "SELECT held_micro_usd, observed_micro_usd, expires_ms FROM reservation"
        " WHERE id = ? AND state = 'open' AND expires_ms > ?",
        (hold["id"], now_ms - ahead_ms),
    ).fetchone()
    if found is None:
        return None
    if row[0] != arguments:
        raise _key_in_use(key, json.loads(row[0]), json.loads(arguments))
    return Replay(str(row[1]), max(found[0] - found[1], 0), found[2] + ahead_ms)


def _key_in_use(
    key: str, before: Mapping[str, object], asked: Mapping[str, object]
) -> ParameterError:
    """The refusal of a request whose key, or run, holds something else."""
    if "run" in before and "run" in asked:
        run, budget = plain(str(asked["run"]), 80), plain(str(before["budget"]), 80)
        return ParameterError(
            f"Run '{run}' holds money of budget '{budget}': name it there, or another run here."
        )
    return ParameterError(
        f"idempotency_key '{plain(key, 80)}' was used with other arguments before. "
        "Use a new key for another reservation."
    )


def _reserve(connection: Connection, *, request: ReserveRequest, holds_max: int) -> str | Draft:
    date_anew(connection, now_ms=request.now_ms)
    if request.key is not None:
        before = answered(connection, request.key, request.arguments, request.now_ms)
        if before is not None:
            return before.answer
    drafted = request.decide(
        _balances(connection, request.scopes, now_ms=request.now_ms, holds_max=holds_max)
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
