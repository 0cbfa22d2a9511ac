"""Growth of a cumulative series: points differenced, restarts noticed, scales brought together.

Source: OpenTelemetry metrics data model, "Temporality", "Resets and gaps", "Exponential scale".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat

from gonogo.ingest.otlp.recent import Recent

__all__ = ["Differences", "Growth", "Shape"]

SERIES = 20_000


@dataclass(frozen=True, slots=True)
class Shape:
    """One point: a sum (`count` 0), a histogram (`bounds`), or an exponential one (`scale`)."""

    start_ns: int
    count: int
    total: float
    buckets: Mapping[int, int] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    scale: int | None = None
    zeros: int = 0

    @classmethod
    def parse(cls, text: str) -> Shape:
        """A point as `text` has it."""
        start_ns, count, total, buckets, bounds, scale, zeros = json.loads(text)
        places = {int(place): n for place, n in buckets.items()}
        return cls(start_ns, count, total, places, tuple(bounds), scale, zeros)

    @property
    def text(self) -> str:
        """The point as JSON, to be stored."""
        said = (self.start_ns, self.count, self.total, dict(self.buckets), self.bounds)
        return json.dumps([*said, self.scale, self.zeros], separators=(",", ":"))

    def at_scale(self, scale: int | None) -> Mapping[int, int]:
        """The buckets at a coarser scale, into which each falls whole."""
        if scale is None or self.scale is None or scale >= self.scale:
            return self.buckets
        coarse: dict[int, int] = {}
        for index, n in self.buckets.items():
            place = index >> (self.scale - scale)
            coarse[place] = coarse.get(place, 0) + n
        return coarse


@dataclass(frozen=True, slots=True)
class Growth:
    """What has come since the last point."""

    count: int
    total: float
    buckets: Mapping[int, int]
    bounds: tuple[float, ...]
    scale: int | None
    zeros: int

    def values(self) -> Iterator[float]:
        """A value a call, ascending: the middles of the buckets, scaled to the true mean."""
        middles = [(0.0, self.zeros)] if self.zeros else []
        middles += [(self._middle(index), n) for index, n in sorted(self.buckets.items())]
        counted = sum(n for _, n in middles)
        if counted != self.count:
            # A histogram without buckets: every call at the mean.
            middles = [(self.total / self.count, self.count)]
        told = sum(middle * n for middle, n in middles)
        factor = self.total / told if told > 0 and self.total > 0 else 1.0
        for middle, n in middles:
            yield from repeat(middle * factor, n)

    def _middle(self, index: int) -> float:
        if self.scale is not None:
            return float(2.0 ** ((index + 0.5) * 2.0**-self.scale))
        low = self.bounds[index - 1] if 0 < index <= len(self.bounds) else 0.0
        return (low + self.bounds[index]) / 2 if index < len(self.bounds) else low


class Differences:
    """The last point of every cumulative series; beyond 20,000 the oldest are forgotten.

    Args:
        since_ms: A series that began after this and was not seen before counts whole; of an older
            one it is not known how much was counted elsewhere, so its first point only begins it.
    """

    def __init__(self, since_ms: int) -> None:
        self._since_ns = since_ms * 1_000_000
        self._last: Recent[str, Shape] = Recent(SERIES)
        self._moved: dict[str, Shape] = {}

    def restore(self, points: Mapping[str, str]) -> None:
        """Go on from points that an earlier process kept."""
        for series, text in points.items():
            self._last.keep(series, Shape.parse(text))

    def moved(self) -> dict[str, str]:
        """The last points of series that moved since this was last asked, to be kept."""
        moved, self._moved = self._moved, {}
        return {series: shape.text for series, shape in moved.items()}

    def grown(self, series: str, shape: Shape, *, cumulative: bool) -> Growth | None:
        """What is new in a point; None where nothing is, or where it cannot be told."""
        if not cumulative:
            return _grown(shape)
        last = self._last.get(series)
        self._last.keep(series, shape)
        if last != shape:
            self._moved[series] = shape
        if last is None:
            return _grown(shape) if shape.start_ns >= self._since_ns else None
        restarted = (
            shape.start_ns > last.start_ns or shape.total < last.total or shape.count < last.count
        )
        return _grown(shape) if restarted else _difference(last, shape)


def _grown(shape: Shape) -> Growth | None:
    if not shape.count and not shape.total:
        return None
    return Growth(shape.count, shape.total, shape.buckets, shape.bounds, shape.scale, shape.zeros)


def _difference(last: Shape, shape: Shape) -> Growth | None:
    scale = shape.scale
    if scale is not None and last.scale is not None:
        scale = min(scale, last.scale)
    before, after = last.at_scale(scale), shape.at_scale(scale)
    buckets = {i: n - before.get(i, 0) for i, n in after.items() if n > before.get(i, 0)}
    return _grown(
        Shape(
            shape.start_ns,
            shape.count - last.count,
            shape.total - last.total,
            buckets,
            shape.bounds,
            scale,
            max(shape.zeros - last.zeros, 0),
        )
    )
