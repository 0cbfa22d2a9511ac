"""OTLP in: which observations come of spans, metrics and events, hand-made with opentelemetry-proto."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gonogo.ingest.otlp.collect import Batch, Collector
from gonogo.ingest.otlp.differences import Differences, Shape
from gonogo.ingest.otlp.wire import BODY_BYTES_MAX, Malformed, answer, failure, unpacked
from gonogo.records import Observation

PROTOBUF, JSON = "application/x-protobuf", "application/json"
NOW_MS = 1_780_000_100_000
T0_NS = 1_780_000_000_000_000_000
DELTA, CUMULATIVE = 1, 2

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


def one(attributes: Attributes, *, failed: bool = False) -> Observation:
    """The observation of one span."""
    [observation] = read(Collector(0), span_request(attributes, failed=failed)).observations
    return observation


NEW = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2026",
    "gen_ai.response.id": "resp-1",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 3,
}
OLD = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-5-2026",
    "gen_ai.usage.prompt_tokens": 10,
    "gen_ai.usage.completion_tokens": 3,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.model_name": "gpt-5-2026",
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 3,
    "llm.cost.total": 0.25,
}


@pytest.mark.parametrize("names", [NEW, OLD, OPENINFERENCE], ids=["new", "old", "openinference"])
def test_a_model_s_span_in_every_generation_of_names(names: Attributes) -> None:
    """The model that answered, else the one that was asked; tokens, provider, time, latency."""
    seen = one(names)
    assert (seen.dependency, seen.kind, seen.provider) == ("gpt-5-2026", "model", "openai")
    assert (seen.input_tokens, seen.output_tokens) == (10, 3)
    assert (seen.ts_ms, seen.latency_ms, seen.error) == (T0_NS // 1_000_000, 250.0, None)
    assert seen.id == names.get("gen_ai.response.id", "01" * 24)
    assert seen.cost_micro_usd == (250_000 if names is OPENINFERENCE else None)


@pytest.mark.parametrize(
    ("attributes", "dependency", "kind"),
    [
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}, "search", "tool"),
        ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "search"}, "search", "tool"),
        ({"mcp.method.name": "resources/read", "server.address": "files"}, "files", "api"),
        ({"mcp.method.name": "tools/list"}, "app", "api"),
        ({"openinference.span.kind": "TOOL", "tool.name": "search"}, "search", "tool"),
        ({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e"}, "e", "model"),
    ],
)
def test_tools_and_mcp_servers(attributes: Attributes, dependency: str, kind: str) -> None:
    """A tool by its name; a server by its own, its address, or its service."""
    seen = one(attributes)
    assert (seen.dependency, seen.kind) == (dependency, kind)


def test_what_stands_around_calls_is_not_counted_again() -> None:
    """Agents, chains and ordinary spans are ignored; names that mean nothing are counted."""
    collector = Collector(0)
    batch = read(
        collector,
        span_request(
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-5"},
            {"openinference.span.kind": "CHAIN", "llm.model_name": "gpt-5"},
            {"http.request.method": "GET"},
            {**NEW, "gen_ai.nonsense": 1},
        ),
    )
    assert len(batch.observations) == 1
    assert (collector.tally.items, collector.tally.ignored) == (4, 3)
    assert collector.tally.unknown_keys == {"http.request.method": 1, "gen_ai.nonsense": 1}


@pytest.mark.parametrize(
    ("attributes", "code"),
    [({}, "error"), ({"error.type": "429"}, "http_429"), ({"error.type": "a b/c"}, "a_b_c")],
)
def test_a_failed_span_has_an_error(attributes: Attributes, code: str) -> None:
    """By its type where there is one."""
    assert one({**NEW, **attributes}, failed=True).error == code


def test_an_exception_names_the_error_and_an_evaluation_is_the_outcome() -> None:
    """Span events of both sorts."""
    request = span_request(NEW, failed=True)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    set_attributes(
        span.events.add(name="exception").attributes, {"exception.type": "openai.RateLimitError"}
    )
    set_attributes(
        span.events.add(name="gen_ai.evaluation.result").attributes,
        {"gen_ai.evaluation.score.value": 0.25},
    )
    [seen] = read(Collector(0), request).observations
    assert (seen.error, seen.outcome) == ("RateLimitError", 0.25)


def test_an_application_states_fields_itself() -> None:
    """`gonogo.FIELD` is the field; a wrong one is refused alone, with its problem."""
    own = {"gonogo.outcome": 1, "gonogo.segments.tier": "new", "gonogo.budget": "nightly"}
    seen = one({**NEW, **own})
    assert (seen.outcome, dict(seen.segments), seen.budget) == (1.0, {"tier": "new"}, "nightly")
    batch = read(Collector(0), span_request({**NEW, "gonogo.outcome": 7}, NEW))
    assert (len(batch.observations), batch.refused) == (1, 1)
    assert batch.problem == "outcome must be between 0 and 1, got 7"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"gen_ai.evaluation.score.label": "Pass"}, 1.0),
        ({"gen_ai.evaluation.score.label": "fail", "gen_ai.evaluation.score.value": 1.0}, 0.0),
        ({"gen_ai.evaluation.score.value": 0.75}, 0.75),
    ],
)
@pytest.mark.parametrize("first", ["span", "evaluation"])
@pytest.mark.parametrize("by", ["response", "span"])
def test_an_evaluation_fills_the_outcome(
    said: Attributes, outcome: float, first: str, by: str
) -> None:
    """Whichever comes first, by response id or by span; the label says which way is good."""
    collector, spans = Collector(0), span_request(NEW)
    event = {"_name": "gen_ai.evaluation.result", **said}
    if by == "response":
        logs = log_request({**event, "gen_ai.response.id": "resp-1"})
    else:
        logs = log_request(event, span=1)
    both = [spans, logs] if first == "span" else [logs, spans]
    seen = [o for request in both for o in read(collector, request).observations]
    assert {(o.dependency, o.id) for o in seen} == {("gpt-5-2026", "resp-1")}
    assert seen[-1].outcome == outcome
    assert seen[-1].outcome_ts_ms == (T0_NS + 1_000_000_000) // 1_000_000
    assert len(seen) == (2 if first == "span" else 1)


def test_an_evaluation_without_a_scale_is_refused() -> None:
    """A score outside [0, 1] says nothing about right or wrong."""
    event = {"_name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.value": 4.0}
    batch = read(Collector(0), log_request({**event, "gen_ai.response.id": "r"}))
    assert (batch.refused, batch.observations) == (1, [])


def test_claude_code_s_events() -> None:
    """Requests, failed requests and tools; numbers may come as text, names in three places."""
    collector = Collector(0)
    request = log_request(
        {
            "event.name": "api_request",
            "model": "claude-x",
            "cost_usd": "0.02",
            "duration_ms": "1500",
            "input_tokens": 7,
            "output_tokens": 5,
            "request_id": "req-1",
        },
        {"_name": "claude_code.api_error", "model": "claude-x", "status_code": "529", "error": "x"},
        {"event.name": "tool_result", "tool_name": "Bash", "success": "false", "duration_ms": 9},
        {"event.name": "user_prompt", "prompt_length": 3},
    )
    for record in request.resource_logs[0].scope_logs[0].log_records:
        name = next((a.value.string_value for a in record.attributes if a.key == "event.name"), "")
        record.body.string_value = f"claude_code.{name}" if name else ""
    called, failed, tool = read(collector, request).observations
    assert (called.dependency, called.provider, called.id) == ("claude-x", "anthropic", "req-1")
    assert (called.cost_micro_usd, called.latency_ms, called.input_tokens) == (20_000, 1500.0, 7)
    assert (failed.dependency, failed.error) == ("claude-x", "http_529")
    assert (tool.dependency, tool.kind, tool.error) == ("Bash", "tool", "tool_error")
    assert collector.tally.ignored == 1
    again = read(collector, request).observations
    assert [o.id for o in again] == [called.id, failed.id, tool.id]


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


MODEL = {"gen_ai.request.model": "gpt-5", "gen_ai.operation.name": "chat"}


def test_histograms_of_one_export_are_the_calls_that_they_count() -> None:
    """Durations and tokens of the same calls make one observation a call, with the true means."""
    request = metric_request(
        (
            "gen_ai.client.operation.duration",
            "histogram",
            DELTA,
            MODEL,
            {
                "count": 4,
                "sum": 10.0,
                "bucket_counts": [0, 3, 1],
                "explicit_bounds": [1.0, 2.0],
            },
        ),
        (
            "gen_ai.client.token.usage",
            "exponential_histogram",
            DELTA,
            {**MODEL, "gen_ai.token.type": "input"},
            {
                "count": 4,
                "sum": 101.0,
                "scale": 2,
                "positive": {"offset": 18, "bucket_counts": [2, 2]},
            },
        ),
        ("gen_ai.client.inference.usage.output_tokens", "sum", DELTA, MODEL, {"as_int": 10}),
    )
    seen = read(Collector(0), request).observations
    assert len(seen) == 4
    assert {o.dependency for o in seen} == {"gpt-5"}
    assert math.isclose(sum(o.latency_ms or 0 for o in seen), 10_000)
    assert sum(o.input_tokens or 0 for o in seen) == 101
    assert sorted(o.output_tokens or 0 for o in seen) == [2, 2, 3, 3]
    assert len({o.id for o in seen}) == 4


def test_claude_code_s_counters_are_one_observation_an_export() -> None:
    """Tokens and cost of a model without its events."""
    request = metric_request(
        ("claude_code.cost.usage", "sum", DELTA, {"model": "claude-x"}, {"as_double": 0.5}),
        (
            "claude_code.token.usage",
            "sum",
            DELTA,
            {"model": "claude-x", "type": "output"},
            {"as_int": 40},
        ),
        (
            "claude_code.token.usage",
            "sum",
            DELTA,
            {"model": "claude-x", "type": "cacheRead"},
            {"as_int": 9000},
        ),
    )
    [seen] = read(Collector(0), request).observations
    assert (seen.dependency, seen.cost_micro_usd, seen.output_tokens) == ("claude-x", 500_000, 40)


def test_metrics_of_calls_that_spans_tell_are_not_counted_again() -> None:
    """The same service and dependency; another service's metrics count."""
    collector = Collector(0)
    read(collector, span_request(MODEL))
    request = metric_request(
        ("gen_ai.client.operation.duration", "histogram", DELTA, MODEL, {"count": 1, "sum": 1.0})
    )
    assert read(collector, request).observations == []
    attributes = request.resource_metrics[0].resource.attributes
    attributes[0].value.string_value = "other"
    assert len(read(collector, request).observations) == 1


