"""Whose observations count, and writers whose evidence of the last day says other than the golden set.

A golden set is fixed questions, which gonogo asks itself. It witnesses the model behind a name, at the hours when it
was asked. It does not witness what only production meets (other questions, a caller's own network, key or quota),
nor what began after it was asked. So it outweighs one writer for a day, and no more:

- praise: the verdict is the worse one of those with and without him;
- blame: what he alone says is a caution and no no_go, where the golden set answered as before after half of it was said,
  or where he says it in a flood that no traffic is, an hour of `FLOOD` times the fullest hour before;
- two who blame are believed, and so is whoever may record where `recorders` say who may. What was recorded more than a
  day ago counts: a failure that production alone sees is a caution for a day, and a no_go then.

A flood is doubted by less: it changes what is known by its number, so the golden set has to have moved with it, at
least half as far. Few golden answers cannot tell 20 points from chance, and so bear out none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple

from gonogo.answers import DoubtfulWriter
from gonogo.errors import plain
from gonogo.ports.trust_reads import NO_DOUBTS, Doubts, TrustTelemetry, WriterCounts
from gonogo.records import DAY_MS, HOUR_MS, BatchReport, HourCounts, Rejection
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.records import Ints

# Who writes what a probe was answered, whoever started it.
PROBE_WRITER = "probe"
BEFORE_DAYS = 14
SD_MIN = 4.0
DIFFERENCE_MIN = 0.1
# A change of less can be no news.
CALLS_MIN = 20
# An hour of so many times the calls of the fullest hour of the days before is a flood, if it is not a few that were
# tried again and again in an outage.
FLOOD, FLOOD_CALLS_MIN = 10, 100
FLOOD_CHANGE_MIN = 0.05
# The part of a change that the golden set has to show to bear it out, and the answers from which on it denies one.
BORNE_OUT = 0.5
WITNESSES_MIN = 5
SHOWN_MAX = 5
Metric = Literal["quality", "availability"]
_METRICS: tuple[Metric, ...] = ("quality", "availability")


def may_record(settings: Settings, dependency: str, writer: str) -> bool:
    """Whether a writer's observations of a dependency count. A probe is asked by gonogo itself."""
    recorders = settings.dependency(dependency).recorders
    if not recorders or writer == PROBE_WRITER:
        return True
    return any(fnmatchcase(writer, pattern) for pattern in recorders)


def refused_of(names: Sequence[str], settings: Settings, writer: str) -> list[Rejection]:
    """Refuse what a writer may not record, of a batch's dependencies; each by its index there."""
    barred = {name for name in set(names) if not may_record(settings, name, writer)}
    if not barred:
        return []
    return [
        Rejection(
            at,
            "dependency",
            f"is recorded by {plain(', '.join(settings.dependency(name).recorders), 80)} "
            f"(`recorders` in gonogo.toml), and this came by {plain(writer, 80)}",
            name,
            is_lost=False,
        )
        for at, name in enumerate(names)
        if name in barred
    ]


def kept_of(names: Sequence[str], refused: Sequence[Rejection]) -> list[int]:
    """The indexes of what was not refused."""
    barred = {each.position for each in refused}
    return [at for at in range(len(names)) if at not in barred]


def with_refused(
    stored: BatchReport, refused: Sequence[Rejection], kept: Sequence[int]
) -> BatchReport:
    """The report on a whole batch, of that on the part that was kept, by the indexes of which."""
    own = [replace(each, position=kept[each.position]) for each in stored.rejected]
    every = sorted([*own, *refused], key=lambda each: each.position)
    return replace(stored, rejected=tuple(every), left=tuple(kept[at] for at in stored.left))


class _Rate(NamedTuple):
    """Calls, and how many of them were bad."""

    n: int
    bad: int

    @property
    def share(self) -> float:
        return (self.bad + 0.5) / (self.n + 1)

    @property
    def variance(self) -> float:
        return self.share * (1 - self.share) / (self.n + 1)


