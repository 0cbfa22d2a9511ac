"""The history of dependencies, remembered, so that a check reads only what came since.

The store says whether an hour before the newest day has changed since it was read; only where none
has are those hours not read again. So what is remembered and what is new are always of one moment,
and together the same as all of it read anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace

from gonogo.hours.counts import (
    histograms_joined,
    histograms_where,
    hours_joined,
    hours_where,
)
from gonogo.hours.rate_hours import RateMetric, RateStream, rate_stream
from gonogo.hours.stream_cache import CachedStream
from gonogo.hours.value_hours import MetricHours, metric_hours
from gonogo.ports.telemetry import Telemetry
from gonogo.records import Histograms, HourCounts, Rollups

DEPENDENCIES_MAX = 32
# Of histograms, which are most of it: a quarter of a year of one metric takes one to two.
MEGABYTES_MAX = 64
_MEGABYTE = 1 << 20

Slice = tuple[bool, str | None]  # golden or not; a declared slice, or None for the whole


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The hours before `end_hour`, as they were at a revision, and what was made of them alone."""

    rev: int
    end_hour: int
    hours: Mapping[Slice, HourCounts]
    histograms: Mapping[str, Histograms]
    made: dict[Hashable, object] = field(default_factory=dict)

    def covers(self, news: Rollups) -> bool:
        """Whether it has all slices and metrics of which there is news."""
        return (
            news.hours.keys() <= self.hours.keys()
            and news.histograms.keys() <= self.histograms.keys()
        )

    @property
    def megabytes(self) -> float:
        """The memory that its histograms take, MB."""
        entries = sum(len(found.row) for found in self.histograms.values())
        return 5 * 8 * entries / _MEGABYTE


@dataclass(frozen=True, slots=True, eq=False)
class HistorySnapshot:
    """A dependency at one moment: its history, and the hours since."""

    history: History
    news: Rollups

    def hours(self, *, golden: bool, segment: str | None = None) -> HourCounts | None:
        """The hourly counts of the whole or of one of the first 200 slices, where there are any."""
        key = golden, segment
        new = self.news.hours.get(key)
        return None if new is None else hours_joined(self.history.hours[key], new)

    def stream(
        self, metric: RateMetric, *, golden: bool, segment: str | None = None
    ) -> RateStream | None:
        """The rate of a slice over all versions; None as for `hours`."""
        slice_ = golden, segment
        new = self.news.hours.get(slice_)
        if new is None:
            return None
        key = "stream", metric, slice_
        old = self.history.made.get(key)
        if not isinstance(old, RateStream):
            whole = rate_stream(self.history.hours[slice_], metric, golden=golden)
            old = replace(whole, remembered=CachedStream(self.history.end_hour))
            self.history.made[key] = old
        return old.then(rate_stream(new, metric, golden=golden))

    def values(self, metric: str) -> MetricHours | None:
        """A metric of the whole, where there is any of it."""
        new = self.news.histograms.get(metric)
        if new is None:
            return None
        key = "values", metric
        old = self.history.made.get(key)
        if not isinstance(old, MetricHours):
            whole = metric_hours(self.history.histograms[metric])
            old = replace(whole, remembered=CachedStream(self.history.end_hour))
            self.history.made[key] = old
        return old.then(new)

    def histograms(self, metric: str) -> Histograms | None:
        """The hourly histograms of the whole, where there are any."""
        new = self.news.histograms.get(metric)
        return None if new is None else histograms_joined(self.history.histograms[metric], new)


class HistoryCache:
    """The histories of the dependencies that were asked for last."""

    def __init__(self) -> None:
        self._histories: OrderedDict[str, History] = OrderedDict()

    async def read(
        self, telemetry: Telemetry, dependency: str, *, without: Collection[str]
    ) -> HistorySnapshot | None:
        """A dependency as it is now; None where nothing was ever recorded of it.

        Args:
            telemetry: Where it is.
            dependency: Its name.
            without: Metrics whose histograms are not needed.
        """
        kept = self._histories.get(dependency)
        since = None if kept is None else (kept.rev, kept.end_hour)
        found = await telemetry.rollups(dependency, since=since, without=without)
        if found is not None and kept is not None and not kept.covers(found):
            kept, found = None, await telemetry.rollups(dependency, since=None, without=without)
        if found is None:
            return None
        if kept is None or found.first_hour < kept.end_hour:
            kept, found = _split(found)
        elif kept.end_hour < found.newest_day_hour:
            kept, found = _split(_whole(kept, found))
        self._keep(dependency, kept)
        return HistorySnapshot(kept, found)

    def _keep(self, dependency: str, history: History) -> None:
        self._histories[dependency] = history
        self._histories.move_to_end(dependency)
        while len(self._histories) > 1 and (
            len(self._histories) > DEPENDENCIES_MAX
            or sum(one.megabytes for one in self._histories.values()) > MEGABYTES_MAX
        ):
            self._histories.popitem(last=False)


def _whole(history: History, news: Rollups) -> Rollups:
    """All hours; what the store has stopped rolling up is left behind."""
    return replace(
        news,
        first_hour=0,
        hours={key: hours_joined(history.hours[key], new) for key, new in news.hours.items()},
        histograms={
            metric: histograms_joined(history.histograms[metric], new)
            for metric, new in news.histograms.items()
        },
    )


def snapshot_of(whole: Rollups) -> HistorySnapshot:
    """A dependency of which all hours are at hand."""
    return HistorySnapshot(*_split(whole))


def _split(whole: Rollups) -> tuple[History, Rollups]:
    """Split hours into those before the newest day and the rest."""
    end = whole.newest_day_hour
    history = History(
        rev=whole.known.rev,
        end_hour=end,
        hours={key: hours_where(found, found.hour < end) for key, found in whole.hours.items()},
        histograms={
            metric: histograms_where(found, found.bucket < end)
            for metric, found in whole.histograms.items()
        },
    )
    news = replace(
        whole,
        first_hour=end,
        hours={key: hours_where(found, found.hour >= end) for key, found in whole.hours.items()},
        histograms={
            metric: histograms_where(found, found.bucket >= end)
            for metric, found in whole.histograms.items()
        },
    )
    return history, news
