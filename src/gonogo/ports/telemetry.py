"""The telemetry that subjects need of a store, as Protocols; every store passes one contract suite.

Services get these, the frozen settings and the time as arguments, and nothing else: no clock, no
environment, no global.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gonogo.ports.hour_cells import HourCell
    from gonogo.records import (
        BatchReport,
        Costs,
        Decision,
        Dependency,
        GoldenAnswers,
        Histograms,
        HourCounts,
        Mark,
        Observation,
        PartVerdict,
        Rollups,
        StandingVerdict,
    )


class Telemetry(Protocol):
    """Observations and what is rolled up from them."""

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Store a batch and its rollups in one transaction; returns after the commit."""
        ...

    async def dependency(self, name: str) -> Dependency | None:
        """Read one dependency; None where nothing was ever recorded."""
        ...

    async def mark(self, name: str) -> Mark | None:
        """Read in one cheap look what answers about a dependency rest on; None as for `dependency`."""
        ...

    async def dependencies(
        self, *, query: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Dependency]:
        """Dependencies by name, those whose name contains `query`, after the name `after`."""
        ...

    async def names(self, *, query: str | None = None) -> dict[str, int]:
        """All dependencies whose name contains `query`, sorted, with the time of their newest observation (Unix ms)."""
        ...

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
        ...

    async def recorded_by(
        self, dependency: str, writers: Sequence[str], *, since_ms: int, golden: bool = False
    ) -> HourCounts:
        """Read these writers' part of `hours`: calls recorded since a time, and their later records of earlier calls.

        Of an earlier hour into which one of them recorded since, all that it ever recorded.
        """
        ...

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
        """Histograms of a metric, as `hours` slices them; `daily` gives a row a UTC day."""
        ...

    async def rollups(
        self, dependency: str, *, since: tuple[int, int] | None, without: Collection[str] = ()
    ) -> Rollups | None:
        """Read a dependency's rollups on one snapshot; None as for `dependency`.

        Args:
            dependency: Its name.
            since: A revision and the hour that began the newest day then: where no hour before it
                has changed since, those are left out.
            without: Metrics whose histograms are left out.
        """
        ...

    async def segments(self, dependency: str) -> list[str]:
        """The declared slices that are rolled up, each `key=value`, sorted."""
        ...

    async def golden_answers(self, dependency: str) -> GoldenAnswers:
        """Golden-set answers by item, version and day."""
        ...

    async def newest_costs(self, dependency: str, *, limit: int = 2000) -> Costs:
        """The newest calls that have a cost or tokens, oldest first."""
        ...

    async def newest_durations(self, dependency: str) -> Costs:
        """The newest calls whose duration is known, oldest first: in microseconds, in place of costs."""
        ...

    async def cached_state(self, dependency: str, key: str) -> tuple[int, bytes] | None:
        """A throw-away detector state: (the hour it stands at, its bytes), or None."""
        ...

    async def cache_state(
        self, dependency: str, key: str, hour: int, state: bytes, *, rev: int | None = None
    ) -> None:
        """Keep a detector state that has seen the hours before `hour`; it may be lost.

        The store drops it when one of those hours changes. With `rev`, the dependency's revision
        that the state was made from, it is not kept where one of them has changed since.
        """
        ...


class KnownIds(Telemetry, Protocol):
    """Telemetry that knows which calls it holds, and takes in hours that were counted elsewhere."""

    async def record_cells(self, cells: Sequence[HourCell], now_ms: int) -> BatchReport:
        """Store hour cells and add them to the rollups; a cell is stored once."""
        ...

    async def dependencies_of(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The dependency of each observation with one of these ids, where it is stored."""
        ...


class DecisionLog(Protocol):
    """Verdicts and actions, with what they rested on."""

    def note(self, decision: Decision, says: PartVerdict | None = None) -> bool:
        """Queue a check's entry: returns at once, folds repeats, lost only if killed.

        Args:
            decision: The entry.
            says: What it says of the whole of its dependency, now; None where it speaks of less.

        Returns:
            False where the store cannot take it: the answer then goes out without its id.
        """
        ...

    async def append(self, decision: Decision) -> None:
        """Write an action's entry into the hash chain; returns after a durable commit."""
        ...

    async def decision(self, decision_id: str) -> Decision | None:
        """One entry, whole; entries still queued are found too."""
        ...

    async def decisions(
        self,
        *,
        dependency: str | None = None,
        kind: str | None = None,
        limit: int = 50,
    ) -> list[Decision]:
        """The newest entries, newest first."""
        ...

    async def first_scored(self, names: Sequence[str]) -> dict[str, int]:
        """Read when each dependency's trust score was first given, in epoch ms; those never scored are left out."""
        ...

    async def actions(self, *, limit: int = 50) -> list[Decision]:
        """The newest links of the hash chain, newest first."""
        ...

    def say(self, verdicts: Mapping[str, PartVerdict]) -> None:
        """Queue what was found of several dependencies at once, by name, without an entry each."""
        ...

    @property
    def heard_of(self) -> list[str]:
        """Dependencies of which this process has said what may not be in the store yet."""
        ...

    def heard(self, stored: Mapping[str, StandingVerdict]) -> dict[str, StandingVerdict]:
        """Read stored standing verdicts, overlaid by what this process has answered since."""
        ...

    async def standing(self, names: Sequence[str] | None = None) -> dict[str, StandingVerdict]:
        """The standing verdicts of these dependencies, or of all; without those never asked."""
        ...


class Changes(Protocol):
    """Hears of writes; it does not tell what was written."""

    def changes(self) -> AsyncGenerator[None]:
        """Yield at once, and again after writes by any process, a second after them at the latest.

        Writes between two yields are told by one. It costs nothing before it is first asked and
        after it is closed; close it (`contextlib.aclosing`) to let its connection go.

        Raises:
            StoreError: The store failed or is closed.
        """
        ...
