"""What trust reads beyond the common telemetry: `services.ports_trust.TrustTelemetry`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.records import HourCounts, Kind
    from gonogo.services.ports_trust import KeptScore, Population, Repeats
    from gonogo.store.engine import Engine

__all__ = ["TrustReads"]


class TrustReads:
    """The trust half of `SqliteTelemetry`."""

    _database: Engine

    async def population(self, kind: Kind | None, *, since_day: int, limit: int) -> Population:
        """Totals since a UTC day of up to `limit` dependencies of a kind, newest first."""
        from gonogo.store.reading_trust import population

        return await self._database.read(
            partial(population, kind=kind, since_day=since_day, limit=limit)
        )

    async def repeats(self, dependency: str) -> Repeats:
        """How the stored answers to repeated inputs agree, within a version."""
        from gonogo.store.reading_trust import repeats

        return await self._database.read(partial(repeats, dependency=dependency))

    async def provider_members(self, provider: str, *, limit: int) -> list[str]:
        """Dependencies recorded with this provider, newest observation first."""
        from gonogo.store.reading_trust import provider_members

        return await self._database.read(partial(provider_members, provider=provider, limit=limit))

    async def revisions(
        self, dependency: str, others: Sequence[str], *, provider: str | None
    ) -> tuple[int, int]:
        """A number that moves with the evidence around a dependency."""
        from gonogo.store.reading_trust import revisions

        return await self._database.read(
            partial(revisions, names=(dependency, *others), provider=provider)
        )

    async def recent_hours(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, HourCounts]:
        """Hourly counts of several dependencies from one snapshot; unknown names are left out."""
        from gonogo.store.reading_trust import recent_hours

        return await self._database.read(
            partial(recent_hours, dependencies=tuple(dependencies), start_hour=start_hour)
        )

    async def keep_score(self, score: KeptScore) -> None:
        """Queue a score to be kept in place of the last one; may be lost, never waits."""
        from gonogo.store.reading_trust import keep_score

        self._database.submit(partial(keep_score, score=score))

    async def kept_scores(self, *, limit: int | None = None) -> list[KeptScore]:
        """The kept score of each dependency, lowest `lower` first."""
        from gonogo.store.reading_trust import kept_scores

        return await self._database.read(partial(kept_scores, limit=limit))

    async def unscored(self, *, limit: int) -> list[str]:
        """Dependencies without a kept score, or changed since; newest observation first."""
        from gonogo.store.reading_trust import unscored

        return await self._database.read(partial(unscored, limit=limit))
