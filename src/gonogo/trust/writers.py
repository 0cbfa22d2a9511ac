"""Whose observations count, and writers whose evidence of the last day says other than the golden set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from gonogo.answers import DoubtfulWriter
from gonogo.errors import plain
from gonogo.ports.trust_reads import TrustTelemetry, WriterCounts
from gonogo.records import DAY_MS, HOUR_MS, BatchReport, HourCounts, Rejection
from gonogo.settings import Settings

# Who writes what a probe was answered, whoever started it.
PROBE_WRITER = "probe"
BEFORE_DAYS = 14
SD_MIN = 4.0
DIFFERENCE_MIN = 0.1
# A change of less can be no news.
CALLS_MIN = 20
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

    def less(self, other: _Rate) -> _Rate:
        """These counts without some of them."""
        return _Rate(max(self.n - other.n, 0), max(self.bad - other.bad, 0))


async def doubtful_writers(
    telemetry: TrustTelemetry, dependency: str, *, now_ms: int
) -> list[DoubtfulWriter]:
    """The writers that disagree with the golden set, the one with the most calls first.

    Only where the golden set was asked in the last day and before: there is nothing to hold them against
    else.
    """
    first_hour = (now_ms - DAY_MS) // HOUR_MS

    async def before(*, golden: bool) -> HourCounts:
        start = first_hour - 24 * BEFORE_DAYS
        return await telemetry.hours(
            dependency, golden=golden, start_hour=start, end_hour=first_hour
        )

    golden_now = await telemetry.hours(dependency, golden=True, start_hour=first_hour)
    if not golden_now.n.size:
        return []
    golden_before, all_before = await before(golden=True), await before(golden=False)
    writers = await telemetry.writers(dependency, since_ms=first_hour * HOUR_MS)
    found = []
    for metric in _METRICS:
        golden = _rate(golden_now, metric)
        for each in writers:
            if each.golden and each.writer != PROBE_WRITER:
                # Who answers the golden set's questions for himself does not vouch for himself.
                golden = golden.less(_of_writer(each, metric))
        held = _Reference(_rate(all_before, metric), golden, _rate(golden_before, metric))
        found += [
            doubt
            for each in writers
            if not each.golden and each.writer != PROBE_WRITER
            if (doubt := _doubt(each.writer, _of_writer(each, metric), metric, held)) is not None
        ]
    named = {one.writer for one in found}
    late = await _doubtful_late(telemetry, dependency, golden_before, first_hour=first_hour)
    found += [one for one in late if one.writer not in named]
    return sorted(found, key=lambda one: -one.n)[:SHOWN_MAX]


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
        for metric in _METRICS:
            same = _rate(golden, metric)
            held = _Reference(_rate(those_days, metric), same, same)
            doubt = _doubt(writer, _rate(part, metric), metric, held)
            found += [] if doubt is None else [doubt]
    return found


class _Reference(NamedTuple):
    """The reference that a writer's calls of the last day are compared with."""

    before: _Rate
    golden: _Rate
    golden_before: _Rate


def _doubt(writer: str, own: _Rate, metric: Metric, held: _Reference) -> DoubtfulWriter | None:
    if min(own.n, *(each.n for each in held)) < CALLS_MIN:
        return None
    change = held.before.share - own.share
    golden_change = held.golden_before.share - held.golden.share
    sd = math.sqrt(own.variance + sum(each.variance for each in held))
    if abs(change - golden_change) < max(SD_MIN * sd, DIFFERENCE_MIN):
        return None
    return DoubtfulWriter(
        writer=writer,
        metric=metric,
        n=own.n,
        change_points=100 * change,
        golden_change_points=100 * golden_change,
    )


def _rate(hours: HourCounts, metric: Metric) -> _Rate:
    if metric == "availability":
        return _Rate(int(hours.n.sum()), int(hours.errors.sum()))
    labels = int(hours.labels.sum())
    return _Rate(labels, labels - int(hours.good.sum()))


def _of_writer(counts: WriterCounts, metric: Metric) -> _Rate:
    if metric == "availability":
        return _Rate(counts.n, counts.errors)
    return _Rate(counts.labels, counts.labels - counts.good)
