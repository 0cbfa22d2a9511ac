"""OTLP in: which observations come of spans, metrics and events, hand-made with opentelemetry-proto."""

from __future__ import annotations

import base64
import json

import pytest
from google.protobuf import json_format

from gonogo.ingest.otlp.collect import Collector
from gonogo.records import Observation
from otlp_requests import (
    JSON,
    NOW_MS,
    T0_NS,
    Attributes,
    log_request,
    read,
    set_attributes,
    span_request,
)


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
    assert (seen.id, seen.alias) == ("01" * 24, names.get("gen_ai.response.id"))
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


def test_a_failed_openinference_call_names_its_model_in_its_parameters() -> None:
    """Where nothing answered, what was asked for is told; parameters that are no JSON tell nothing."""
    asked = {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"model": "gpt-5"}'}
    assert one(asked, failed=True).dependency == "gpt-5"
    for text in ("{", "[1]", '{"model": 7}'):
        broken = {**asked, "llm.invocation_parameters": text}
        assert read(Collector(0), span_request(broken)).observations == []


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
        {"gen_ai.evaluation.score.value": 0.25, "gen_ai.evaluation.score.label": "incorrect"},
    )
    [seen] = read(Collector(0), request).observations
    assert (seen.error, seen.outcome, seen.metrics) == ("RateLimitError", 0.0, {"score": 0.25})


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
        ({"gen_ai.evaluation.score.label": "yes", "gen_ai.evaluation.score.value": 0.75}, 1.0),
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
    assert {(o.dependency, o.id) for o in seen} == {("gpt-5-2026", "01" * 24)}
    assert seen[-1].outcome == outcome
    assert seen[-1].outcome_ts_ms == (T0_NS + 1_000_000_000) // 1_000_000
    assert len(seen) == (2 if first == "span" else 1)


def test_several_evaluations_wait_for_one_call() -> None:
    """By its response and by its span: none of them is lost, and none waits on."""
    collector = Collector(0)
    event: Attributes = {"_name": "gen_ai.evaluation.result", "gen_ai.response.id": "resp-1"}
    bad = {"gen_ai.evaluation.name": "right", "gen_ai.evaluation.score.label": "fail"}
    score = {"gen_ai.evaluation.name": "toxicity", "gen_ai.evaluation.score.value": 0.5}
    read(collector, log_request({**event, **score}, span=1))
    read(collector, log_request({**event, **bad}))
    assert collector.tally.unmatched_outcomes == 2
    [seen] = read(collector, span_request(NEW)).observations
    assert (seen.outcome, seen.metrics) == (0.0, {"toxicity": 0.5})
    assert collector.tally.unmatched_outcomes == 0


@pytest.mark.parametrize(
    "cost",
    [{"gen_ai.cost.total_cost": 0.25}, {"operation.cost": 0.25}],
    ids=["litellm", "pydantic"],
)
def test_a_cost_is_read_as_its_gateway_states_it(cost: Attributes) -> None:
    """LiteLLM's and Pydantic AI's own names."""
    assert one({**NEW, **cost}).cost_micro_usd == 250_000


def test_observations_of_langfuse_s_sdk() -> None:
    """Its SDK exports spans: usage and cost are objects in JSON, and a failure is a level."""
    generation: Attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-5",
        "langfuse.observation.usage_details": '{"input": 10, "output": 3, "input_cached_tokens": 5}',
        "langfuse.observation.cost_details": '{"input": 0.2, "total": 0.25}',
        "langfuse.observation.level": "ERROR",
    }
    seen = one(generation)
    assert (seen.dependency, seen.error, seen.cost_micro_usd) == ("gpt-5", "error", 250_000)
    assert (seen.input_tokens, seen.output_tokens) == (15, 3)
    assert one({**generation, "langfuse.observation.level": "DEFAULT"}).error is None
    around = span_request({**generation, "langfuse.observation.type": "span"})
    assert read(Collector(0), around).observations == []


def test_an_evaluation_that_says_nothing_is_refused() -> None:
    """Neither a label that is known nor a score."""
    event = {"_name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.label": "purple"}
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
