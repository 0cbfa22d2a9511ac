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


def test_gemini_cli_tells_of_a_call_by_its_event_alone() -> None:
    """Its spans are those calls once more, without tokens; other agents' spans stay calls."""
    own: Attributes = {"gen_ai.agent.name": "gemini-cli", "gen_ai.request.model": "gemini-3"}
    tool: Attributes = {"gen_ai.agent.name": "gemini-cli", "gen_ai.tool.name": "grep"}
    spans = trace((1, 0, {**own, "gen_ai.operation.name": "llm_call"}), (2, 1, tool))
    collector = Collector(0)
    assert read(collector, spans).observations == []
    told = read(collector, log_request(*AGENT_EVENTS[-3:])).observations
    assert [o.dependency for o in told] == ["gemini-3", "gemini-3", "grep"]
    assert ids(collector, trace((3, 0, {**CHAT, "gen_ai.agent.name": "planner"})))


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


# A stream as Codex tells of it over HTTP, its last message among them, then four calls that failed.
CODEX: list[Attributes] = [
    {"_name": "codex.api_request", "http.response.status_code": 200, "duration_ms": 900},
    {"_name": "codex.sse_event", "event.kind": "response.output_item.done", "duration_ms": 3},
    {"_name": "codex.sse_event", "event.kind": "response.completed", "duration_ms": 2},
    {
        "_name": "codex.sse_event",
        "event.kind": "response.completed",
        "input_token_count": "11",
        "output_token_count": "7",
    },
    {"_name": "codex.sse_event", "event.kind": "response.failed", "error.message": "overloaded"},
    {"_name": "codex.sse_event", "event.kind": "response.completed", "error.message": "overloaded"},
    {"_name": "codex.websocket_request", "success": "true", "duration_ms": 4},
    {"_name": "codex.websocket_request", "success": "false", "error.message": "connection reset"},
    {"_name": "codex.websocket_connect", "success": "false", "http.response.status_code": 429},
    {"_name": "codex.api_request", "error.message": "timed out", "duration_ms": 9},
]


def test_codex_tells_of_a_stream_once_and_of_each_failure() -> None:
    """Its last message has the name and the kind of its end; what broke off is no success."""
    events = [{**event, "model": "gpt-5", "conversation.id": "c"} for event in CODEX]
    seen = read(Collector(0), log_request(*events)).observations
    assert [(one.input_tokens, one.error) for one in seen] == [
        (11, None),
        (None, "overloaded"),
        (None, "connection_reset"),
        (None, "http_429"),
        (None, "timeout"),
    ]


def test_a_span_of_claude_code_and_its_event_are_one_call() -> None:
    """Both carry the id of the request; the span's tokens and failure have names of their own."""
    told = {"model": "claude-x", "request_id": "req_1", "input_tokens": 2, "output_tokens": 9}
    told |= {"cache_read_tokens": 80, "cache_creation_tokens": 8}
    ended = {"_name": "claude_code.api_request", "cost_usd": 0.01, "duration_ms": 250, **told}
    own = {"gen_ai.system": "anthropic", "gen_ai.request.model": "claude-x", "success": True}
    spans = span_request({**own, **told}, {**own, "request_id": "req_2", "success": False})
    tool = span_request({"tool_name": "Bash", "gen_ai.tool.call.id": "toolu_1"})
    for request in (spans, tool):
        for span in request.resource_spans[0].scope_spans[0].spans:
            span.name = "claude_code.llm_request" if request is spans else "claude_code.tool"
    collector = Collector(0)
    seen = read(collector, spans).observations + read(collector, tool).observations
    [event] = read(collector, log_request(ended)).observations
    assert [(one.id, one.input_tokens, one.error) for one in seen] == [
        (event.id, event.input_tokens, None),
        ("req_2", None, "error"),
    ]
    assert (event.dependency, event.input_tokens) == (seen[0].dependency, 90)


def test_a_tool_is_named_by_what_its_tracer_names_it() -> None:
    """OpenLLMetry has a kind and a name of its own; OpenInference may name the span alone."""
    request = span_request(
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "search"},
        {"traceloop.span.kind": "workflow", "traceloop.entity.name": "rag"},
        {"openinference.span.kind": "TOOL"},
        {"openinference.span.kind": "CHAIN"},
    )
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.name = "lookup"
    seen = read(Collector(0), request).observations
    assert [(one.dependency, one.kind) for one in seen] == [("search", "tool"), ("lookup", "tool")]
