"""Telemetry of a rehearsal: real history up to a moment, then calls played again, in memory.

It answers what the real store would if the same calls were recorded in it (a test records them and
compares), as of the last full hour. Nothing can be recorded in it. Answers to repeated inputs, outputs and
categories are left as history has them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gonogo.detectors.arrays import Ints
from gonogo.drill import replayed_hours as rollup
from gonogo.drill.golden_runs import GoldenRuns
from gonogo.drill.healthy_history import HealthyHistory
from gonogo.drill.replayed_calls import ReplayedCalls
from gonogo.drill.replayed_hours import newest_costs, newest_durations
from gonogo.drill.unplayed_reads import UnplayedReads
from gonogo.errors import ActionRefused
from gonogo.hours.counts import (
    histograms_joined,
    histograms_where,
    hours_joined,
    hours_where,
)
from gonogo.hours.rate_hours import LAG_METRIC
from gonogo.ports.trust_reads import Population, Repeats
from gonogo.records import (
    DAY_MS,
    HOUR_MS,
    BatchReport,
    Costs,
    Dependency,
    GoldenAnswers,
    Histograms,
    HourCounts,
    Kind,
    Mark,
    Observation,
    Rollups,
)
from gonogo.settings import Settings
from gonogo.store.observations.rows import Rule

# No quality verdict rests on these, so they are read only in the scenarios that move them.
READ_WHERE_MOVED = ("confidence", "cost_usd")


@dataclass(slots=True)
class _Replay:
    """One dependency. `served` is False for calls that a fallback has taken."""

    past: HealthyHistory
    played: ReplayedCalls
    served: NDArray[np.bool_]
    rule: Rule
    metrics: tuple[str, ...]
    runs: GoldenRuns | None
    bins: dict[str, Ints] = field(default_factory=dict)
    shown: rollup.ReplayedHours | None = None
    hours: dict[tuple[bool, str | None], HourCounts] = field(default_factory=dict)
    histograms: dict[tuple[str, bool, str | None], Histograms] = field(default_factory=dict)
    # At which revision which hour, and none before it, has changed.
    changes: list[tuple[int, int]] = field(default_factory=list)

    def change(self, rev: int, hour: int) -> None:
        """Drop what was computed of the calls; hours before `hour` have not changed."""
        self.changes.append((rev, hour))
        self.shown = None
        self.hours.clear()
        self.histograms.clear()


class RehearsedTelemetry(UnplayedReads):
    """The telemetry of the rehearsed dependencies, as of a moment."""

    def __init__(self, settings: Settings, *, now_ms: int) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._rev = 1
        self._stretches: dict[str, _Replay] = {}

    def add(
        self,
        past: HealthyHistory,
        played: ReplayedCalls,
        *,
        metrics: Sequence[str] = (),
        runs: GoldenRuns | None = None,
    ) -> None:
        """Let a dependency be known; of its metrics besides quality only these are followed."""
        name = past.known.name
        served = np.ones(len(played.ts_ms), dtype=bool)
        rule = Rule.configured(self._settings, name)
        self._stretches[name] = _Replay(past, played, served, rule, tuple(metrics), runs)

    def move_to(self, now_ms: int) -> None:
        """Let everything before this moment have happened."""
        before_ms, until_ms = (at // HOUR_MS * HOUR_MS for at in (self._now_ms, now_ms))
        self._now_ms = now_ms
        if before_ms == until_ms:
            return
        self._rev += 1
        for stretch in self._stretches.values():
            earliest_ms = rollup.earliest_change(stretch.played, before_ms, until_ms)
            if stretch.runs is not None:
                run = stretch.runs.first_hour(before_ms // HOUR_MS, until_ms // HOUR_MS)
                earliest_ms = earliest_ms if run is None else min(earliest_ms, run * HOUR_MS)
            stretch.change(self._rev, earliest_ms // HOUR_MS)

    def serve(self, name: str, share: float) -> None:
        """Let a dependency serve this share of its calls from now on; the same keys stay."""
        stretch = self._stretches[name]
        coming = stretch.played.ts_ms >= self._now_ms
        stretch.served = np.where(coming, stretch.played.u < share, stretch.served)
        self._rev += 1
        stretch.change(self._rev, self._now_ms // HOUR_MS)

    def foresee(self, name: str, played: ReplayedCalls) -> None:
        """Let other calls come of a dependency from the next full hour on; those before stay."""
        stretch = self._stretches[name]
        stretch.played = played
        stretch.bins.clear()
        self._rev += 1
        stretch.change(self._rev, self._now_ms // HOUR_MS)

    def served(self, name: str) -> NDArray[np.bool_]:
        """A mask of the replayed calls that a dependency serves; shape (calls,)."""
        return self._stretches[name].served

    def _shown(self, stretch: _Replay) -> rollup.ReplayedHours:
        if stretch.shown is None:
            until_ms = self._now_ms // HOUR_MS * HOUR_MS
            stretch.shown = rollup.ReplayedHours.of(
                stretch.past.calls, stretch.played, stretch.served, until_ms=until_ms
            )
        return stretch.shown

    async def record(self, observations: Sequence[Observation], now_ms: int) -> BatchReport:
        """Refused: a rehearsal plays what it has."""
        del observations, now_ms
        raise ActionRefused("A rehearsal records nothing: it plays history again.")

    async def dependency(self, name: str) -> Dependency | None:
        """Read the dependency as it is known by now."""
        stretch = self._stretches.get(name)
        if stretch is None:
            return None
        past, row = stretch.past, self._shown(stretch).row
        newest_ms = int(stretch.played.ts_ms[row[-1]]) if len(row) else past.newest_ts_ms
        if stretch.runs is not None:
            hours = stretch.runs.counted(None, self._now_ms // HOUR_MS).hour
            newest_ms = max(newest_ms, int(hours.max(initial=0)) * HOUR_MS)
        return replace(
            past.known,
            n=past.known.n + len(row),
            newest_ts_ms=newest_ms,
            rev=self._rev,
            metrics=stretch.metrics,
        )

    async def mark(self, name: str) -> Mark | None:
        """Read what answers rest on; watched, so that every verdict reaches the incidents."""
        known = await self.dependency(name)
        return None if known is None else Mark(known.rev, known.newest_ts_ms, None, watched=True)

    async def names(self, *, query: str | None = None) -> dict[str, int]:
        """The newest observation of each of the rehearsed ones, by name."""
        known = await self.dependencies(query=query, limit=len(self._stretches))
        return {each.name: each.newest_ts_ms for each in known}

    async def dependencies(
        self, *, query: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Dependency]:
        """The rehearsed ones by name."""
        wanted = (query or "").casefold()
        names = [
            name
            for name in sorted(self._stretches)
            if name > (after or "") and wanted in name.casefold()
        ]
        found = [await self.dependency(name) for name in names[:limit]]
        return [known for known in found if known is not None]

    async def hours(
        self,
        dependency: str,
        *,
        golden: bool = False,
        segment: str | None = None,
        start_hour: int | None = None,
        end_hour: int | None = None,
    ) -> HourCounts:
        """Hourly counts, of history and of what was played since."""
        found = self._hours(self._stretches[dependency], golden, segment)
        return hours_where(found, _between(found.hour, start_hour, end_hour))

    def _hours(self, stretch: _Replay, golden: bool, segment: str | None) -> HourCounts:  # noqa: FBT001 - a slice's key
        key = golden, segment
        found = stretch.hours.get(key)
        if found is None:
            found = stretch.past.hours[key]
            if not golden:
                played = rollup.counts_of(self._shown(stretch), segment, stretch.rule)
                found = hours_joined(found, played)
            elif stretch.runs is not None:
                now_hour = self._now_ms // HOUR_MS
                found = hours_joined(found, stretch.runs.counted(segment, now_hour))
            stretch.hours[key] = found
        return found

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
        """Histograms of a metric that is read for the rehearsal; empty ones of another."""
        found = self._histograms(self._stretches[dependency], metric, golden, segment)
        found = histograms_where(found, _between(found.bucket, start_hour, end_hour))
        return rollup.by_day(found) if daily else found

    def _histograms(
        self,
        stretch: _Replay,
        metric: str,
        golden: bool,  # noqa: FBT001 - a slice's key
        segment: str | None,
    ) -> Histograms:
        key = metric, golden, segment
        found = stretch.histograms.get(key)
        if found is None:
            own = metric.partition("_labelled")[0].partition("_good")[0]
            is_read = own not in READ_WHERE_MOVED or own in stretch.metrics
            past = stretch.past.histograms.get(key) if is_read else None
            found = past or rollup.no_histograms(metric)
            if past is not None and not golden:
                if metric not in stretch.bins:
                    stretch.bins[metric] = rollup.bins_of(stretch.played, metric)
                bins, shown = stretch.bins[metric], self._shown(stretch)
                played = rollup.histogram_of(shown, metric, bins, segment, stretch.rule)
                found = histograms_joined(found, played)
            stretch.histograms[key] = found
        return found

    async def rollups(
        self, dependency: str, *, since: tuple[int, int] | None, without: Collection[str] = ()
    ) -> Rollups | None:
        """Read rollups, from an hour on where none before it has changed."""
        known = await self.dependency(dependency)
        if known is None:
            return None
        stretch, first = self._stretches[dependency], 0
        if since is not None:
            changed = [hour for rev, hour in stretch.changes if rev > since[0]]
            first = since[1] if min(changed, default=since[1]) >= since[1] else 0
        hours = {
            (golden, segment): found
            for golden, segment in stretch.past.hours
            for found in [self._hours(stretch, golden, segment)]
            if len(found.hour)
        }
        histograms = {
            metric: self._histograms(stretch, metric, False, None)
            for metric in (*stretch.metrics, LAG_METRIC)
            if metric not in without
        }
        return Rollups(
            known=known,
            first_hour=first,
            newest_day_hour=known.newest_ts_ms // DAY_MS * 24,
            segments=stretch.past.segments,
            hours={key: hours_where(found, found.hour >= first) for key, found in hours.items()},
            histograms={
                metric: histograms_where(found, found.bucket >= first)
                for metric, found in histograms.items()
            },
            golden=self._golden(stretch),
        )

    async def segments(self, dependency: str) -> list[str]:
        """The declared slices that are rolled up."""
        stretch = self._stretches.get(dependency)
        return list(stretch.past.segments) if stretch else []

    async def golden_answers(self, dependency: str) -> GoldenAnswers:
        """Golden answers of history, and of the runs since."""
        return self._golden(self._stretches[dependency])

    def _golden(self, stretch: _Replay) -> GoldenAnswers:
        past = stretch.past.golden
        runs = stretch.runs
        return past if runs is None else runs.answered(past, self._now_ms // HOUR_MS)

    async def newest_costs(self, dependency: str, *, limit: int = 2000) -> Costs:
        """The newest calls that have a cost or tokens."""
        stretch = self._stretches[dependency]
        return newest_costs(stretch.past, self._shown(stretch), limit=limit)

    async def newest_durations(self, dependency: str) -> Costs:
        """The newest calls whose duration is known: microseconds in place of costs."""
        stretch = self._stretches[dependency]
        return newest_durations(stretch.past, self._shown(stretch))

    async def population(self, kind: Kind | None, *, since_day: int, limit: int) -> Population:
        """The others of its kind, as history has them."""
        del since_day, limit
        alike = [s.past for s in self._stretches.values() if s.past.known.kind == kind]
        return alike[0].population

    async def repeats(self, dependency: str) -> Repeats:
        """Read how answers to the same input agreed in history."""
        return self._stretches[dependency].past.repeats

    async def provider_members(self, provider: str) -> list[str]:
        """The dependencies in the rehearsal that have this provider."""
        return [n for n, s in self._stretches.items() if s.past.known.provider == provider]

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
        """The newest calls that were played, newest first; nobody recorded them."""
        del without
        stretch = self._stretches.get(dependency)
        if stretch is None:
            return []
        shown, played = self._shown(stretch), stretch.played
        row = shown.row[
            (played.ts_ms[shown.row] >= since_ms) & (played.ts_ms[shown.row] <= until_ms)
        ]
        if version is not None:
            names = np.array(shown.versions, dtype=object)
            row = row[names[shown.version[np.searchsorted(shown.row, row)]] == version]
        return ["failed" if bad else None for bad in played.failed[row[::-1][:limit]]]

    async def revisions(
        self, dependency: str, others: Sequence[str], *, provider: str | None
    ) -> tuple[int, int]:
        """A single number that changes with any evidence of a rehearsal."""
        del dependency, others, provider
        return self._rev, len(self._stretches)

    async def recent_hours(
        self, dependencies: Sequence[str], *, start_hour: int
    ) -> dict[str, HourCounts]:
        """Hourly counts of those that are rehearsed."""
        known = [name for name in dependencies if name in self._stretches]
        return {name: await self.hours(name, start_hour=start_hour) for name in known}


def _between(buckets: Ints, start: int | None, end: int | None) -> NDArray[np.bool_]:
    low, high = -math.inf if start is None else start, math.inf if end is None else end
    return (buckets >= low) & (buckets < high)
