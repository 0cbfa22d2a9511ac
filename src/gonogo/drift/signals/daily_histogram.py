"""A metric's histogram by day, as the daily signals read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gonogo.detectors.bins import centres, layout_named
from gonogo.drift.signals.budget_shares import is_weekend
from gonogo.hours.time_slices import DAY_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gonogo.drift.signals.budget_shares import SignalQuestion
    from gonogo.records import Floats, Histograms, Ints

VALUES_MIN = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class DailyShape:
    """A metric's histogram by day, dense: `table` has shape (days, bins)."""

    layout: str
    day: Ints
    bins: Ints
    table: Floats

    @property
    def centre(self) -> Floats:
        """The value that stands for each bin."""
        return centres(layout_named(self.layout), self.bins)

    @classmethod
    def of(cls, found: Histograms, end_day: int) -> DailyShape | None:
        """All versions added up, days before `end_day`; None where there is nothing."""
        kept = found.bucket[found.row] < end_day
        if not kept.any():
            return None
        day, row = np.unique(found.bucket[found.row][kept], return_inverse=True)
        bins, place = np.unique(found.bins[kept], return_inverse=True)
        counted = np.bincount(
            row * len(bins) + place, found.counts[kept], minlength=len(day) * len(bins)
        )
        table = counted.astype(np.float64).reshape(len(day), len(bins))
        return cls(found.layout, day, bins, table)

    def on(self, days: NDArray[np.bool_]) -> DailyShape:
        """The days that are picked."""
        return DailyShape(self.layout, self.day[days], self.bins, self.table[days])

    def over(self, bins: Ints) -> DailyShape:
        """The histogram over a larger set of bins, ascending."""
        table = np.zeros((len(self.day), len(bins)))
        table[:, np.searchsorted(bins, self.bins)] = self.table
        return DailyShape(self.layout, self.day, bins, table)

    def cells(self) -> dict[str | None, DailyShape]:
        """The whole, and what is left of it in the week and at weekends (UTC days)."""
        weekend = is_weekend(self.day)
        parts = zip(DAY_TYPES, (~weekend, weekend), strict=True)
        return {None: self} | {f"day_type={name}": self.on(inside) for name, inside in parts}


async def read_shape(
    asked: SignalQuestion, metric: str, *, golden: bool = False, segment: str | None = None
) -> DailyShape | None:
    """A metric's days, of a slice or of the golden set; None where it has none."""
    found = await asked.telemetry.histograms(
        asked.dependency,
        metric,
        golden=golden,
        segment=segment,
        end_hour=asked.end_day * 24,
        daily=True,
    )
    return DailyShape.of(found, asked.end_day)
