"""The ledger on PostgreSQL: who reserves on one budget at once goes together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from gonogo.ports.money import (
    Balance,
    BudgetRecord,
    ClosedReservation,
    JudgedCheck,
    Ledger,
    Payer,
    Replay,
    ReserveRequest,
    RunProgress,
    Scope,
)
from gonogo.records import DAY_MS, MICRO, Decision, Unit
from gonogo.settings import Settings
from gonogo.store.books.keyed_names import budgets_below, keyed_names, newest_values
from gonogo.store.books.keyed_sums import keep_key
from gonogo.store.books.ledger import answered
from gonogo.store.books.run_books import (
    budgets_named,
    left_holds,
    next_hold,
    payers,
    renew,
    run_so_far,
)
from gonogo.store.engine import Connection
from gonogo.store.postgres.books import BalanceSnapshot, open_session, root_of, see_balances
from gonogo.store.postgres.catalogue import PostgresCatalogue
from gonogo.store.postgres.reserving import Group, KeyUsed, NoRoom, lower, settle

if TYPE_CHECKING:
    from gonogo.store.postgres.database import PostgresDatabase

_TRIES = 3
TOGETHER_MAX = 64
# Each is looked at for each member of a scope.
TOPS_MAX = 64
_RECORD_CHECKS_MAX = 500

_JUDGED = """
SELECT confidence_e6, remaining_micro_usd, coalesce(declared_micro_usd, observed_micro_usd),
       planned_micro_usd
