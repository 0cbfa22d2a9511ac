"""The ledger of both engines, but for what each engine does in its own way: to read balances, to make a hold and to end it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from gonogo.errors import ParameterError, plain
from gonogo.ports.money import (
    BudgetRecord,
    ClosedReservation,
    JudgedCheck,
    Replay,
    Scope,
)
from gonogo.records import DAY_MS, Decision, Unit
from gonogo.settings import Settings
from gonogo.store.books.closing import Enter, lower, settle
from gonogo.store.books.hold_clock import dating_of
from gonogo.store.books.keyed_names import budgets_below, keyed_names, newest_values
from gonogo.store.books.keyed_sums import keep_key
from gonogo.store.books.run_books import (
    budgets_named,
    left_holds,
    marks,
    next_hold,
    payers,
    renew,
    run_so_far,
)
from gonogo.store.engine import Connection, Engine, Work, read
from gonogo.store.observations.catalogue import CatalogueOf

T = TypeVar("T")
AnyEngine = TypeVar("AnyEngine", bound=Engine)

_JUDGED = """
SELECT confidence_e6 / CAST(1000000 AS DOUBLE PRECISION), remaining_micro_usd,
       coalesce(declared_micro_usd, observed_micro_usd), planned_micro_usd
FROM reservation WHERE state = 'settled'{members} ORDER BY closed_ms DESC LIMIT ?
"""
# As far back as a budget's own record is read at every check, in each process: two hundred tell a share of
# 95 in 100 to one and a half, and are most of what a check of a declared cost has to do.
_RECORD_CHECKS_MAX = 200


def _judged(
    connection: Connection,
    *,
    limit: int = 1000,
    unit: Unit | None = None,
    members: Sequence[str] = (),
) -> tuple[JudgedCheck, ...]:
    """Read what settled reservations held, the newest first: all, or those of some budgets in their unit."""
    own = "" if unit is None else f" AND unit = ? AND budget IN ({marks(members)})"
    bound: tuple[Any, ...] = (*(() if unit is None else (unit, *members)), limit)
    rows = connection.execute(_JUDGED.format(members=own), bound)
    return tuple(map(JudgedCheck._make, rows))


class StoredLedger(Generic[AnyEngine]):
    """The part of a `Ledger` that both engines share.

    Args:
        database: Its engine.
        settings: The budgets.
        catalogue_of: Books costs on this engine.
        enter: Enters in its books how a hold is closed or lowered.
    """

    budgets_below = read(budgets_below)
    budgets_named = read(budgets_named)
    payers = read(payers)
    run_so_far = read(run_so_far)
    judged = read(_judged)

    def __init__(
        self,
        database: AnyEngine,
        settings: Settings,
        *,
        catalogue_of: CatalogueOf,
        enter: Enter,
    ) -> None:
        self._database = database
        self._settings = settings
        self._catalogue_of, self._enter = catalogue_of, enter

    def _roots(self, budgets: Sequence[str]) -> Sequence[str]:
        """The shards in which a database keeps what was spent in the name of budgets; a file has none."""
        del budgets
        return ()

    async def _write(self, work: Work[T]) -> T:
        """Run what may be run again where a connection was lost at its commit: it says the same."""
        return await self._database.write(work, durable=True, shard=None, kept=lambda _: None)

    async def keyed_names(self, key: str, value: str | None = None) -> tuple[str, ...]:
        """See `Ledger`. To keep a key that is kept already changes nothing."""
        read = partial(keyed_names, key=key, value=value)
        found = await self._database.read(read)
        if found is None:
            settings, catalogue_of = self._settings, self._catalogue_of
            await self._write(
                partial(keep_key, key=key, settings=settings, catalogue_of=catalogue_of)
            )
            found = await self._database.read(read)
        return found or ()

    async def newest_values(self, key: str, *, most: int) -> tuple[str, ...]:
        """See `Ledger`."""
        await self.keyed_names(key, "")
        return await self._database.read(partial(newest_values, key=key, most=most))

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
        """See `Ledger`. Renewing again makes it no shorter."""
        settings = self._settings
        return await self._write(
            partial(renew, name=reservation_id, now_ms=now_ms, settings=settings, length_s=length_s)
        )

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
            enter=self._enter,
        )
        await self._write(work)

    async def settle(
        self,
        reservation_id: str,
        *,
        actual_usd: float | None,
        now_ms: int,
        entry_of: Callable[[ClosedReservation], Decision] | None = None,
    ) -> ClosedReservation:
        """See `Ledger`. Settling again says the same, and settles nothing twice."""
        work = partial(
            settle,
            name=reservation_id,
            actual_usd=actual_usd,
            now_ms=now_ms,
            entry_of=entry_of,
            enter=self._enter,
        )
        return await self._write(work)

    async def record(self, scopes: Sequence[Scope], *, now_ms: int) -> BudgetRecord:
        """See `Ledger`."""
        own, top, settings = scopes[0], scopes[-1].members, self._settings
        roots, roots_above = self._roots(own.members), self._roots(top)

        def work(connection: Connection) -> BudgetRecord:
            named = _named_by(connection, own.members, roots)
            gone = () if named else filter(settings.is_nowhere, budgets_named(connection))
            return BudgetRecord(
                named,
                _judged(connection, limit=_RECORD_CHECKS_MAX, unit=own.unit, members=own.members),
                left_holds(connection, settings, now_ms=now_ms),
                named if own.members == top else _named_by(connection, top, roots_above),
                tuple(gone),
            )

        return await self._database.read(work)

    async def named_by(self, members: Sequence[str]) -> tuple[str, ...]:
        """See `Ledger`."""
        work = partial(_named_by, members=members, roots=self._roots(members))
        return await self._database.read(work)


def _named_by(
    connection: Connection, members: Sequence[str], roots: Sequence[str]
) -> tuple[str, ...]:
    table = "spend" if connection.has_shards else "spend_source"
    shard = f" AND root IN ({marks(roots)})" if connection.has_shards else ""
    found = connection.execute(
        f"SELECT DISTINCT dependency FROM {table} WHERE dependency <> ''"  # noqa: S608 - constant names
        f" AND budget IN ({marks(members)}){shard} ORDER BY dependency",
        (*members, *roots),
    )
    return tuple(row[0] for row in found)


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