async def doubts_about(
    telemetry: TrustTelemetry, settings: Settings, dependency: str, *, now_ms: int
) -> Doubts:
    """The writers that disagree with the golden set, the one with the most calls first.

    Only where the golden set was asked in the last day and before: there is nothing to hold them against
    else.
    """
    from gonogo.hours.counts import hours_less

    first_hour = (now_ms - DAY_MS) // HOUR_MS

    async def before(*, golden: bool) -> HourCounts:
        start = first_hour - 24 * BEFORE_DAYS
        return await telemetry.hours(
            dependency, golden=golden, start_hour=start, end_hour=first_hour
        )

    golden_now = await telemetry.hours(dependency, golden=True, start_hour=first_hour)
    if not golden_now.n.size:
        return NO_DOUBTS
    golden_before, all_before = await before(golden=True), await before(golden=False)
    since_ms = first_hour * HOUR_MS
    writers = await telemetry.writers(dependency, since_ms=since_ms)
    vouching = [one.writer for one in writers if one.golden and one.writer != PROBE_WRITER]
    if vouching:
        # Who answers the golden set's questions for himself does not vouch for himself.
        own = await telemetry.recorded_by(dependency, vouching, since_ms=since_ms, golden=True)
        golden_now = hours_less(golden_now, own)
    found: list[_Doubt] = []
    for each in writers:
        if each.golden or each.writer == PROBE_WRITER:
            continue
        calls = _Calls(telemetry, dependency, each.writer, since_ms)
        is_flood = await calls.are_flood(each, all_before)
        for metric in _METRICS:
            rates = [_rate(hours, metric) for hours in (all_before, golden_now, golden_before)]
            doubt = _doubt(
                each.writer,
                _of_writer(each, metric),
                metric,
                _Reference(*rates),
                is_flood=is_flood,
            )
            if doubt is not None:
                seen = is_flood or await calls.are_denied(doubt, golden_now, rates[-1])
                found.append(_Doubt(doubt, is_witnessed=seen))
    named = {one.told.writer for one in found}
    late = await _doubtful_late(telemetry, dependency, golden_before, first_hour=first_hour)
    found += [_Doubt(one, is_witnessed=True) for one in late if one.writer not in named]
    return _weighed(found, is_configured=bool(settings.dependency(dependency).recorders))


class _Doubt(NamedTuple):
    """A doubtful writer, and whether the golden set can witness against what he says."""

    told: DoubtfulWriter
    is_witnessed: bool


def _weighed(found: Sequence[_Doubt], *, is_configured: bool) -> Doubts:
    """Set aside who praises, and who blames alone where the golden set is a witness and nobody said whose word counts."""
    blaming = {one.told.writer for one in found if one.told.change_points < 0}
    heard = is_configured or len(blaming) > 1
    aside, is_blame = dict[str, None](), False
    for told, is_witnessed in found:
        if told.writer not in blaming or (is_witnessed and not heard):
            aside[told.writer] = None
            is_blame = is_blame or told.writer in blaming
    named = sorted((one.told for one in found), key=lambda one: -one.n)
    return Doubts(tuple(named[:SHOWN_MAX]), tuple(aside), is_blame)


class _Calls(NamedTuple):
    """The calls that one writer recorded since a time, by hour."""

    telemetry: TrustTelemetry
    dependency: str
    writer: str
    since_ms: int

    async def are_flood(self, counted: WriterCounts, before: HourCounts) -> bool:
        """Whether an hour of them has many times the calls of the fullest hour before, of all callers."""
        most = _most(before)
        if max(counted.n, counted.labels) <= most:
            return False
        return _fullest(await self._hours()) > most

    async def are_denied(self, doubt: DoubtfulWriter, golden: HourCounts, before: _Rate) -> bool:
        """Whether the golden set was asked after half of the bad ones had come, and did not show half of their change."""
        import numpy as np

        from gonogo.hours.counts import hours_where

        found = await self._hours()
        bad = np.cumsum(_bad(found, doubt.metric))
        if not bad.size:
            return False
        began = found.hour[int(np.searchsorted(bad, bad[-1] / 2))]
        since = _rate(hours_where(golden, np.flatnonzero(golden.hour > began)), doubt.metric)
        shown = 100 * (before.share - since.share)
        return since.n >= WITNESSES_MIN and abs(shown) < BORNE_OUT * abs(doubt.change_points)

    async def _hours(self) -> HourCounts:
        return await self.telemetry.recorded_by(
            self.dependency, [self.writer], since_ms=self.since_ms
        )


def _most(before: HourCounts) -> int:
    """The most calls of an hour that are no flood after these hours."""
    return max(FLOOD * _fullest(before), FLOOD_CALLS_MIN)


