"""Calls in memory, a real ledger on a real file, and a bench that holds the two together."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import engines
from gonogo.answers import BudgetCheck, Settlement
from gonogo.money.budget_check import check_budget, settle_reservation
from gonogo.money.budget_request import BudgetRequest
from gonogo.money.planned_spend import Forecasts
from gonogo.ports.booked_costs import BookedCost, Usage, VersionCalls
from gonogo.ports.money import Ledger
from gonogo.records import MICRO, UNIT_SIZE, Costs, Dependency, Unit
from gonogo.settings import BudgetSettings, Settings
from gonogo.store.engine import Connection
from gonogo.store.observations.catalogue import CommittedIds
from gonogo.store.sqlite.database import Database

if TYPE_CHECKING:
    from gonogo.store.postgres.database import PostgresDatabase

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z, a Thursday
MINUTE_MS = 60_000


@dataclass
class Call:
    """One recorded call: when, its cost or its tokens."""

    ts_ms: int
    usd: float | None = None
    tokens: tuple[int, int] | None = None
    version: str | None = None


@dataclass
class MemoryCalls:
    """`CallCosts` in memory."""

    calls: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    reads: int = 0
    booked: set[str] = field(default_factory=set)

    async def dependency(self, name: str) -> Dependency | None:
        """As the store would say it."""
        calls = self.calls.get(name)
        if not calls:
            return None
        times = [c.ts_ms for c in calls]
        return Dependency(name, None, None, len(calls), min(times), max(times), rev=len(calls))

    async def dependencies(self) -> list[Dependency]:
        """By name."""
        found = [await self.dependency(name) for name in sorted(self.calls)]
        return [known for known in found if known is not None]

    async def newest_costs(self, dependency: str) -> Costs:
        """Oldest first."""
        self.reads += 1
        calls = sorted(self.calls[dependency], key=lambda c: c.ts_ms)
        versions = tuple(sorted({c.version for c in calls}, key=lambda v: v or ""))
        return Costs(
            ts_ms=np.array([c.ts_ms for c in calls]),
            cost_micro_usd=np.array([-1 if c.usd is None else round(c.usd * MICRO) for c in calls]),
            input_tokens=np.array([-1 if c.tokens is None else c.tokens[0] for c in calls]),
            output_tokens=np.array([-1 if c.tokens is None else c.tokens[1] for c in calls]),
            version=np.array([versions.index(c.version) for c in calls]),
            versions=versions,
        )

    async def newest_durations(self, dependency: str) -> Costs:
        """A call in memory takes no time."""
        found = await self.newest_costs(dependency)
        return replace(found, cost_micro_usd=np.zeros(found.ts_ms.size))

    async def calls_without_cost(
        self,
        dependency: str,
        *,
        since_ms: int,
        now_ms: int,
        budgets: Sequence[str] | None = None,
        segment: str | None = None,
        unit: Unit = "usd",
    ) -> tuple[VersionCalls, ...]:
        """By version; calls in memory name no budget, reservation or segment, and lack nothing but money."""
        del now_ms, segment
        if unit != "usd":
            return ()
        mine = [c for c in self.calls[dependency] if c.ts_ms >= since_ms and budgets is None]
        found = []
        for version in {c.version for c in mine}:
            of = [c for c in mine if c.version == version]
            waiting = [] if dependency in self.booked else of
            tokens = [c.tokens for c in waiting if c.usd is None and c.tokens]
            silent = sum(c.usd is None and not c.tokens for c in of)
            n = len(tokens)
            found.append(VersionCalls(version, len(of), silent, n, sum(map(sum, tokens)), n))
        return tuple(found)

    async def book_late(self, dependency: str, *, since_ms: int, now_ms: int) -> int:
        """Calls in memory are priced from now on; nothing is booked."""
        del since_ms, now_ms
        waiting = [c for c in self.calls[dependency] if c.tokens and dependency not in self.booked]
        self.booked.add(dependency)
        return len(waiting)


@dataclass
class Bench:
    """The money services over a real store, with a clock that a test sets."""

    database: Database | PostgresDatabase
    settings: Settings
    calls: MemoryCalls = field(default_factory=MemoryCalls)
    now_ms: int = NOON_MS
    ids: itertools.count[int] = field(default_factory=itertools.count)
    forecasts: Forecasts = field(default_factory=Forecasts)

    @property
    def ledger(self) -> Ledger:
        """The real one."""
        return engines.ledger_of(self.database, self.settings)

    async def check(self, budget: str = "nightly", **arguments: object) -> BudgetCheck:
        """Ask as the tool does."""
        return await check_budget(
            self.calls,
            self.ledger,
            self.settings,
            BudgetRequest(budget, **arguments),  # type: ignore[arg-type]  # checked where they land
            now_ms=self.now_ms,
            new_id=lambda: f"res_{next(self.ids)}",
            forecasts=self.forecasts,
        )

    async def settle(self, reservation_id: str, actual_usd: float | None = None) -> Settlement:
        """Settle as the tool does."""
        return await settle_reservation(
            self.ledger,
            self.settings,
            reservation_id=reservation_id,
            actual_usd=actual_usd,
            now_ms=self.now_ms,
        )

    async def hold(self, usd: float, budget: str = "nightly") -> str:
        """Reserve a declared cost that must pass; its id."""
        answer = await self.check(budget, planned_cost_usd=usd, reserve=True)
        assert answer.reservation is not None, answer.summary
        return answer.reservation.id

    async def spend(self, *costs: BookedCost) -> None:
        """Book observations as the telemetry writer does, and remember the calls."""
        for cost in costs:
            self.calls.calls[cost.dependency].append(Call(cost.ts_ms, cost.cost_micro_usd / MICRO))
        await self.database.write(
            lambda c: engines.catalogue_of(self.database)(c, CommittedIds()).book(
                costs, now_ms=self.now_ms, settings=self.settings
            )
        )

    def cost(
        self,
        usd: float,
        dependency: str = "search",
        *,
        budget: str | None = None,
        reservation: str | None = None,
        ts_ms: int | None = None,
    ) -> BookedCost:
        """One observation's cost."""
        at = self.now_ms if ts_ms is None else ts_ms
        return BookedCost(dependency, budget, reservation, at, round(usd * MICRO))

    def use(
        self, amount: int, unit: Unit, *, budget: str | None = None, reservation: str | None = None
    ) -> BookedCost:
        """What calls came to in a unit; in the others so much that a mix-up is seen."""
        used = Usage(
            *(amount if each == unit else 7 * 10**6 for each in UNIT_SIZE if each != "usd")
        )
        micro_usd = amount if unit == "usd" else 7 * 10**6
        return BookedCost("search", budget, reservation, self.now_ms, micro_usd, 0, used)