FROM reservation WHERE state = 'settled' {members} ORDER BY closed_ms DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True, eq=False)
class _PendingRequest:
    """A request and who waits for its answer."""

    request: ReserveRequest
    answer: asyncio.Future[str]

    def succeed(self, answer: str) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class PostgresLedger:
    """A `Ledger` on a database."""

    def __init__(self, database: PostgresDatabase, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        # Where a budget's money may lie from before an edit that moved it under another parent.
        self._tops = tuple(b.name for b in settings.budgets.values() if b.parent is None)[:TOPS_MAX]
        self._accounts: set[tuple[str, str]] = set()
        self._queues: dict[tuple[str, tuple[Scope, ...], int], deque[_PendingRequest]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    def under(self, settings: Settings) -> Ledger:
        """See `Ledger`."""
        return PostgresLedger(self._database, settings)

    async def session_start(self, scope: Scope, *, now_ms: int) -> int | None:
        """See `Ledger`."""
        root = root_of(self._settings, scope.budget)
        roots = sorted({root, *self._tops, *scope.members})
        return await self._database.look(lambda c: open_session(c, roots, scope, now_ms=now_ms))

    async def keyed_names(self, key: str, value: str | None = None) -> tuple[str, ...]:
        """See `Ledger`. Where a key is kept already, to keep it changes nothing: it may be run again."""
        read = partial(keyed_names, key=key, value=value)
        found = await self._database.read(read)
        if found is None:
            keep = partial(
                keep_key, key=key, settings=self._settings, catalogue_of=PostgresCatalogue
            )
            await self._database.write(keep, shard=None, kept=lambda _: None)
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
        return (await self._see(scopes, now_ms=now_ms, holds_max=holds_max)).balances

    async def _see(
        self, scopes: Sequence[Scope], *, now_ms: int, holds_max: int
    ) -> BalanceSnapshot:
        root = root_of(self._settings, scopes[0].budget)
        return await self._database.look(
            lambda c: see_balances(
                c, (root, *self._tops), scopes, now_ms=now_ms, holds_max=holds_max
            )
        )

    async def reserve(self, request: ReserveRequest, *, holds_max: int) -> str:
        """See `Ledger`."""
        key = request.key
        if key is not None:
            before = await self.answered(key, request.arguments, now_ms=request.now_ms)
            if before is not None:
                return before.answer
        root = root_of(self._settings, request.budget)
        await self._open_accounts(root, request.scopes)
        together = root, request.scopes, holds_max
        queue = self._queues.setdefault(together, deque())
        waiting = _PendingRequest(request, asyncio.get_running_loop().create_future())
        queue.append(waiting)
        if len(queue) == 1:
            # It stays at the head until it is answered: whoever comes meanwhile goes with the next.
            task = asyncio.create_task(self._serve(together))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return await waiting.answer

    async def _serve(self, key: tuple[str, tuple[Scope, ...], int]) -> None:
        (root, _, holds_max), queue = key, self._queues[key]
        while queue:
            together = [*islice(queue, TOGETHER_MAX)]
            try:
                answers = await self._reserve(root, [w.request for w in together], holds_max)
            except Exception as error:  # noqa: BLE001 - carried over to those who await it
                for waiting in together:
                    waiting.fail(error)
            else:
                for waiting, answer in zip(together, answers, strict=True):
                    waiting.succeed(answer)
            for _ in together:
                queue.popleft()
        del self._queues[key]

    async def _reserve(
        self, root: str, requests: Sequence[ReserveRequest], holds_max: int
    ) -> list[str]:
        group = Group((root, *self._tops), requests, holds_max)
        try:
            for _ in range(_TRIES):
                group.decide(await self._database.look(group.look))
                if not group.writes:
                    return group.answers
                await self._free_keys(group)
                if await self._hold(group):
                    return group.answers
            await self._database.write(group.hold_alone, shard=None, kept=group.is_held)
        except KeyUsed:
            # Between the look and the hold; all of the group was undone with it.
            if len(requests) > 1:
                return [(await self._reserve(root, [one], holds_max))[0] for one in requests]
            key, arguments, now_ms = requests[0].key, requests[0].arguments, requests[0].now_ms
            first = None if key is None else await self.answered(key, arguments, now_ms=now_ms)
            if first is None:
                raise
            return [first.answer]
        return group.answers

    async def _free_keys(self, group: Group) -> None:
        """Free stale keys only once money is to be held: a refusal leaves a run to whoever takes it up later."""
        for request in (each.request for each in group.holds):
            if request.key is not None:
                free = partial(_free_key, key=request.key, now_ms=request.now_ms)
                await self._database.once(free)

    async def _hold(self, group: Group) -> bool:
        """Make a group's holds, with their log entries where they have any; False: no room."""
        try:
            if group.has_entries:
                work = group.hold_and_enter
                await self._database.write(work, shard=group.chain[0], kept=group.is_held)
            else:
                await self._database.once(group.hold, kept=group.is_held)
        except NoRoom:
            return False
        return True

    async def _open_accounts(self, root: str, scopes: Sequence[Scope]) -> None:
        absent = [(root, scope.budget) for scope in scopes]
        if self._accounts.issuperset(absent):
            return
        for account in sorted(absent):
            await self._database.once(partial(_open_account, account=account))
        self._accounts.update(absent)

    async def answered(self, key: str, arguments: str, *, now_ms: int) -> Replay | None:
        """See `Ledger`."""
        work = partial(answered, key=key, arguments=arguments, now_ms=now_ms)
        return await self._database.look(work)

    async def next_hold(self, key: str, arguments: str, *, now_ms: int) -> str | None:
        """See `Ledger`."""
        work = partial(next_hold, key=key, arguments=arguments, now_ms=now_ms)
        return await self._database.look(work)

    async def renew(
        self, reservation_id: str, *, now_ms: int, length_s: int | None = None
    ) -> tuple[str, int]:
        """See `Ledger`. Renewing again makes it no shorter, so it may be run again."""
        work = partial(
            renew,
            name=reservation_id,
            now_ms=now_ms,
            settings=self._settings,
            length_s=length_s,
        )
        return await self._database.write(work, shard=None, kept=lambda _: None)

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
        await self._database.write(work, shard=None, kept=lambda _: None)

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
        """See `Ledger`. Settling again says the same, so it may be run again."""
        work = partial(
            settle, name=reservation_id, actual_usd=actual_usd, now_ms=now_ms, entry_of=entry_of
        )
        return await self._database.write(
            work,
            shard=None,
            kept=lambda _: None,  # run again: what was settled is told, not settled twice
        )

    async def record(self, members: Sequence[str], *, unit: Unit, now_ms: int) -> BudgetRecord:
        """See `Ledger`."""
        names = list(members)
        roots = sorted({*self._tops, *names, *(root_of(self._settings, name) for name in names)})

        def work(connection: Connection) -> BudgetRecord:
            judged = connection.execute(
                _JUDGED.format(members="AND unit = :unit AND budget = ANY(:members)"),
                {"members": names, "unit": unit, "limit": _RECORD_CHECKS_MAX},
            )
            known = _named_by(connection, roots, names)
            left = left_holds(connection, self._settings, now_ms=now_ms)
            return BudgetRecord(known, tuple(_judged(*row) for row in judged), left)

        return await self._database.read(work)

    async def named_by(self, members: Sequence[str]) -> tuple[str, ...]:
        """See `Ledger`."""
        own = {root_of(self._settings, name) for name in members}
        roots = sorted({*self._tops, *members, *own})
        return await self._database.read(partial(_named_by, roots=roots, names=list(members)))

    async def budgets_named(self) -> tuple[str, ...]:
        """See `Ledger`."""
        return await self._database.read(budgets_named)

    async def payers(self, reservations: Sequence[str]) -> Mapping[str, Payer]:
        """See `Ledger`."""
        return await self._database.read(partial(payers, reservations=reservations))

    async def judged(self, *, limit: int = 1000) -> tuple[JudgedCheck, ...]:
        """See `Ledger`."""

        def work(connection: Connection) -> tuple[JudgedCheck, ...]:
            rows = connection.execute(_JUDGED.format(members=""), {"limit": limit})
            return tuple(_judged(*row) for row in rows)

        return await self._database.read(work)


def _named_by(connection: Connection, roots: list[str], names: list[str]) -> tuple[str, ...]:
    found = connection.execute(
        "SELECT DISTINCT dependency FROM spend WHERE dependency <> '' AND root = ANY(?)"
        " AND budget = ANY(?) ORDER BY dependency",
        (roots, names),
    )
    return tuple(row[0] for row in found)


def _judged(confidence: int, left: int, actual: int, plan: int | None) -> JudgedCheck:
    return JudgedCheck(confidence / MICRO, left, actual, plan)


def _free_key(connection: Connection, *, key: str, now_ms: int) -> None:
    """Let go of a key that has ended; of one that was taken again meanwhile, nothing."""
    connection.execute(
        "DELETE FROM reserve_answer a WHERE a.key = ?1 AND (a.ts_ms <= ?2 OR NOT EXISTS ("
        "SELECT 1 FROM reservation r WHERE r.id = a.answer::json -> 'reservation' ->> 'id'"
        " AND r.state = 'open' AND r.expires_ms > ?3))",
        (key, now_ms - DAY_MS, now_ms),
    )


def _open_account(connection: Connection, *, account: tuple[str, str]) -> None:
    connection.execute("INSERT INTO account VALUES (?, ?, 0) ON CONFLICT DO NOTHING", account)