def _fullest(hours: HourCounts) -> int:
    """The calls, or outcomes, of the hour that has the most."""
    import numpy as np

    if not hours.hour.size:
        return 0
    calls = np.maximum(hours.n, hours.labels)
    return int(np.bincount(hours.hour - hours.hour.min(), calls).max())


async def _doubtful_late(
    telemetry: TrustTelemetry, dependency: str, golden: HourCounts, *, first_hour: int
) -> list[DoubtfulWriter]:
    """Who recorded calls in the last day that are dated before it, and say other than all others of those days.

    Only where the golden set was asked in that time, too. A person's files are history, whatever they say.
    """
    import numpy as np

    from gonogo.hours.counts import hours_less, hours_where

    since_ms = first_hour * HOUR_MS
    parts: dict[str, HourCounts] = {}
    for writer in await telemetry.late_writers(dependency, since_ms=since_ms):
        if writer != PROBE_WRITER and not writer.startswith("person:"):
            told = await telemetry.recorded_by(dependency, [writer], since_ms=since_ms)
            parts[writer] = hours_where(told, told.hour < first_hour)
    first = min((int(part.hour.min()) for part in parts.values() if part.hour.size), default=None)
    if first is None:
        return []
    others = await telemetry.hours(dependency, start_hour=first // 24 * 24, end_hour=first_hour)
    for part in parts.values():
        # None of them is held against another of them.
        others = hours_less(others, part)
    found: list[DoubtfulWriter] = []
    for writer, part in parts.items():
        those_days = hours_where(others, np.isin(others.hour // 24, part.hour // 24))
        is_flood = _fullest(part) > _most(those_days)
        asked = np.isin(golden.hour // 24, part.hour // 24)
        for metric in _METRICS:
            then, otherwise = [_rate(hours_where(golden, at), metric) for at in (asked, ~asked)]
            if min(then.n, otherwise.n) < CALLS_MIN:
                then = otherwise = _rate(golden, metric)
            held = _Reference(_rate(those_days, metric), then, otherwise)
            doubt = _doubt(writer, _rate(part, metric), metric, held, is_flood=is_flood)
            found += [] if doubt is None else [doubt]
    return found


class _Reference(NamedTuple):
    """The reference that a writer's calls of the last day are compared with."""

    before: _Rate
    golden: _Rate
    golden_before: _Rate


def _doubt(
    writer: str, own: _Rate, metric: Metric, held: _Reference, *, is_flood: bool = False
) -> DoubtfulWriter | None:
    """Whether a writer's calls changed otherwise than the golden set; a flood has to be borne out by it."""
    if min(own.n, held.before.n) < CALLS_MIN:
        return None
    golden_n = min(held.golden.n, held.golden_before.n)
    change = held.before.share - own.share
    golden_change = held.golden_before.share - held.golden.share
    if is_flood:
        shown = math.copysign(1, change) * golden_change
        sd = math.sqrt(own.variance + held.before.variance)
        is_borne_out = golden_n >= CALLS_MIN and shown >= BORNE_OUT * abs(change)
        is_changed = abs(change) >= max(SD_MIN * sd, FLOOD_CHANGE_MIN)
        is_doubtful = golden_n > 0 and is_changed and not is_borne_out
    else:
        sd = math.sqrt(own.variance + sum(each.variance for each in held))
        apart = abs(change - golden_change)
        is_doubtful = golden_n >= CALLS_MIN and apart >= max(SD_MIN * sd, DIFFERENCE_MIN)
    if not is_doubtful:
        return None
    return DoubtfulWriter(
        writer=writer,
        metric=metric,
        n=own.n,
        change_points=100 * change,
        golden_change_points=100 * golden_change,
    )


def _rate(hours: HourCounts, metric: Metric) -> _Rate:
    calls = hours.n if metric == "availability" else hours.labels
    return _Rate(int(calls.sum()), int(_bad(hours, metric).sum()))


def _bad(hours: HourCounts, metric: Metric) -> Ints:
    return hours.errors if metric == "availability" else hours.labels - hours.good


def _of_writer(counts: WriterCounts, metric: Metric) -> _Rate:
    if metric == "availability":
        return _Rate(counts.n, counts.errors)
    return _Rate(counts.labels, counts.labels - counts.good)