def test_a_point_of_too_many_calls_is_refused() -> None:
    """A few bytes must not become a million observations."""
    request = metric_request(
        (
            "gen_ai.client.operation.duration",
            "histogram",
            DELTA,
            MODEL,
            {"count": 10**9, "sum": 1.0},
        )
    )
    batch = read(Collector(0), request)
    assert (batch.refused, batch.observations) == (1, [])


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=8), min_size=1, max_size=8),
    st.sets(st.integers(1, 7)),
    st.lists(st.integers(0, 3), min_size=8, max_size=8),
)
def test_cumulative_points_grow_by_what_came(
    batches: list[list[int]], restarts: set[int], coarser: list[int]
) -> None:
    """Oracle: the values themselves. Restarts begin anew, and scales may get coarser meanwhile."""
    differences, held, start = Differences(0), list[int](), 1
    for number, batch in enumerate(batches):
        if number in restarts and batch:
            held, start = [], start + 1
        held += batch
        counts: dict[int, int] = {}
        for index in held:
            counts[index >> coarser[number]] = counts.get(index >> coarser[number], 0) + 1
        shape = Shape(start, len(held), float(sum(held)), counts, scale=4 - coarser[number])
        grown = differences.grown("s", shape, cumulative=True)
        if not batch:
            assert grown is None
            continue
        assert grown is not None
        assert (grown.count, grown.total) == (len(batch), float(sum(batch)))
        if batches and sum(grown.buckets.values()) == len(batch):
            assert len(list(grown.values())) == len(batch)
            assert math.isclose(sum(grown.values()), sum(batch), abs_tol=1e-9) or not sum(batch)


