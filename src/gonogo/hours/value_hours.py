"""A metric's histograms hour by hour, and what they come to on the scale of a baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gonogo.detectors.arrays import Floats, Ints
from gonogo.detectors.bins import bin_of_one, centres, layout_named, layout_of
from gonogo.detectors.values.ranks import SparseRows
from gonogo.detectors.values.scale import ValueScale, ValueSums, value_scale
from gonogo.hours.rate_hours import days_of, groups_of
from gonogo.hours.stream_cache import CachedStream
from gonogo.records import MICRO, Histograms


@dataclass(frozen=True, slots=True, eq=False)
class ValueHours:
    """A metric hour by hour, ascending, all versions together; sums in the metric's unit.

    Shapes (hours,). `powers` are the count, the sum and the sum of squares of what is binned, about
    `origin`; shape (3, hours).
    """

    metric: str
    hour: Ints
    n: Floats
    total: Floats
    origin: float
    powers: Floats

    def part(self, low: int, high: int | None = None) -> ValueHours:
        """The hours `low <= index < high`."""
        cut = slice(low, high)
        return ValueHours(
            self.metric,
            self.hour[cut],
            self.n[cut],
            self.total[cut],
            self.origin,
            self.powers[:, cut],
        )

    def by_day(self) -> tuple[Ints, Floats, Floats]:
        """Days since 1970 with their counts and sums, ascending."""
        days, at = days_of(self.hour)
        n, total = (np.bincount(at, each).astype(np.float64) for each in (self.n, self.total))
        return days, n, total

    def moments(self) -> tuple[float, float, float]:
        """Count, mean and standard deviation.

        Bins tell no spread that is narrower than they are: latencies of 100 to 102 ms have one bin. There it is
        told by how far the hours' means, which are kept exactly, lie apart.
        """
        n = float(self.n.sum())
        mean = float(self.total.sum()) / n if n else 0.0
        size, first, second = self.powers.sum(axis=1).tolist()
        size = max(size, 1.0)
        variance = max(second / size - (first / size) ** 2, 0.0)
        if variance < self._bin_width(mean) ** 2:
            variance = max(variance, self._between_hours(mean))
        return n, mean, math.sqrt(variance)

    def _bin_width(self, value: float) -> float:
        layout = layout_of(self.metric)
        place = bin_of_one(layout, value)
        return float(layout.upper(place) - layout.lower(place))

    def _between_hours(self, mean: float) -> float:
        """The variance of a value as that of the hours' means tells it; 0 of a single hour."""
        means = self.total / np.maximum(self.n, 1)
        return float(self.n @ (means - mean) ** 2) / max(len(means) - 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class MetricHours:
    """A metric's hours with their histograms: of a history, and of what came since.

    `remembered`: what was made of the history.
    """

    hours: ValueHours
    old: SparseRows
    new: SparseRows
    remembered: CachedStream

    def then(self, news: Histograms) -> MetricHours:
        """A history and the hours since."""
        mine = self.hours
        later = metric_hours(news, origin=mine.origin if len(mine.hour) else None)
        hours = ValueHours(
            mine.metric,
            np.concatenate((mine.hour, later.hours.hour)),
            np.concatenate((mine.n, later.hours.n)),
            np.concatenate((mine.total, later.hours.total)),
            later.hours.origin,
            np.concatenate((mine.powers, later.hours.powers), axis=1),
        )
        return MetricHours(hours, self.old, later.old, self.remembered)

    def before(self, end_hour: int) -> MetricHours:
        """The hours before one."""
        high = int(np.searchsorted(self.hours.hour, end_hour))
        if high == len(self.hours.hour):
            return self
        if high >= self.old.rows:
            new = self.new.cut(0, high - self.old.rows)
            return MetricHours(self.hours.part(0, high), self.old, new, self.remembered)
        old, none = self.old.cut(0, high), self.new.cut(0, 0)
        return MetricHours(self.hours.part(0, high), old, none, CachedStream(0))

    def scaled(self, low: int, high: int) -> tuple[ValueScale, ValueSums]:
        """The scale of a baseline `low <= index < high`, and all hours from it on summed up on it.

        Raises:
            NotEnoughData: the baseline holds no value.
        """
        if high > self.old.rows:
            scale = value_scale(self._rows().cut(low, high))
            return scale, scale.sums(self._rows()).since(low)

        def summed() -> tuple[ValueScale, ValueSums]:
            scale = value_scale(self.old.cut(low, high))
            return scale, scale.sums(self.old).since(low)

        end_hour = int(self.hours.hour[high - 1]) + 1
        scale, sums = self.remembered.once(("scaled", low, high), end_hour, summed)
        return scale, sums.then(scale.sums(self.new))

    def _rows(self) -> SparseRows:
        old, new = self.old, self.new
        return SparseRows(
            old.rows + new.rows,
            np.concatenate((old.row, new.row + old.rows)),
            np.concatenate((old.bins, new.bins)),
            np.concatenate((old.counts, new.counts)),
        )


def metric_hours(found: Histograms, *, origin: float | None = None) -> MetricHours:
    """Histograms as a history without news; about its first value where no origin is given."""
    hours, at = groups_of(found.bucket)
    row, size = at[found.row], len(hours)
    centre = centres(layout_named(found.layout), found.bins)
    if origin is None:
        origin = float(centre[0]) if len(centre) else 0.0
    off = centre - origin
    first = found.counts * off
    powers = [np.bincount(row, one, size) for one in (found.counts, first, first * off)]
    made = ValueHours(
        metric=found.metric,
        hour=hours,
        n=np.bincount(at, found.n, minlength=size).astype(np.float64),
        total=np.bincount(at, found.sum, minlength=size) / MICRO,
        origin=origin,
        powers=np.array(powers, dtype=np.float64),
    )
    counts = found.counts.astype(np.float64)
    none = np.zeros(0, dtype=np.int64)
    return MetricHours(
        made,
        SparseRows(size, row, found.bins, counts),
        SparseRows(0, none, none, np.zeros(0)),
        CachedStream(0),
    )
