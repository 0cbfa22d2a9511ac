"""OTLP in: metrics as calls, what cannot be read, and the answers to exports."""

from __future__ import annotations

import gzip
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from gonogo.ingest.otlp.collect import Collector
from gonogo.ingest.otlp.counters import Differences, Shape
from gonogo.ingest.otlp.wire import BODY_BYTES_MAX, MalformedMessage, answer, failure, unpacked
from otlp_requests import DELTA, JSON, NOW_MS, PROTOBUF, metric_request, read, span_request

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
    with pytest.raises(MalformedMessage) as refused:
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
        with pytest.raises(MalformedMessage) as refused:
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
