"""Observations and their rollups in SQLite: `ports.telemetry.Telemetry`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

from gonogo.records import (
    DAY_MS,
    BatchReport,
    Decision,
    Dependency,
    Histograms,
    HourCounts,
    Observation,
    Rollups,
)
from gonogo.settings import Settings
from gonogo.store.engine import Connection, Engine, read
from gonogo.store.observations.catalogue import Catalogue, CatalogueOf, CommittedIds
from gonogo.store.reads.cached_answers import opened, sealed
from gonogo.store.reads.cost_store import CostReads
from gonogo.store.reads.queries import (
    Slice,
    read_callers,
    read_dependencies,
    read_golden,
    read_histograms,
    read_hours,
    read_mark,
    read_names,
    read_rules,
    read_segments,
)
from gonogo.store.reads.signal_store import SignalReads
from gonogo.store.reads.trust_store import TrustReads

if TYPE_CHECKING:
    from gonogo.ports.hour_cells import HourCell
    from gonogo.store.observations.batch_parts import Told
    from gonogo.store.observations.forget import ForgottenRows, Selection
    from gonogo.store.reads.rollup_reads import ReadHistograms, ReadHours

    RecordRows = Callable[..., tuple[BatchReport, CommittedIds]]

_HOURS_A_DAY = 24


class StoredTelemetry(TrustReads, SignalReads, CostReads):
    """Telemetry in an open store. Processes may share the store.

    Rollups follow the latency SLO and the quality bar of the settings: the first call of a
    process on a dependency whose rollups were made with others makes them anew from its rows.
    """

    _catalogue_of: CatalogueOf = Catalogue
    # How this engine reads hours and histograms of a slice.
    _reads: tuple[ReadHours, ReadHistograms] = read_hours, read_histograms

    mark = read(read_mark)
    names = read(read_names)
    dependencies_of = read(read_callers)
    segments = read(read_segments)
    golden_answers = read(read_golden)

    def __init__(self, database: Engine, settings: Settings, *, writer: str | None = None) -> None:
        self._writer = writer
        self._database = database
        self._settings = settings
        self._known = CommittedIds()
        self._unwritten = {}
        self._all_priced = {}
        self._fleet = None

    def under(self, settings: Settings) -> Self:
        """This store under an edited configuration."""
        return type(self)(self._database, settings, writer=self._writer)

    def by(self, writer: str) -> Self:
        """This store with another writer."""
        if writer == self._writer:
            return self
        return type(self)(self._database, self._settings, writer=writer)

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch and its rollups; returns after the commit.

        A row that the engine does not hold is refused, and costs the others their one transaction.
        """
        from gonogo.store.observations.record import record_batch

        return await self._record(record_batch, observations, now_ms)

    async def record_cells(self, cells: Sequence[HourCell], now_ms: int) -> BatchReport:
        """Store hour cells and add them to the rollups, as `record` does observations."""
        from gonogo.store.hour_cells.record_cells import record_cells

        return await self._record(record_cells, cells, now_ms)

    async def _record(self, record: RecordRows, told: Sequence[Told], now_ms: int) -> BatchReport:
        """Store all in one transaction."""
        from gonogo.store.observations.batch_parts import stored_in_parts

        store = partial(self._store, record, now_ms=now_ms, shard="")
        return await stored_in_parts([list(enumerate(told))], store)

    async def _store(
        self, record: RecordRows, told: Sequence[Told], *, now_ms: int, shard: str
    ) -> BatchReport:
        work = partial(
            record,
            told=tuple(told),
            now_ms=now_ms,
            settings=self._settings,
            known=self._known,
            catalogue_of=self._catalogue_of,
            writer=self._writer,
        )
        stored, found = await self._database.write(work, shard=shard)
        self._known.learn(found)
        return stored

    async def dependency(self, name: str) -> Dependency | None:
        """Read one dependency; None where nothing was ever recorded."""
        found = await self._database.read(partial(read_dependencies, name=name))
        return found[0] if found else None

    async def dependencies(
        self, *, query: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Dependency]:
        """Dependencies by name, those whose name contains `query`, after the name `after`."""
        return await self._database.read(
            partial(read_dependencies, query=query, after=after, limit=limit)
        )

    async def hours(
        self,
        dependency: str,
        *,
        golden: bool = False,
        segment: str | None = None,
        start_hour: int | None = None,
        end_hour: int | None = None,
    ) -> HourCounts:
        """Hourly counts of a slice (`key=value`; None is all), `start_hour <= hour < end_hour`."""
        await self._adopt_rules((dependency,))
        asked = Slice(dependency, golden, segment, start_hour, end_hour)
        return await self._database.read(lambda connection: self._reads[0](connection, asked))

    async def histograms(
        self,
        dependency: str,
        metric: str,
        *,
        golden: bool = False,
        segment: str | None = None,
        start_hour: int | None = None,
        end_hour: int | None = None,
        daily: bool = False,
    ) -> Histograms:
        """Histograms of a metric, as `hours` slices them; `daily` gives a row a UTC day.

        Raises:
            ParameterError: No histogram is kept of such a metric.
        """
        await self._adopt_rules((dependency,))
        asked = Slice(dependency, golden, segment, start_hour, end_hour, daily)
        return await self._database.read(
            lambda connection: self._reads[1](connection, asked, metric)
        )

    async def rollups(
        self, dependency: str, *, since: tuple[int, int] | None, without: Collection[str] = ()
    ) -> Rollups | None:
        """Read a dependency's rollups on one snapshot; None as for `dependency`."""
        from gonogo.store.reads.rollup_reads import read_rollups

        await self._adopt_rules((dependency,))
        work = partial(
            read_rollups,
            name=dependency,
            reads=self._reads,
            since=since,
            without=without,
        )
        return await self._database.read(work)

    async def cached_state(self, dependency: str, key: str) -> tuple[int, bytes] | None:
        """A throw-away detector state: (the hour it stands at, its bytes), or None, also where it was damaged."""

        def work(connection: Connection) -> tuple[int, bytes] | None:
            found = connection.execute(
                "SELECT hour, state FROM state_cache WHERE key = ? "
                "AND dependency_id = (SELECT id FROM dependency WHERE name = ?)",
                (key, dependency),
            ).fetchone()
            state = None if found is None else opened(bytes(found[1]))
            return None if state is None else (int(found[0]), state)

        return await self._database.read(work)

    async def cache_state(
        self, dependency: str, key: str, hour: int, state: bytes, *, rev: int | None = None
    ) -> None:
        """Keep a detector state that has seen the hours before `hour`; it may be lost.

        The store drops it when one of those hours changes. With `rev`, the dependency's revision
        that the state was made from, it is not kept where one of them has changed since.
        """
        fresh = (
            "(rev = :rev OR "
            "(history_rev <= :rev AND :hour <= newest_ts_ms / :day_ms * :hours_a_day))"
        )

        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO state_cache (dependency_id, key, hour, state) "  # noqa: S608 - constant text
                "SELECT id, CAST(:key AS TEXT), :hour, :state FROM dependency WHERE name = :name "
                f"AND {'1 = 1' if rev is None else fresh} "
                "ON CONFLICT (dependency_id, key) DO UPDATE "
                "SET hour = excluded.hour, state = excluded.state",
                {
                    "key": key,
                    "hour": hour,
                    "state": sealed(state),
                    "name": dependency,
                    "rev": rev,
                    "day_ms": DAY_MS,
                    "hours_a_day": _HOURS_A_DAY,
                },
            )

        self._database.submit(work, shard=dependency)

    async def rebuild(self, dependency: str) -> None:
        """Make every rollup of a dependency equal to its rows again, and drop its cached states."""
        from gonogo.store.observations.rebuild import rebuild_dependency

        work = partial(rebuild_dependency, name=dependency, catalogue_of=self._catalogue_of)
        await self._database.write(work, shard=dependency)

    async def book_late(self, dependency: str, *, since_ms: int, now_ms: int) -> int:
        """Book calls since a time whose tokens have a price only now; how many they were."""
        if self._database.read_only:
            return 0
        from gonogo.store.observations.costs import book_late

        work = partial(
            book_late,
            name=dependency,
            since_ms=since_ms,
            now_ms=now_ms,
            settings=self._settings,
            catalogue_of=self._catalogue_of,
        )
        return await self._database.write(work, shard=dependency)

    async def forgettable(self, dependency: str, selection: Selection) -> ForgottenRows | None:
        """Count what would be removed; None where the dependency is not known."""
        from gonogo.store.observations.forget import look

        return await self._database.read(partial(look, name=dependency, selection=selection))

    async def forget(
        self,
        dependency: str,
        selection: Selection,
        *,
        now_ms: int,
        entry: Callable[[ForgottenRows], Decision],
    ) -> tuple[ForgottenRows, Decision] | None:
        """Take observations back, with the log entry that says so; None as for `forgettable`."""
        from gonogo.store.books.audit import append_action
        from gonogo.store.observations.forget import forget

        def work(connection: Connection) -> tuple[ForgottenRows, Decision] | None:
            found = forget(
                connection,
                name=dependency,
                selection=selection,
                now_ms=now_ms,
                settings=self._settings,
                catalogue_of=self._catalogue_of,
            )
            if found is None or found.is_nothing:
                return None
            said = entry(found)
            append_action(connection, said)
            return found, said

        return await self._database.write(work, durable=True, shard=dependency)

    async def _adopt_rules(self, dependencies: Sequence[str]) -> None:
        """Make the rollups anew of those that were made with another rule than the settings ask for."""
        new = [name for name in dependencies if name not in self._known.ruled]
        if self._database.read_only or not new:
            return
        from gonogo.store.observations.rows import Rule

        for name, stored in (await self._database.read(partial(read_rules, names=new))).items():
            if not Rule.parse(stored).is_configured(self._settings, name):
                from gonogo.store.observations.record import adopt_rule

                work = partial(
                    adopt_rule,
                    name=name,
                    settings=self._settings,
                    known=self._known,
                    catalogue_of=self._catalogue_of,
                )
                self._known.learn(await self._database.write(work, shard=name))
            self._known.ruled.add(name)
