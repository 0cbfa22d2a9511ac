"""Reads of trust beyond the common telemetry: `ports.trust_reads.TrustTelemetry`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gonogo.ports.trust_reads import FleetRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gonogo.ports.trust_reads import (
        CallCounts,
        JudgedLabels,
        KeptScore,
        Population,
        Repeats,
        WriterCounts,
    )
    from gonogo.records import HourCounts, Kind
    from gonogo.settings import Settings
    from gonogo.store.engine import Engine
    from gonogo.store.reads.trust_queries import FleetMark

__all__ = ["TrustReads"]


class TrustReads:
    """The trust half of `StoredTelemetry`."""

    _database: Engine
    _settings: Settings
    # Scores that this process made and may not find in the store yet.
    _unwritten: dict[str, KeptScore]
    # The fleet as it was last read, and its mark: a fleet at rest is not read again.
    _fleet: tuple[FleetMark, list[FleetRow]] | None

    async def population(self, kind: Kind | None, *, since_day: int, limit: int) -> Population:
        """Totals since a UTC day of up to `limit` dependencies of a kind, newest first."""
        from gonogo.store.reads.trust_queries import population

        return await self._database.read(
            partial(population, kind=kind, since_day=since_day, limit=limit)
        )

    async def repeats(self, dependency: str) -> Repeats:
        """How the stored answers to repeated inputs agree, within a version."""
        from gonogo.store.reads.trust_queries import repeats

        return await self._database.read(partial(repeats, dependency=dependency))

    async def provider_members(self, provider: str) -> list[str]:
        """Dependencies recorded with this provider, newest observation first."""
        from gonogo.store.reads.trust_queries import provider_members

        return await self._database.read(partial(provider_members, provider=provider))

    async def newest_calls(
        self,
        dependency: str,
        *,
        version: str | None,
        since_ms: int,
        until_ms: int,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[str | None]:
        """Each of the newest calls' error, or None; newest first."""
        from gonogo.store.reads.trust_queries import newest_calls

        return await self._database.read(
            partial(
                newest_calls,
                dependency=dependency,
                version=version,
                since_ms=since_ms,
                until_ms=until_ms,
                limit=limit,
                without=without,
            )
        )

    async def recorded_by(
        self, dependency: str, writers: Sequence[str], *, since_ms: int, golden: bool = False
    ) -> HourCounts:
        """What these writers recorded of the calls since a time: their part in `hours`."""
        from gonogo.store.reads.writer_queries import recorded_by

        work = partial(recorded_by, name=dependency, by=writers, since_ms=since_ms, golden=golden)
        return await self._database.read(work)

    async def revisions(
        self, dependency: str, others: Sequence[str], *, provider: str | None
    ) -> tuple[int, int]:
        """A number that moves with the evidence around a dependency."""
        from gonogo.store.reads.trust_queries import revisions

        return await self._database.read(
            partial(revisions, names=(dependency, *others), provider=provider)
        )

    async def recent_hours(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, HourCounts]:
        """Hourly counts of several dependencies from one snapshot; unknown names are left out."""
        from gonogo.store.reads.trust_queries import recent_hours

        return await self._database.read(
            partial(recent_hours, dependencies=tuple(dependencies), start_hour=start_hour)
        )

    async def keep_score(self, score: KeptScore) -> None:
        """Queue a score to be kept in place of the last one; may be lost, never waits."""
        from gonogo.store.reads.trust_queries import keep_score

        self._database.submit(partial(keep_score, score=score))

    async def kept_scores(self, *, limit: int | None = None) -> list[KeptScore]:
        """The kept score of each dependency, lowest `lower` first."""
        from gonogo.store.reads.trust_queries import kept_scores

        return await self._database.read(partial(kept_scores, limit=limit))

    async def keep_scores(self, scores: Sequence[KeptScore]) -> None:
        """Queue many scores to be kept; this process reads them from now on."""
        from gonogo.store.reads.trust_queries import keep_scores

        self._unwritten |= {score.dependency: score for score in scores}
        self._database.submit(partial(keep_scores, scores=tuple(scores)))

    async def fleet(self) -> list[FleetRow]:
        """Every dependency, lowest `lower_e6` first, then by name; without a score last."""
        from gonogo.store.reads.trust_queries import fleet_if_moved

        ahead = dict(self._unwritten)
        known, kept = self._fleet or (None, [])
        mark, found = await self._database.read(partial(fleet_if_moved, mark=known))
        rows = kept if found is None else found
        self._fleet = mark, rows
        rows = list(rows)
        if not ahead:
            return rows
        for at, row in enumerate(rows):
            score = ahead.get(row.name)
            if score is None:
                continue
            if row.scored_ms is not None and row.scored_ms >= score.ts_ms:
                self._unwritten.pop(row.name, None)
            else:
                rows[at] = row.scored(score)
        rows.sort(key=FleetRow.order)
        return rows

    async def call_counts(
        self, dependencies: Sequence[str], *, start_hour: int, end_hour: int
    ) -> dict[str, tuple[CallCounts, CallCounts]]:
        """Calls of many by hour, and golden ones, `start_hour <= hour < end_hour`, in one read."""
        from gonogo.store.reads.trust_queries import call_counts

        await self._adopt_rules(dependencies)
        return await self._database.read(
            partial(call_counts, names=dependencies, start_hour=start_hour, end_hour=end_hour)
        )

    async def _adopt_rules(self, dependencies: Sequence[str]) -> None:
        """Make rollups anew where the settings' SLO or bar is another than they were made with."""
        raise NotImplementedError

    async def partly_labelled(self, dependencies: Sequence[str], *, start_hour: int) -> list[str]:
        """Dependencies with one version that has labels and another, called, that has none."""
        from gonogo.store.reads.trust_queries import partly_labelled

        return await self._database.read(
            partial(partly_labelled, names=dependencies, start_hour=start_hour)
        )

    async def with_outcomes(self, dependencies: Sequence[str]) -> set[str]:
        """The names of dependencies for which an outcome was ever recorded."""
        from gonogo.store.reads.trust_queries import with_outcomes

        return await self._database.read(partial(with_outcomes, names=dependencies))

    async def judged_labels(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, JudgedLabels]:
        """What judges alone gave of the outcomes since an hour."""
        from gonogo.store.reads.trust_queries import judged_labels

        work = partial(judged_labels, names=dependencies, start_hour=start_hour)
        return await self._database.read(work)

    async def writers(self, dependency: str, *, since_ms: int) -> list[WriterCounts]:
        """Who recorded its newest 20,000 calls since a time."""
        from gonogo.store.reads.writer_queries import writers

        bar_e6 = round(self._settings.dependency(dependency).quality_bar * 1_000_000)
        work = partial(writers, name=dependency, since_ms=since_ms, bar_e6=bar_e6)
        return await self._database.read(work)

    async def golden_lately(self, *, start_hour: int) -> list[str]:
        """Dependencies whose golden set was asked since an hour, by name."""
        from gonogo.store.reads.writer_queries import golden_lately

        return await self._database.read(partial(golden_lately, start_hour=start_hour))

    async def repeats_of(self, dependencies: Sequence[str]) -> dict[str, Repeats]:
        """Repeated answers (see `repeats`) of many; those without answers are left out."""
        from gonogo.store.reads.trust_queries import repeats_of

        return await self._database.read(partial(repeats_of, names=dependencies))
