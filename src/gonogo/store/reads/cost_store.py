"""Reads of the newest calls' costs and usage: `ports.money.CallCosts`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.booked_costs import VersionCalls
    from gonogo.records import Costs, Unit
    from gonogo.store.engine import Engine

__all__ = ["CostReads"]


class CostReads:
    """The part of `StoredTelemetry` that budgets read."""

    _database: Engine

    async def newest_costs(self, dependency: str, *, limit: int = 2000) -> Costs:
        """The newest calls that have a cost or tokens, oldest first."""
        from gonogo.store.reads.queries import read_costs

        return await self._database.read(partial(read_costs, dependency=dependency, limit=limit))

    async def newest_durations(self, dependency: str, *, limit: int = 2000) -> Costs:
        """The newest calls whose duration is known, oldest first."""
        from gonogo.store.reads.queries import read_durations

        return await self._database.read(
            partial(read_durations, dependency=dependency, limit=limit)
        )

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
        """How many of the newest 2,000 calls since a time have no cost, by version."""
        from gonogo.store.reads.unpriced_queries import read_calls_without_cost

        return await self._database.read(
            partial(
                read_calls_without_cost,
                dependency=dependency,
                window=(since_ms, now_ms),
                budgets=budgets,
                segment=segment,
                limit=2000,
                unit=unit,
            )
        )
