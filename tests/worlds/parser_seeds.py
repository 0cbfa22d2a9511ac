"""Whole inputs for every parser, to be cut, spliced and damaged."""

from __future__ import annotations

from otlp_requests import log_request, span_request

SPAN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4",
    "gen_ai.usage.input_tokens": 3,
    "error.type": "timeout",
    "gonogo.outcome": 0.5,
}
EVENT = {"_name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.value": 0.5}
JSON_SPAN = (
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0a","spanId":"0b","startTimeUnixNano":'
    b'"1","endTimeUnixNano":2,"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":'
    b'"chat"}},{"key":"gen_ai.request.model","value":{"arrayValue":{"values":[{"intValue":"7"}]}}}]}]}]}]}'
)
SEEDS = [
    b'{"dependency": "m", "ts": 1780000000, "outcome": true, "segments": {"a": "b"}, "latency_ms": 1e3}\n',
    b'{"dependency": "m", "embedding": [1, 2.5], "metrics": {"x": -1}, "error": "http_500"}\n',
    b'dependency,ts,outcome,segments.tier,"output"\nm,2026-05-01T12:00:00Z,0.5,new,"a\nb"\n',
    JSON_SPAN,
    span_request(SPAN, {**SPAN, "session.id": "x"}).SerializeToString(),
    log_request(EVENT, {"_name": "claude_code.api_request", "cost_usd": "0.1"}).SerializeToString(),
    (
        b'[settings]\nretention = "90d"\n[dependencies.m]\nquality_bar = 0.8\nfallback = ["a"]\n'
        b'[budgets.b]\nlimit_usd = 5\nwindow = "day"\n[probes.p]\nurl = "http://localhost"\nevery = "1h"\n'
    ),
    (
        b'{"flags": {"m": {"state": "ENABLED", "variants": {"a": "a"}, "defaultVariant": "a", "metadata": '
        b'{"gonogo_epoch": 3}, "targeting": {"fractional": [["a", 100]]}}}}'
    ),
    (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{}}}\n'
        b'{"jsonrpc":"2.0","id":1,"result":{"isError":true}}\n'
    ),
    b"2026-05-01T12:00:00+02:00",
    b"9999-12-31",
    b"0001-01-01T00:00:00+14:00",
    b"t=1780000100,v1=00ff",
    (
        b'{"request_id": "r", "model": "gpt", "startTime": "2026-05-01 12:00:00", "endTime": '
        b'"2026-05-01T12:00:01+00", "spend": "0.1", "prompt_tokens": "7", "status": "failure", "metadata": "{}"}\n'
    ),
    b'{"id": "r", "model": "gpt", "startTime": 1780000000.5, "endTime": 1780000001, "status": "failure"}\n',
]
