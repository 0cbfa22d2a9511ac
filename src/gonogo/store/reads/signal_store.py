"""Reads of the daily signals: `ports.signal_reads.SignalTelemetry`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo.ports.signal_reads import (
        Categories,
        CategoryField,
        DailyAnswers,
        Grades,
        OutputSample,
    )
    from gonogo.store.engine import Engine

__all__ = ["SignalReads"]


class SignalReads:
    """The part of `StoredTelemetry` that daily signals read."""

    _database: Engine

    async def categories(
        self, dependency: str, field: CategoryField, *, end_day: int, slices_max: int
    ) -> Categories:
        """Counts of a field's values on days before `end_day`, in the whole and in slices."""
        from gonogo.store.reads.signal_queries import read_categories

        work = partial(
            read_categories,
            dependency=dependency,
            field=field,
            end_day=end_day,
            slices_max=slices_max,
        )
        return await self._database.read(work)

    async def grades(self, dependency: str) -> dict[str, Grades]:
        """A judge's grades by hour, and a person's of the same calls."""
        from gonogo.store.reads.signal_queries import read_grades

        return await self._database.read(partial(read_grades, dependency=dependency))

    async def daily_answers(self, dependency: str, *, end_day: int) -> DailyAnswers:
        """The answers to sampled inputs on days before `end_day`."""
        from gonogo.store.reads.signal_queries import read_daily_answers

        return await self._database.read(
            partial(read_daily_answers, dependency=dependency, end_day=end_day)
        )

    async def outputs(
        self, dependency: str, *, start_day: int, end_day: int, limit: int, embedded: bool
    ) -> OutputSample:
        """Up to `limit` sampled outputs of a period, the smallest hashes."""
        from gonogo.store.reads.signal_queries import read_outputs

        work = partial(
            read_outputs,
            dependency=dependency,
            start_day=start_day,
            end_day=end_day,
            limit=limit,
            embedded=embedded,
        )
        return await self._database.read(work)

    async def not_rolled_up(self, dependency: str) -> list[str]:
        """Fields with too many values to be rolled up, sorted."""
        from gonogo.store.reads.signal_queries import read_not_rolled_up

        return await self._database.read(partial(read_not_rolled_up, dependency=dependency))
