"""The ledger on PostgreSQL: who reserves on one budget at once goes together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from gonogo.ports.money import Balance, Ledger, ReserveRequest, Scope
from gonogo.records import DAY_MS
from gonogo.settings import Settings
from gonogo.store.books.stored_ledger import StoredLedger
from gonogo.store.engine import Connection
from gonogo.store.postgres.books import (
    BalanceSnapshot,
    enter_closing,
    open_session,
    root_of,
    see_balances,
)
from gonogo.store.postgres.catalogue import PostgresCatalogue
from gonogo.store.postgres.reserving import Group, KeyUsed, NoRoom

if TYPE_CHECKING:
    from gonogo.store.postgres.database import PostgresDatabase

_TRIES = 3
TOGETHER_MAX = 64
# Each is looked at for each member of a scope.
TOPS_MAX = 64


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


class PostgresLedger(StoredLedger["PostgresDatabase"]):
    """A `Ledger` on a database."""

    def __init__(self, database: PostgresDatabase, settings: Settings) -> None:
        super().__init__(database, settings, catalogue_of=PostgresCatalogue, enter=enter_closing)
        # Where a budget's money may lie from before an edit that moved it under another parent.
        self._tops = tuple(b.name for b in settings.budgets.values() if b.parent is None)[:TOPS_MAX]
        self._accounts: set[tuple[str, str]] = set()
        self._queues: dict[tuple[str, tuple[Scope, ...], int], deque[_PendingRequest]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    def under(self, settings: Settings) -> Ledger:
        """See `Ledger`."""
        return PostgresLedger(self._database, settings)

    def _roots(self, budgets: Sequence[str]) -> list[str]:
        own = {root_of(self._settings, name) for name in budgets}
        return sorted({*self._tops, *budgets, *own})

    async def session_start(self, scope: Scope, *, now_ms: int) -> int | None:
        """See `Ledger`."""
        root = root_of(self._settings, scope.budget)
        roots = sorted({root, *self._tops, *scope.members})
        return await self._database.look(lambda c: open_session(c, roots, scope, now_ms=now_ms))

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
