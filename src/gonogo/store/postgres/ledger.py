"""The ledger on PostgreSQL: a reservation is one statement, and exact whoever else reserves.

Balances are read and a hold is decided without any lock. The one statement that makes the hold
takes the account rows of the budget and its ancestors in one order and grants only while no more
was granted since the reading than the decision leaves room for; what was settled or released in
between can only have made more room. Where there is too little room to tell, the accounts are
locked first, and the decision is made alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from gonogo.errors import GonogoError
from gonogo.records import MICRO
from gonogo.services.ports_money import BudgetRecord, JudgedCheck
from gonogo.store.ledger import answered
from gonogo.store.postgres.books import root_of, see_balances
from gonogo.store.postgres.settling import settle

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from gonogo.services.ports_money import Balance, Closed, Drafted, ReserveRequest, Scope
    from gonogo.settings import Settings
    from gonogo.store.postgres.books import Seen
    from gonogo.store.postgres.database import PostgresDatabase
    from gonogo.store.postgres.session import Session

__all__ = ["PostgresLedger"]

_TRIES = 3
# How many more holds of this size the decision is asked to bear, from most to none.
_ROOM_HOLDS = (1024, 64, 4, 0)
_RECORD_CHECKS_MAX = 500

# Ends in a division by zero, which undoes it whole, where one of the accounts has no room.
_HOLD = """
WITH locked AS (
  SELECT budget FROM account WHERE root = :root AND budget = ANY(:chain) ORDER BY budget FOR UPDATE
), granted AS (
  UPDATE account SET granted_micro_usd = account.granted_micro_usd + :held
  FROM locked, unnest(CAST(:chain AS TEXT[]), CAST(:most AS BIGINT[])) AS room (budget, most)
  WHERE account.root = :root AND account.budget = locked.budget AND room.budget = locked.budget
    AND account.granted_micro_usd <= room.most
  RETURNING 1
), fits AS (
  SELECT 1 / CASE WHEN count(*) = :n THEN 1 ELSE 0 END AS yes FROM granted
), held AS (
  INSERT INTO reservation (root, id, budget, state, held_micro_usd, created_ms, expires_ms,
    confidence_e6, remaining_micro_usd, planned_micro_usd)
  SELECT :root, :id, :budget, 'open', :held, :now, :expires, :confidence, :remaining,
    CAST(:planned AS BIGINT) FROM fits
), entered AS (
  INSERT INTO ledger_entry SELECT :root, :id, 1, :now, 'hold', :held, 0, NULL, NULL FROM fits
){answered}
SELECT yes FROM fits
"""
_ANSWERED = """, answered AS (
  INSERT INTO reserve_answer SELECT :root, :key, :arguments, :answer, :now FROM fits
)"""
_JUDGED = """
SELECT confidence_e6, remaining_micro_usd, coalesce(declared_micro_usd, observed_micro_usd),
       planned_micro_usd