def test_a_series_that_is_older_than_the_receiver_only_begins() -> None:
    """How much of it was counted elsewhere is not known; what comes later is."""
    differences = Differences(since_ms=1_000)
    assert differences.grown("s", Shape(1, 0, 50.0), cumulative=True) is None
    grown = differences.grown("s", Shape(1, 0, 53.0), cumulative=True)
    assert grown is not None
    assert grown.total == 3.0
    young = differences.grown("y", Shape(2_000_000_000, 0, 7.0), cumulative=True)
    assert young is not None
    assert young.total == 7.0


def test_json_and_protobuf_tell_the_same() -> None:
    """OTLP/JSON writes ids in hex and may have keys that nobody knows."""
    request = span_request({key: v for key, v in NEW.items() if key != "gen_ai.response.id"})
    raw = json_format.MessageToDict(request)
    span = raw["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for key in ("traceId", "spanId"):
        span[key] = base64.b64decode(span[key]).hex()
    span["futureKey"] = {"deep": [1]}
    body = json.dumps(raw).encode()
    by_json = Collector(0).read("traces", body, JSON, now_ms=NOW_MS).observations
    assert by_json == read(Collector(0), request).observations


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400),
        (b"{", JSON, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}', JSON, 400),
        (b'{"resourceSpans": 7}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b"", "text/plain", 415),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, content_type: str, status: int) -> None:
    """With the status that tells the exporter not to send it again."""
    with pytest.raises(Malformed) as refused:
        Collector(0).read("traces", body, content_type, now_ms=NOW_MS)
    assert refused.value.status == status


def test_gzip_is_bounded() -> None:
    """A small body may not become a large one."""
    assert unpacked(gzip.compress(b"abc"), "gzip") == b"abc"
    assert unpacked(b"abc", None) == b"abc"
    for body, encoding, status in (
        (gzip.compress(bytes(BODY_BYTES_MAX + 1)), "gzip", 413),
        (b"no gzip", "gzip", 400),
        (gzip.compress(b"abc")[:-6], "gzip", 400),
        (b"abc", "br", 415),
    ):
        with pytest.raises(Malformed) as refused:
            unpacked(body, encoding)
        assert refused.value.status == status


def test_partial_success_is_told_as_the_specification_asks() -> None:
    """An empty response where all was taken; else how many were not, and why."""
    assert answer("traces", PROTOBUF, rejected=0, problem=None) == b""
    told = ExportTraceServiceResponse.FromString(
        answer("traces", PROTOBUF, rejected=2, problem="why")
    )
    assert told.partial_success.rejected_spans == 2
    assert told.partial_success.error_message == "why"
    logs = json.loads(answer("logs", JSON, rejected=1, problem="why"))
    assert logs == {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "why"}}
    assert failure(PROTOBUF, "é" * 100) == b"\x12\xc8\x01" + ("é" * 100).encode()
