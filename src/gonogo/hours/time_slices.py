"""Segments as they are asked for: at most one declared `key=value`, and slices of time.

Time slices are never stored: they are read off the hour, by its midpoint in the configured zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.hours.counts import histograms_where, hours_where
from gonogo.records import HOUR_MS, Histograms, HourCounts

if TYPE_CHECKING:
    from gonogo.detectors.arrays import Ints

DAY_TYPES = ("weekday", "weekend")
HOUR_BANDS = ("00-06", "06-12", "12-18", "18-24")
TIME_KEYS = {"day_type": DAY_TYPES, "hour_band": HOUR_BANDS}
FIRST_WEEKEND_DAY = 5
HOURS_A_DAY = 24
# Of the hours of a week, the first of its weekend.
WEEKEND_HOUR = FIRST_WEEKEND_DAY * HOURS_A_DAY
DAYS_A_BLOCK = 64
HOURS_A_BLOCK = HOURS_A_DAY * DAYS_A_BLOCK
EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday


@dataclass(frozen=True, slots=True)
class Slice:
    """A parsed segment: a declared part (`key=value`) or none, and parts read off the hour."""

    declared: str | None = None
    day_type: str | None = None
    hour_band: str | None = None

    @property
    def name(self) -> str:
        """The slice's name as a combined segment is written: keys sorted."""
        parts = {"day_type": self.day_type, "hour_band": self.hour_band}
        named = [f"{key}={value}" for key, value in parts.items() if value is not None]
        return ",".join(sorted([*named, *([self.declared] if self.declared else [])]))

    def of(self, counts: HourCounts, *, zone: str) -> HourCounts:
        """The rows whose hour lies in this slice of time."""
        inside = self._inside(counts.hour, zone=zone)
        if inside is None:
            return counts
        return hours_where(counts, inside)

    def of_histograms(self, found: Histograms, *, zone: str) -> Histograms:
        """The rows of hourly histograms that lie in this slice of time."""
        inside = self._inside(found.bucket, zone=zone)
        if inside is None:
            return found
        return histograms_where(found, inside)

    def _inside(self, hours: Ints, *, zone: str) -> NDArray[np.bool_] | None:
        """A mask of the hours that lie in this slice of time; None where all do."""
        if self.day_type is None and self.hour_band is None:
            return None
        inside = np.ones(hours.shape, dtype=bool)
        days, bands = time_cells(hours, zone=zone)
        if self.day_type is not None:
            inside &= days == DAY_TYPES.index(self.day_type)
        if self.hour_band is not None:
            inside &= bands == HOUR_BANDS.index(self.hour_band)
        return inside


def time_cells(hours: Ints, *, zone: str) -> tuple[Ints, Ints]:
    """The index of each hour into `DAY_TYPES` and into `HOUR_BANDS`, in local time."""
    of_week = hours_of_week(hours, zone=zone)
    day_types = (of_week // HOURS_A_DAY >= FIRST_WEEKEND_DAY).astype(np.int64)
    return day_types, of_week % HOURS_A_DAY // (HOURS_A_DAY // len(HOUR_BANDS))


def hours_of_week(hours: Ints, *, zone: str) -> Ints:
    """The hour of the week, 0 (Monday, first hour) to 167, of each hour's midpoint in local time."""
    if not len(hours):
        return np.zeros(0, dtype=np.int64)
    first, last = int(hours.min()) // HOURS_A_BLOCK, int(hours.max()) // HOURS_A_BLOCK
    table = np.concatenate([_block(zone, block) for block in range(first, last + 1)])
    of_week: Ints = table[hours - first * HOURS_A_BLOCK]
    return of_week


@lru_cache(maxsize=1000)
def _block(zone: str, block: int) -> Ints:
    """The hour of the week of each hour in a block of 64 days; shape (1536,)."""
    hours = np.arange(block * HOURS_A_BLOCK, (block + 1) * HOURS_A_BLOCK)
    days = range(block * DAYS_A_BLOCK, (block + 1) * DAYS_A_BLOCK)
    offsets = np.array([_day_offsets(zone, day) for day in days], dtype=np.int64)
    local_hours = (hours * 60 + 30 + offsets.ravel()) // 60 + EPOCH_WEEKDAY * HOURS_A_DAY
    of_week: Ints = local_hours % (7 * HOURS_A_DAY)
    return of_week


def _day_offsets(zone: str, day: int) -> tuple[int, ...]:
    """Minutes from UTC to local time at the midpoint of each hour of a UTC day."""
    place = ZoneInfo(zone)
    start = day * HOURS_A_DAY

    def offset(hour: int) -> int:
        when = datetime.fromtimestamp((hour * HOUR_MS + HOUR_MS // 2) / 1000, tz=place)
        shift = when.utcoffset()
        return 0 if shift is None else round(shift.total_seconds() / 60)

    first, last = offset(start), offset(start + HOURS_A_DAY - 1)
    if first == last:
        return (first,) * HOURS_A_DAY
    return tuple(offset(start + hour) for hour in range(HOURS_A_DAY))


def parse_segment(segment: str | None, declared: Sequence[str], *, dependency: str) -> Slice:
    """Read a segment argument.

    Raises:
        ParameterError: it is not `key=value[,key=value]`, or joins two declared keys.
        UnknownTarget: no such slice is known.
    """
    if segment is None:
        return Slice()
    found = Slice()
    for part in segment.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals:
            raise ParameterError(
                f"Segment '{plain(segment, 80)}' is not key=value; join two as day_type=weekend,KEY=VALUE."
            )
        if key in TIME_KEYS:
            if value not in TIME_KEYS[key]:
                raise UnknownTarget(key, value, TIME_KEYS[key])
            found = replace(found, **{key: value})
        elif part.strip() not in declared:
            times = [f"{k}={v}" for k, values in TIME_KEYS.items() for v in values]
            raise UnknownTarget(f"segment of {dependency}", part.strip(), [*declared, *times])
        elif found.declared is not None:
            raise ParameterError(
                f"Segment '{plain(segment, 80)}' joins two declared keys; only one of them and "
                "slices of time are kept together."
            )
        else:
            found = replace(found, declared=part.strip())
    return found
