"""Export requests as SDKs make them, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gonogo.ingest.otlp.collect import Batch, Collector

PROTOBUF, JSON = "application/x-protobuf", "application/json"
NOW_MS = 1_780_000_100_000
T0_NS = 1_780_000_000_000_000_000
DELTA = 1

Attributes = Mapping[str, object]


def set_attributes(into: Any, attributes: Attributes) -> None:  # noqa: ANN401 - any message with attributes
    """Write attributes as SDKs do."""
    for key, value in attributes.items():
        told = into.add(key=key).value
        if isinstance(value, bool):
            told.bool_value = value
        elif isinstance(value, int):
            told.int_value = value
        elif isinstance(value, float):
            told.double_value = value
        else:
            told.string_value = str(value)


def span_request(*spans: Attributes, failed: bool = False) -> ExportTraceServiceRequest:
    """Spans of 250 ms; their ids count from 1."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    set_attributes(resource.resource.attributes, {"service.name": "app"})
    scope = resource.scope_spans.add()
    for number, attributes in enumerate(spans, 1):
        span = scope.spans.add(trace_id=bytes([number]) * 16, span_id=bytes([number]) * 8)
        span.start_time_unix_nano = T0_NS
        span.end_time_unix_nano = T0_NS + 250_000_000
        span.status.code = 2 if failed else 0
        set_attributes(span.attributes, attributes)
    return request


def log_request(*records: Attributes, span: int = 0) -> ExportLogsServiceRequest:
    """Log records; `_name` is the event's name."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    set_attributes(resource.resource.attributes, {"service.name": "claude-code"})
    scope = resource.scope_logs.add()
    for attributes in records:
        record = scope.log_records.add(time_unix_nano=T0_NS + 1_000_000_000)
        if span:
            record.trace_id, record.span_id = bytes([span]) * 16, bytes([span]) * 8
        record.event_name = str(attributes.get("_name", ""))
        rest = {key: value for key, value in attributes.items() if key != "_name"}
        set_attributes(record.attributes, rest)
    return request


def read(collector: Collector, request: Any) -> Batch:  # noqa: ANN401 - one of three messages
    """Read a request as protobuf."""
    signal: Any = {
        "ExportTraceServiceRequest": "traces",
        "ExportLogsServiceRequest": "logs",
        "ExportMetricsServiceRequest": "metrics",
    }[type(request).__name__]
    return collector.read(signal, request.SerializeToString(), PROTOBUF, now_ms=NOW_MS)


def metric_request(
    *points: tuple[str, str, int, Attributes, Mapping[str, Any]], start_ns: int = T0_NS
) -> ExportMetricsServiceRequest:
    """Points: (name, kind, temporality, attributes, fields)."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    set_attributes(resource.resource.attributes, {"service.name": "app"})
    scope = resource.scope_metrics.add()
    for name, kind, temporality, attributes, fields in points:
        metric = scope.metrics.add(name=name, unit="s" if name.endswith("duration") else "")
        data = getattr(metric, kind)
        data.aggregation_temporality = temporality
        if kind == "sum":
            data.is_monotonic = True
        point = data.data_points.add(
            start_time_unix_nano=start_ns, time_unix_nano=T0_NS + 60_000_000_000, **fields
        )
        set_attributes(point.attributes, attributes)
    return request