FROM reservation WHERE state = 'settled' {members} ORDER BY closed_ms DESC LIMIT :limit
"""


class _KeyUsed(GonogoError):
    """The idempotency key, or the id, was used meanwhile."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """A decision, and for each account up to what `granted` it stands."""

    drafted: Drafted
    answer: str
    most: tuple[int, ...]


def _session(connection: sqlite3.Connection) -> Session:
    return cast("Session", connection)


class PostgresLedger:
    """A `Ledger` on a database."""

    def __init__(self, database: PostgresDatabase, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._accounts: set[tuple[str, str]] = set()

    async def balances(
        self, scopes: Sequence[Scope], *, now_ms: int, holds_max: int
    ) -> tuple[Balance, ...]:
        """See `Ledger`."""
        return (await self._see(scopes, now_ms=now_ms, holds_max=holds_max)).balances

    async def _see(self, scopes: Sequence[Scope], *, now_ms: int, holds_max: int) -> Seen:
        root = root_of(self._settings, scopes[0].budget)
        return await self._database.look(
            lambda c: see_balances(_session(c), root, scopes, now_ms=now_ms, holds_max=holds_max)
        )

    async def reserve(self, request: ReserveRequest, *, holds_max: int) -> str:
        """See `Ledger`."""
        key = request.key
        if key is not None and (before := await self.answered(key, request.arguments)) is not None:
            return before
        root = root_of(self._settings, request.budget)
        await self._open_accounts(root, request.scopes)
        try:
            for _ in range(_TRIES):
                seen = await self._see(request.scopes, now_ms=request.now_ms, holds_max=holds_max)
                found = _decide(request, seen)
                if await self._hold(root, request, found):
                    return found.answer
            alone = _Alone(request, root, holds_max)
            return await self._database.write(alone.reserve, shard=None, kept=alone.answer_kept)
        except _KeyUsed as used:
            # Between the look and the hold, which was undone with it.
            if key is None or (first := await self.answered(key, request.arguments)) is None:
                raise used from None
            return first

    async def _hold(self, root: str, request: ReserveRequest, found: _Decided) -> bool:
        """Make a hold that was decided on; False where there may be too little room by now."""
        if found.drafted.held_micro_usd is None:
            if request.key is not None:
                await self._database.once(
                    partial(_keep_answer, root=root, request=request, answer=found.answer)
                )
            return True
        return await self._database.once(
            partial(_hold, root=root, request=request, found=found),
            kept=partial(_is_held, request=request),
        )

    async def _open_accounts(self, root: str, scopes: Sequence[Scope]) -> None:
        absent = [(root, scope.budget) for scope in scopes]
        if self._accounts.issuperset(absent):
            return
        for account in sorted(absent):
            await self._database.once(partial(_open_account, account=account))
        self._accounts.update(absent)

    async def answered(self, key: str, arguments: str) -> str | None:
        """See `Ledger`."""
        return await self._database.look(partial(answered, key=key, arguments=arguments))

    async def settle(
        self, reservation_id: str, *, actual_micro_usd: int | None, now_ms: int
    ) -> Closed:
        """See `Ledger`. Settling again says the same, so it may be run again."""
        return await self._database.write(
            partial(settle, name=reservation_id, actual=actual_micro_usd, now_ms=now_ms),
            shard=None,
            kept=lambda _: None,  # run again: what was settled is told, not settled twice
        )

    async def record(self, members: Sequence[str]) -> BudgetRecord:
        """See `Ledger`."""
        names = list(members)
        roots = sorted({root_of(self._settings, name) for name in names})

        def work(connection: sqlite3.Connection) -> BudgetRecord:
            session = _session(connection)
            dependencies = session.execute(
                "SELECT DISTINCT dependency FROM spend WHERE dependency <> '' AND root = ANY(?)"
                " AND budget = ANY(?) ORDER BY dependency",
                (roots, names),
            )
            judged = session.execute(
                _JUDGED.format(members="AND budget = ANY(:members)"),
                {"members": names, "limit": _RECORD_CHECKS_MAX},
            )
            known = tuple(row[0] for row in dependencies)
            return BudgetRecord(known, tuple(_judged(*row) for row in judged))

        return await self._database.read(work)

    async def judged(self, *, limit: int = 1000) -> tuple[JudgedCheck, ...]:
        """See `Ledger`."""

        def work(connection: sqlite3.Connection) -> tuple[JudgedCheck, ...]:
            rows = _session(connection).execute(_JUDGED.format(members=""), {"limit": limit})
            return tuple(_judged(*row) for row in rows)

        return await self._database.read(work)


def _judged(confidence: int, left: int, actual: int, plan: int | None) -> JudgedCheck:
    return JudgedCheck(confidence / MICRO, left, actual, plan)


def _decide(request: ReserveRequest, seen: Seen) -> _Decided:
    """Decide, and find how much more may be held by others before it would be decided otherwise."""
    drafted = request.decide(seen.balances)
    held = drafted.held_micro_usd
    room = 0
    if held is not None:
        for room in (held * holds for holds in _ROOM_HOLDS):
            fuller = [replace(b, held_micro_usd=b.held_micro_usd + room) for b in seen.balances]
            if room == 0 or request.decide(fuller).held_micro_usd == held:
                break
    return _Decided(drafted, drafted.answer(), tuple(granted + room for granted in seen.granted))


def _hold(
    connection: sqlite3.Connection, *, root: str, request: ReserveRequest, found: _Decided
) -> bool:
    import psycopg

    chain = [scope.budget for scope in request.scopes]
    try:
        _session(connection).execute(
            _HOLD.format(answered="" if request.key is None else _ANSWERED),
            {
                "root": root,
                "chain": chain,
                "most": list(found.most),
                "n": len(chain),
                "held": found.drafted.held_micro_usd,
                "id": request.reservation_id,
                "budget": request.budget,
                "now": request.now_ms,
                "expires": request.expires_ms,
                "confidence": round(found.drafted.confidence * MICRO),
                "remaining": found.drafted.remaining_micro_usd,
                "planned": request.planned_micro_usd,
                "key": request.key,
                "arguments": request.arguments,
                "answer": found.answer,
            },
        )
    except psycopg.errors.DivisionByZero:
        return False
    except psycopg.errors.UniqueViolation as error:
        raise _KeyUsed(f"Reservation '{request.reservation_id}' was made before.") from error
    return True


@dataclass(slots=True)
class _Alone:
    """A reservation that is decided under lock. `said` is what the last run answered."""

    request: ReserveRequest
    root: str
    holds_max: int
    said: str = ""

    def reserve(self, connection: sqlite3.Connection) -> str:
        """Lock the accounts, in one order; then look, decide and hold, with nobody in between."""
        session, request = _session(connection), self.request
        session.execute(
            "SELECT 1 FROM account WHERE root = ? AND budget = ANY(?) ORDER BY budget FOR UPDATE",
            (self.root, [scope.budget for scope in request.scopes]),
        )
        seen = see_balances(
            session, self.root, request.scopes, now_ms=request.now_ms, holds_max=self.holds_max
        )
        found = _decide(request, seen)
        self.said = found.answer
        if found.drafted.held_micro_usd is not None:
            _hold(connection, root=self.root, request=request, found=found)
        elif request.key is not None:
            _keep_answer(connection, root=self.root, request=request, answer=found.answer)
        return found.answer

    def answer_kept(self, connection: sqlite3.Connection) -> str | None:
        """What the last run answered, where its hold is there."""
        return self.said if _is_held(connection, request=self.request) else None


def _is_held(connection: sqlite3.Connection, *, request: ReserveRequest) -> bool | None:
    """Whether an earlier run made the hold; None where it did not."""
    found = connection.execute(
        "SELECT 1 FROM reservation WHERE id = ?", (request.reservation_id,)
    ).fetchone()
    return None if found is None else True


def _open_account(connection: sqlite3.Connection, *, account: tuple[str, str]) -> None:
    connection.execute("INSERT INTO account VALUES (?, ?, 0) ON CONFLICT DO NOTHING", account)


def _keep_answer(
    connection: sqlite3.Connection, *, root: str, request: ReserveRequest, answer: str
) -> None:
    """Keep what a key was answered that holds nothing; the first answer stands."""
    connection.execute(
        "INSERT INTO reserve_answer VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (root, request.key, request.arguments, answer, request.now_ms),
    )
