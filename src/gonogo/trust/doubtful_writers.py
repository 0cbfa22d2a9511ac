"""Writers whose evidence of the last day says other than the golden set: a flood of fakes is named.

Golden answers and traffic differ in level, so changes are compared: how far a writer's rate in the last day
lies from that of all calls before, against how far the golden set's lies from its own before. Under the same
cause both move alike. The difference of the two changes is normal with the sum of four binomial variances; a
writer is named from four standard deviations and ten points on (1 in 16,000 for a writer without fault).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from gonogo.answers import DoubtfulWriter
from gonogo.records import DAY_MS, HOUR_MS
from gonogo.trust.recorders import PROBE_WRITER

if TYPE_CHECKING:
    from gonogo.ports.trust_reads import TrustTelemetry, WriterCounts
    from gonogo.records import HourCounts

__all__ = ["doubtful_writers"]

BEFORE_DAYS = 14
SD_MIN = 4.0
DIFFERENCE_MIN = 0.1
# A change of less can be no news.
CALLS_MIN = 20
SHOWN_MAX = 5

Metric = Literal["quality", "availability"]
_METRICS: tuple[Metric, ...] = ("quality", "availability")


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
        """Without some of them."""
        return _Rate(max(self.n - other.n, 0), max(self.bad - other.bad, 0))


async def doubtful_writers(
    telemetry: TrustTelemetry, dependency: str, *, now_ms: int
) -> list[DoubtfulWriter]:
    """Who disagrees with the golden set, the one with the most calls first.

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
        held = _Held(_rate(all_before, metric), golden, _rate(golden_before, metric))
        found += [
            doubt
            for each in writers
            if not each.golden and each.writer != PROBE_WRITER
            if (doubt := _doubt(each, metric, held)) is not None
        ]
    return sorted(found, key=lambda one: -one.n)[:SHOWN_MAX]


class _Held(NamedTuple):
    """What a writer's calls of the last day are held against."""

    before: _Rate
    golden: _Rate
    golden_before: _Rate


def _doubt(counts: WriterCounts, metric: Metric, held: _Held) -> DoubtfulWriter | None:
    own = _of_writer(counts, metric)
    if min(own.n, *(each.n for each in held)) < CALLS_MIN:
        return None
    change = held.before.share - own.share
    golden_change = held.golden_before.share - held.golden.share
    sd = math.sqrt(own.variance + sum(each.variance for each in held))
    if abs(change - golden_change) < max(SD_MIN * sd, DIFFERENCE_MIN):
        return None
    return DoubtfulWriter(
        writer=counts.writer,
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