def configured(*budgets: BudgetSettings, timezone: str = "UTC") -> Settings:
    """Settings with these budgets."""
    return Settings(store="unused", timezone=timezone, budgets={b.name: b for b in budgets})


def usd_budget(name: str, usd: float, **settings: object) -> BudgetSettings:
    """A budget with a limit in USD."""
    return BudgetSettings(name, round(usd * MICRO), **settings)  # type: ignore[arg-type]  # as above


async def opened(path: Path, *budgets: BudgetSettings, timezone: str = "UTC") -> Bench:
    """A bench on a new store."""
    return Bench(await engines.opened(path), configured(*budgets, timezone=timezone))


def lognormal_usd(
    n: int, *, seed: int = 1, median: float = 0.3, sd: float = 0.5
) -> Sequence[float]:
    """Costs of n calls."""
    drawn = np.random.default_rng(seed).lognormal(np.log(median), sd, n)
    return [float(value) for value in drawn]


def replayed(connection: Connection) -> None:
    """Compare the books with what the entries alone say."""
    reservations: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    booked: dict[tuple[int, int, int], int] = defaultdict(int)
    for name, held, spent, source, quarter, unit in connection.execute(
        "SELECT reservation, e.held_micro_usd, spent_micro_usd, source_id, quarter, unit"
        " FROM ledger_entry e JOIN reservation ON id = reservation ORDER BY seq"
    ):
        reservations[name][0] += held
        reservations[name][1] += spent
        if source is not None and unit == "usd":
            booked[source, 0, quarter] += spent
            booked[source, 1, quarter // 96] += spent
    rows = connection.execute(
        "SELECT id, CASE state WHEN 'open' THEN held_micro_usd ELSE 0 END,"
        " coalesce(declared_micro_usd, observed_micro_usd) FROM reservation"
    )
    assert {row[0]: [row[1], row[2]] for row in rows} == reservations
    spend = connection.execute(
        "SELECT source_id, daily, bucket, micro_usd FROM spend"
        " JOIN spend_source ON id = source_id WHERE reserved = 1"
    )
    # Nothing spent may have no row, or one that holds nothing.
    stored = {row[:3]: row[3] for row in spend if row[3]}
    assert stored == {at: spent for at, spent in booked.items() if spent}
