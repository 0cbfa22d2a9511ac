"""One call told several times is one call; ids of responses only find evaluations; a 0 is a 0."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gonogo.ingest.otlp.collect import Collector
from gonogo.settings import EvaluationSettings
from otlp_requests import NOW_MS, T0_NS, Attributes, log_request, read, set_attributes, span_request

CHAT: Attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5"}
TOOL: Attributes = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "search"}


def trace(*spans: tuple[int, int, Attributes], trace_id: int = 1) -> ExportTraceServiceRequest:
    """Spans of one trace: each its number, its parent's (0: none) and its attributes."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, parent, attributes in spans:
        span = scope.spans.add(trace_id=bytes([trace_id]) * 16, span_id=bytes([number]) * 8)
        if parent:
            span.parent_span_id = bytes([parent]) * 8
        span.start_time_unix_nano = T0_NS
        span.end_time_unix_nano = T0_NS + 250_000_000
        set_attributes(span.attributes, attributes)
    return request


def ids(collector: Collector, *requests: ExportTraceServiceRequest) -> set[tuple[str, str | None]]:
    """The calls that exports tell of."""
    return {(o.dependency, o.id) for r in requests for o in read(collector, r).observations}


def test_nested_spans_of_one_call_are_one_call_in_any_order() -> None:
    """Two instrumentations, and client, server and tool of one MCP call, in one export or in three."""
    http: Attributes = {"http.method": "POST"}
    chat = [(1, 0, CHAT), (2, 1, http), (3, 2, {**CHAT, "gen_ai.response.model": "gpt-5-2026"})]
    tool = [(1, 0, TOOL), (2, 1, TOOL), (3, 2, {**TOOL, "gen_ai.operation.name": "execute_tool"})]
    for spans in (chat, tool):
        for order in (spans, spans[::-1], [spans[1], spans[2], spans[0]]):
            assert len(ids(Collector(0), trace(*order))) == 1
        for order in (spans, spans[::-1]):
            assert len(ids(Collector(0), *[trace(one) for one in order])) == 1
            assert len(ids(Collector(0), *[trace(one) for one in order], trace(*spans))) == 1


def test_a_retry_below_its_caller_is_two_calls() -> None:
    """A wrapper around two calls tells of none; calls of other models stay themselves."""
    retried = trace((2, 1, CHAT), (3, 1, CHAT), (1, 0, CHAT))
    assert len(ids(Collector(0), retried)) == 2
    other = trace((2, 1, {"gen_ai.request.model": "gpt-4"}), (1, 0, CHAT))
    assert len(ids(Collector(0), other)) == 2


def test_ids_that_servers_repeat_or_draw_out_lose_no_call() -> None:
    """Ollama counts to 999 and begins again; the Responses API's ids have 245 characters."""
    for response in ("chatcmpl-7", "resp_" + "x" * 240):
        own = {**CHAT, "gen_ai.response.id": response}
        collector = Collector(0)
        seen = read(collector, span_request(own, own, own)).observations
        assert len({o.id for o in seen}) == 3
        event = {"_name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.label": "pass"}
        told = read(collector, log_request({**event, "gen_ai.response.id": response}))
        assert [o.id for o in told.observations] == [seen[-1].id]


def test_a_zero_is_a_zero_and_an_empty_attribute_is_none() -> None:
    """Embeddings answer with no tokens; a failed call costs nothing; an end before its start is no 0 ms."""
    own = {**CHAT, "gen_ai.usage.output_tokens": 0, "gen_ai.usage.cost": 0.0, "error.type": ""}
    [seen] = read(Collector(0), span_request(own)).observations
    assert (seen.output_tokens, seen.cost_micro_usd, seen.error) == (0, 0, None)
    request = span_request(CHAT)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.end_time_unix_nano = T0_NS - 1
    collector = Collector(0)
    [late] = read(collector, request).observations
    assert (late.latency_ms, collector.tally.untimed) == (None, 1)


def test_a_bare_score_is_a_metric_unless_it_is_said_what_is_good() -> None:
    """Relevance from 1 to 5, toxicity whose best is 0; a label is an outcome by itself."""
    score = {"_name": "gen_ai.evaluation.result", "gen_ai.response.id": "r"}
    said = {"relevance": 4, "toxicity": 0.0}
    asked = {
        "relevance": EvaluationSettings("relevance", outcome=True, good_at=4),
        "toxicity": EvaluationSettings("toxicity", outcome=True, good_at_most=0.1),
    }
    for name, value in said.items():
        for evaluations, outcome in (({}, None), (asked, 1.0)):
            collector = Collector(0, evaluations)
            read(collector, span_request({**CHAT, "gen_ai.response.id": "r"}))
            event = {
                **score,
                "gen_ai.evaluation.name": name,
                "gen_ai.evaluation.score.value": value,
            }
            [seen] = read(collector, log_request(event)).observations
            assert (seen.outcome, seen.metrics) == (outcome, {name: value})


AGENT_EVENTS: list[Attributes] = [
    {
        "_name": "codex.api_request",
        "model": "gpt-5",
        "http.response.status_code": 429,
        "duration_ms": 5,
    },
    {
        "_name": "codex.api_request",
        "model": "gpt-5",
        "http.response.status_code": 200,
        "duration_ms": 5,
    },
    {
        "_name": "codex.sse_event",
        "event.kind": "response.completed",
        "model": "gpt-5",
        "input_token_count": 3,
    },
    {"_name": "codex.tool_result", "tool_name": "shell", "success": "false", "duration_ms": 9},
    {
        "_name": "gemini_cli.api_response",
        "model": "gemini-3",
        "duration_ms": 7,
        "output_token_count": 2,
    },
    {
        "_name": "gemini_cli.api_error",
        "model": "gemini-3",
        "error": "boom happened",
        "status_code": 503,
    },
    {
        "_name": "gemini_cli.tool_call",
        "function_name": "grep",
        "success": True,
        "duration_ms": 1,
    },
]


def test_coding_agents_and_vercel_tell_of_their_calls() -> None:
    """Codex, Gemini CLI and the AI SDK, each by its own names."""
    seen = read(Collector(0), log_request(*AGENT_EVENTS)).observations
    assert [(o.dependency, o.error) for o in seen] == [
        ("gpt-5", "http_429"),
        ("gpt-5", None),
        ("shell", "tool_error"),
        ("gemini-3", None),
        ("gemini-3", "http_503"),
        ("grep", None),
    ]
    assert [o.provider for o in seen[:1]] == ["openai"]
    vercel: list[Attributes] = [
        {"ai.model.id": "gpt-5", "ai.usage.promptTokens": 4, "ai.usage.completionTokens": 0},
        {"ai.toolCall.name": "weather"},
    ]
    spans = read(Collector(0), span_request(*vercel)).observations
    assert [(o.dependency, o.kind, o.output_tokens) for o in spans] == [
        ("gpt-5", "model", 0),
        ("weather", "tool", None),
    ]
    assert NOW_MS
