"""Metrics as calls: what counters and histograms have grown by, spread over the calls they count.

A histogram says how many calls there were; its values are told back at the middles of its buckets,
scaled so that their mean is the true one. Counters (tokens, cost) of the same export are spread
over those calls, or make one observation where no histogram counts any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate, pairwise, repeat
from typing import TYPE_CHECKING, NamedTuple

from gonogo.ingest.error_codes import error_code_of
from gonogo.ingest.otlp.names import CLAUDE_CODE_SLOTS, SLOTS, Scalar, Tally, read_attributes
from gonogo.ingest.otlp.same_calls import RecentEntries
from gonogo.ingest.otlp.spans import call_fields

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        NumberDataPoint,
    )

    Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint

# One point may stand for so many calls; each becomes an observation.
CALLS_MAX = 10_000
CUMULATIVE = 2

# None: the attribute `gen_ai.token.type` or `type` says which tokens.
QUANTITIES: dict[str, str | None] = {
    "gen_ai.client.operation.duration": "latency_ms",
    "gen_ai.client.inference.duration": "latency_ms",
    "gen_ai.execute_tool.duration": "latency_ms",
    "mcp.client.operation.duration": "latency_ms",
    "mcp.server.operation.duration": "latency_ms",
    "gen_ai.client.token.usage": None,
    "gen_ai.client.inference.usage.input_tokens": "input_tokens",
    "gen_ai.client.inference.usage.output_tokens": "output_tokens",
    "claude_code.token.usage": None,
    "claude_code.cost.usage": "cost_usd",
}
TOKEN_TYPES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "prompt": "input_tokens",
    "completion": "output_tokens",
}
UNITS_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 1e-6}

SERIES = 20_000


@dataclass(slots=True)
class MetricCalls:
    """Fields of observations, and the points that could not be told."""

    calls: list[dict[str, object]] = field(default_factory=list)
    refused: int = 0
    problem: str | None = None


class _Key(NamedTuple):
    dependency: str
    kind: str
    provider: str | None
    error: str | None
    time_ns: int


@dataclass(slots=True)
class _Group:
    """The metrics of one export about those calls of one dependency that ended alike."""

    values: dict[str, list[float]] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)


def metric_calls(
    metrics: Sequence[Metric], differences: Differences, tally: Tally, service: str, source: str
) -> MetricCalls:
    """The calls that an export's metrics tell of.

    Args:
        metrics: Of one resource.
        differences: The state of cumulative series; brought forward.
        tally: Counts points, and names that mean nothing.
        service: The resource's `service.name`.
        source: What tells this resource from others.
    """
    told = MetricCalls()
    groups: dict[_Key, _Group] = {}
    for metric in metrics:
        if metric.name not in QUANTITIES:
            tally.note_unknown(metric.name)
            continue
        for point, shape, cumulative in _points(metric):
            tally.items += 1
            slots = CLAUDE_CODE_SLOTS if metric.name.startswith("claude_code.") else SLOTS
            found = read_attributes(point.attributes, tally, slots)
            quantity = QUANTITIES[metric.name] or TOKEN_TYPES.get(str(found.get("token_type")))
            fields = call_fields(found, service)
            # Workers that were forked share a resource: what tells their counters apart is their start.
            series = _hash(f"{source} {metric.name} {shape.start_ns} {sorted(found.items())}")
            grown = differences.grown(series, shape, cumulative=cumulative)
            if quantity is None or fields is None or grown is None:
                tally.ignored += 1
            elif grown.count > CALLS_MAX:
                told.refused += 1
                told.problem = f"a point counts {grown.count} calls; at most {CALLS_MAX}"
            else:
                key = _key(fields, found, point.time_unix_nano)
                scale = UNITS_MS.get(metric.unit, 1000.0) if quantity == "latency_ms" else 1.0
                _add(groups.setdefault(key, _Group()), quantity, grown, scale)
    for key, group in groups.items():
        told.calls += _spread(key, group, source)
    return told


def _points(metric: Metric) -> Iterator[tuple[Point, Shape, bool]]:
    kind = metric.WhichOneof("data")
    if kind == "sum" and metric.sum.is_monotonic:
        cumulative = metric.sum.aggregation_temporality == CUMULATIVE
        for point in metric.sum.data_points:
            value = point.as_double if point.HasField("as_double") else float(point.as_int)
            yield point, Shape(point.start_time_unix_nano, 0, value), cumulative
    elif kind == "histogram":
        cumulative = metric.histogram.aggregation_temporality == CUMULATIVE
        for plain in metric.histogram.data_points:
            counts = {i: n for i, n in enumerate(plain.bucket_counts) if n}
            bounds = tuple(plain.explicit_bounds)
            start = plain.start_time_unix_nano
            yield plain, Shape(start, plain.count, plain.sum, counts, bounds), cumulative
    elif kind == "exponential_histogram":
        cumulative = metric.exponential_histogram.aggregation_temporality == CUMULATIVE
        for point_ in metric.exponential_histogram.data_points:
            positive = point_.positive
            counts = {positive.offset + i: n for i, n in enumerate(positive.bucket_counts) if n}
            yield (
                point_,
                Shape(
                    point_.start_time_unix_nano,
                    point_.count,
                    point_.sum,
                    counts,
                    scale=point_.scale,
                    zeros=point_.zero_count,
                ),
                cumulative,
            )


def _key(fields: dict[str, object], found: dict[str, Scalar], time_ns: int) -> _Key:
    provider = fields.get("provider")
    error = found.get("error")
    return _Key(
        str(fields["dependency"]),
        str(fields["kind"]),
        None if provider is None else str(provider),
        None if error is None else error_code_of(str(error)),
        time_ns,
    )


def _add(group: _Group, quantity: str, grown: Growth, scale: float) -> None:
    if grown.count:
        values = group.values.setdefault(quantity, [])
        values += [value * scale for value in grown.values()]
    elif grown.total:
        group.totals[quantity] = group.totals.get(quantity, 0.0) + grown.total


def _spread(key: _Key, group: _Group, source: str) -> Iterable[dict[str, object]]:
    """An observation a call; a list that is shorter than the others leaves its field out."""
    n = max((len(values) for values in group.values.values()), default=0)
    n = n or bool(group.totals)
    stem = _hash(f"{source} {key}")
    columns = {
        quantity: _whole(values) if quantity.endswith("_tokens") else values
        for quantity, values in group.values.items()
    }
    for quantity, total in group.totals.items():
        share = [total / n] * n
        columns[quantity] = _whole(share) if quantity.endswith("_tokens") else share
    for place in range(n):
        measured = {
            quantity: column[place] for quantity, column in columns.items() if place < len(column)
        }
        yield {
            "id": f"{stem}-{place}",
            "dependency": key.dependency,
            "kind": key.kind,
            "provider": key.provider,
            "error": key.error,
            "ts": key.time_ns / 1e9,
            **measured,
        }


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()


def _whole(values: Sequence[float]) -> list[float]:
    """Token counts are whole: what rounding leaves over goes to the next call."""
    ends = [round(end) for end in accumulate(values, initial=0.0)]
    return [after - before for before, after in pairwise(ends)]


# Growth of a cumulative series: points differenced, restarts noticed, scales brought together.
#
# Source: OpenTelemetry metrics data model, "Temporality", "Resets and gaps", "Exponential scale".


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a metric's point: a sum (`count` 0), a histogram (`bounds`), or an exponential one (`scale`)."""

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
    """The growth of a counter since its last point."""

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
        self._last: RecentEntries[str, Shape] = RecentEntries(SERIES)
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
        """The growth that a point adds; None where it adds nothing, or where that cannot be known."""
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
