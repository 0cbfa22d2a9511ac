"""Small files as other tools write them, by their documented forms."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

START_S = 1_790_000_000


def promptfoo(n: int = 12) -> Any:  # noqa: ANN401 - JSON
    """`promptfoo eval --output results.json`, version 3: two providers, a failure, an error, a cached one."""
    rows = []
    for i in range(n):
        row: dict[str, Any] = {
            "promptIdx": 0,
            "testIdx": i // 2,
            "testCase": {"vars": {"q": f"question {i // 2}"}},
            "provider": {"id": f"openai:gpt-{4 + i % 2}", "label": ""},
            "prompt": {"raw": "{{q}}", "label": "{{q}}"},
            "vars": {"q": f"question {i // 2}"},
            "response": {"output": "x", "tokenUsage": {"prompt": 10, "completion": 3}},
            "success": i != 3,
            "score": 1 if i != 3 else 0.2,
            "namedScores": {"tone": 0.5},
            "latencyMs": 100 + i,
            "cost": 0.001,
            "failureReason": 0,
            "gradingResult": {"pass": i != 3, "score": 1, "reason": "Assertion held"},
        }
        if i == 3:
            row |= {"failureReason": 1, "error": "Expected output to contain 'y'"}
        if i == 4:
            row |= {
                "failureReason": 2,
                "error": "API error: 429 Too Many Requests",
                "success": False,
            }
            row["gradingResult"] = None
        if i == 5:
            row["response"]["cached"] = True
        rows.append(row)
    results = {"version": 3, "timestamp": "2026-10-01T10:00:00.000Z", "results": rows}
    return {"evalId": "eval-abc", "results": results, "config": {}}


def inspect_log() -> dict[str, Any]:
    """A log of Inspect, two samples right, one wrong and one that failed."""
    samples = [
        {
            "id": i,
            "epoch": 1,
            "uuid": f"u{i}",
            "scores": {"match": {"value": "CCIC"[i]}} if i < 3 else {},
            "model_usage": {"openai/gpt-4o": {"input_tokens": 9, "output_tokens": 2}},
            "total_time": 1.5,
            "error": None if i < 3 else {"message": "boom", "traceback": ""},
        }
        for i in range(4)
    ]
    told = {
        "task": "arc",
        "model": "openai/gpt-4o",
        "created": "2026-10-01T10:00:00+00:00",
        "run_id": "r",
    }
    return {"version": 2, "status": "success", "eval": told, "samples": samples}


def langfuse(i: int) -> dict[str, Any]:
    """A row of Langfuse's blob export of observations."""
    return {
        "id": f"o{i}",
        "trace_id": f"t{i}",
        "type": "GENERATION" if i else "SPAN",
        "name": "answer",
        "start_time": f"2026-10-01 10:00:{i:02}.000000",
        "end_time": f"2026-10-01 10:00:{i + 1:02}.000000",
        "provided_model_name": "gpt-4o",
        "level": "ERROR" if i == 2 else "DEFAULT",
        "status_message": "rate limited" if i == 2 else None,
        "usage_details": {"input": 5, "output": 7},
        "total_cost": 0.01,
    }


def lm_eval(i: int, name: str) -> dict[str, Any]:
    """A line of lm-evaluation-harness's samples, gsm8k: a document and a filter."""
    right = float(i % 4 > 0)
    return {
        "doc_id": i,
        "doc": {"question": "?"},
        "target": "4",
        "arguments": {"gen_args_0": {}},
        "resps": [["4"]],
        "filtered_resps": ["4"],
        "filter": name,
        "metrics": ["exact_match"],
        "exact_match": right if name == "strict-match" else 1.0,
    }


BATCH: list[dict[str, Any]] = [
    {
        "id": "b0",
        "custom_id": "q0",
        "response": {"status_code": 400, "body": {"error": {}}},
        "error": None,
    },
    {
        "id": "b1",
        "custom_id": "q1",
        "response": {
            "status_code": 200,
            "body": {
                "model": "gpt-4o",
                "created": START_S,
                "usage": {"prompt_tokens": 3, "completion_tokens": 4},
            },
        },
        "error": None,
    },
    {
        "id": "b2",
        "custom_id": "q2",
        "response": None,
        "error": {"code": "batch_expired", "message": "x"},
    },
]
EVALS: dict[str, Any] = {
    "object": "list",
    "data": [
        {
            "object": "eval.run.output_item",
            "id": f"e{i}",
            "eval_id": "ev",
            "created_at": START_S,
            "datasource_item_id": i,
            "status": "pass" if i else "fail",
            "results": [{"name": "string_check", "passed": bool(i), "score": float(bool(i))}],
            "sample": {"model": "gpt-4o", "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        }
        for i in range(3)
    ],
}
PHOENIX = [
    {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "parent_id": None,
        "start_time": f"2026-10-01T10:00:0{i}.000000+00:00",
        "end_time": f"2026-10-01T10:00:0{i}.500000+00:00",
        "status_code": "ERROR" if i == 1 else "OK",
        "status_message": "RateLimitError: slow down" if i == 1 else "",
        "context.span_id": f"s{i}",
        "context.trace_id": f"t{i}",
        "attributes.llm.model_name": "gpt-4o",
        "attributes.llm.token_count.prompt": 11,
        "attributes.llm.token_count.completion": 5,
        "eval.Correctness.label": "incorrect" if i == 2 else "correct",
    }
    for i in range(4)
]
MLFLOW = [
    {
        "info": {
            "trace_id": f"tr-{i}",
            "request_time": "2026-10-01T10:00:00Z",
            "execution_duration": "1.5s",
            "state": "OK" if i else "ERROR",
            "tags": {"mlflow.traceName": "answer"},
            "assessments": [
                {"assessment_name": "correct", "feedback": {"value": i != 1}},
                {"assessment_name": "relevance", "feedback": {"value": 4}},
            ],
        },
        "data": {
            "spans": [
                {
                    "span_id": "s1",
                    "name": "chat",
                    "start_time_unix_nano": START_S * 10**9,
                    "end_time_unix_nano": START_S * 10**9 + 10**8,
                    "status": {"code": "STATUS_CODE_OK"},
                    "attributes": {
                        "mlflow.spanType": '"CHAT_MODEL"',
                        "mlflow.llm.model": '"gpt-4o"',
                        "mlflow.chat.tokenUsage": '{"input_tokens": 4, "output_tokens": 6}',
                    },
                }
            ]
        },
    }
    for i in range(3)
]
HELICONE = [
    {
        "request_id": f"h{i}",
        "request_created_at": "2026-10-01T10:00:00.000Z",
        "request_model": "gpt-4o",
        "response_status": "500" if i == 1 else "200",
        "delay_ms": "120",
        "prompt_tokens": "-1" if i == 1 else "4",
        "completion_tokens": "2",
        "cost_usd": "0.001",
        "feedback_rating": "true" if i == 2 else "",
    }
    for i in range(3)
]
SPEND = [
    {
        "request_id": f"r{i}",
        "model": "gpt-4o",
        "startTime": "2026-10-01 10:00:00",
        "endTime": "2026-10-01 10:00:01",
        "spend": "0.5",
        "status": "failure" if i else "success",
    }
    for i in range(2)
]


LANGSMITH: list[dict[str, Any]] = [
    {
        "id": f"r{i}",
        "name": "ChatOpenAI",
        "run_type": "llm" if i else "chain",
        "trace_id": f"t{i}",
        "start_time": "2026-10-01T10:00:00.100000",
        "end_time": "2026-10-01T10:00:01.100000",
        "error": "RateLimitError('slow down')" if i == 2 else None,
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_token_details": {"cache_read": 40},
        "total_cost": "0.0021",
        "extra": {"metadata": {"ls_model_name": "gpt-4o", "ls_provider": "openai"}},
        "feedback_stats": {
            "correctness": {"n": 1, "avg": None, "values": {"correct": 1}},
            "helpful": {"n": 1, "avg": 4.0, "values": {}},
        },
    }
    for i in range(4)
]
DATADOG = [
    {
        "id": f"{i}",
        "type": "span",
        "attributes": {
            "span_id": f"{i}",
            "trace_id": "t",
            "span_kind": "agent" if i == 0 else "llm",
            "name": "answer",
            "model_name": "gpt-4o-mini",
            "start_ns": (START_S + i) * 10**9,
            "duration": 83_000_000,
            "status": "error" if i == 1 else "ok",
            "metrics": {
                "input_tokens": 10,
                "cache_read_input_tokens": 4,
                "output_tokens": 10,
                "total_tokens": 20,
                "estimated_total_cost": 2_000_000,
            },
        },
    }
    for i in range(3)
]
ANTHROPIC = [
    {"custom_id": "a", "result": {"type": "errored", "error": {"error": {"type": "api_error"}}}},
    {
        "custom_id": "b",
        "result": {
            "type": "succeeded",
            "message": {
                "id": "msg_1",
                "model": "claude-x",
                "usage": {"input_tokens": 11, "cache_read_input_tokens": 9, "output_tokens": 3},
            },
        },
    },
    {"custom_id": "c", "result": {"type": "expired"}},
]
USAGE = [{"start_time": START_S, "end_time": START_S + 60, "results": [{"input_tokens": 9}]}]


def _braintrust(span: str, root: str, kind: str, **own: object) -> dict[str, Any]:
    times = {"start": 1790000000.0, "end": 1790000001.5}
    return {
        "id": span,
        "span_id": span,
        "root_span_id": root,
        "created": "2026-09-21T14:13:20Z",
        "metrics": {**times, "prompt_tokens": 10, "completion_tokens": 5},
        "span_attributes": {"name": kind, "type": kind},
        **own,
    }


# A trace with a call in it, and one of which only the root was traced.
BRAINTRUST = [
    _braintrust("r1", "r1", "eval", scores={"Factuality": 0.8, "Brevity": None}),
    _braintrust("c1", "r1", "llm", metadata={"model": "gpt-4o"}, error="429: slow down"),
    _braintrust("s1", "r1", "score", scores={"Factuality": 0.8}),
    _braintrust("r2", "r2", "task", metadata={"model": "gpt-4o"}, scores={"Factuality": 0.6}),
]


def as_lines(rows: list[dict[str, Any]]) -> str:
    """JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_table(rows: list[dict[str, Any]]) -> str:
    """CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
