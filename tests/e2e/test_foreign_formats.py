"""One command from what other tools write to the first verdict: recognised, said, asked."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from product import answer, typed

from gonogo.ingest.formats import FORMATS

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


# File, its text, the dependency to ask for, calls of it, outcomes and errors of the file.
FILES = [
    ("results.json", json.dumps(promptfoo(), indent=2), "openai:gpt-4", 6, 11, 1),
    ("one-line.json", json.dumps(promptfoo()), "openai:gpt-5", 6, 11, 1),
    ("results.jsonl", as_lines(promptfoo()["results"]["results"]), "openai:gpt-4", 6, 11, 1),
    ("log.json", json.dumps(inspect_log(), indent=1), "openai/gpt-4o", 4, 3, 1),
    ("output.jsonl", as_lines(BATCH), "gpt-4o", 3, 0, 2),
    ("items.json", json.dumps(EVALS), "gpt-4o", 3, 3, 0),
    ("obs.jsonl", as_lines([langfuse(i) for i in range(4)]), "gpt-4o", 3, 0, 1),
    ("obs.json", json.dumps({"data": [langfuse(i) for i in range(4)]}), "gpt-4o", 3, 0, 1),
    ("spans.csv", as_table(PHOENIX), "gpt-4o", 4, 4, 1),
    ("spans.json", json.dumps(PHOENIX, indent=2), "gpt-4o", 4, 4, 1),
    ("traces.json", json.dumps(MLFLOW), "answer", 3, 3, 1),
    ("requests.csv", as_table(HELICONE), "gpt-4o", 3, 1, 1),
    ("requests.json", json.dumps({"data": HELICONE}), "gpt-4o", 3, 1, 1),
    ("spend.csv", as_table(SPEND), "gpt-4o", 2, 0, 1),
]


@pytest.mark.parametrize(("name", "text", "dependency", "n", "outcomes", "errors"), FILES)
def test_a_file_is_recognised_by_what_it_holds(
    tmp_path: Path, name: str, text: str, dependency: str, n: int, outcomes: int, errors: int
) -> None:
    """Three lines say what it is, what became what, and what to ask; reading it again adds nothing."""
    store, path = tmp_path / "gonogo.db", tmp_path / name
    path.write_text(text)
    told = answer(typed("ingest", str(path), "--json", store=store))
    assert told["rejected"] == []
    what, became, following = told["understood"]
    assert what.startswith(f"{name}: ")
    assert f"{outcomes} outcome" in what
    assert f"{errors} error" in what
    assert became.startswith("Understood as dependency: ")
    assert following.startswith("Next: gonogo check ")
    known = answer(typed("list", "--json", store=store))["dependencies"]
    assert {line["dependency"]: line["n"] for line in known}[dependency] == n
    again = answer(typed("ingest", str(path), "--json", store=store))
    assert (again["accepted"], again["updated"]) == (0, 0)
    said = typed("ingest", str(path), store=store).stdout.splitlines()
    assert said[1:4] == again["understood"]


def test_what_the_last_line_says_can_be_asked(tmp_path: Path) -> None:
    """From a file to the first verdict: two commands, the second one copied."""
    store, path = tmp_path / "gonogo.db", tmp_path / "results.json"
    path.write_text(json.dumps(promptfoo(80), indent=2))
    following = answer(typed("ingest", str(path), "--json", store=store))["understood"][2]
    asked = following.removeprefix("Next: gonogo ").replace("'", "").split()
    verdict = answer(typed(*asked, "--json", store=store))
    assert verdict["dependency"] == "openai:gpt-4"
    assert verdict["golden"]["items"] == 40 if "golden" in verdict else verdict["summary"]


def test_the_samples_of_the_harness_are_of_the_model_of_their_folder(tmp_path: Path) -> None:
    """A row a filter is one answer; its second reading is a metric of it."""
    folder = tmp_path / "openai__gpt-4o"
    folder.mkdir()
    path = folder / "samples_gsm8k_2026-10-01T10-00-00.123456.jsonl"
    rows = [lm_eval(i, name) for i in range(8) for name in ("strict-match", "flexible-extract")]
    path.write_text(as_lines(rows))
    store = tmp_path / "gonogo.db"
    told = answer(typed("ingest", str(path), "--json", store=store))
    assert (told["accepted"], told["updated"], told["rejected"]) == (8, 8, [])
    known = answer(typed("list", "--json", store=store))["dependencies"]
    assert [(k["dependency"], k["n"]) for k in known] == [("openai/gpt-4o", 8)]
    assert "second readings of one answer" in told["understood"][1]


def test_an_eval_archive_is_read_as_its_log(tmp_path: Path) -> None:
    """Inspect's own form: a zip with a header and a file a sample."""
    log, path = inspect_log(), tmp_path / "2026_arc.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps({"eval": log["eval"]}))
        for sample in log["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
    told = answer(typed("ingest", str(path), "--json", store=tmp_path / "gonogo.db"))
    assert (told["accepted"], told["rejected"]) == (4, [])
    assert "3 outcomes, 1 error" in told["understood"][0]


def test_scores_find_their_calls_and_bare_numbers_are_no_outcomes(tmp_path: Path) -> None:
    """By observation or trace; a toxicity of 0 must not read as a failed call."""
    store = tmp_path / "gonogo.db"
    scores: list[dict[str, Any]] = [
        {
            "id": "a",
            "trace_id": "t1",
            "observation_id": "o1",
            "name": "ok",
            "value": 1,
            "data_type": "BOOLEAN",
        },
        {
            "id": "b",
            "trace_id": "t2",
            "observation_id": None,
            "name": "ok",
            "value": 0,
            "data_type": "BOOLEAN",
        },
        {
            "id": "c",
            "trace_id": "t3",
            "observation_id": "o3",
            "name": "toxicity",
            "value": 0,
            "data_type": "NUMERIC",
        },
        {
            "id": "d",
            "trace_id": "t9",
            "observation_id": "o9",
            "name": "ok",
            "value": 1,
            "data_type": "BOOLEAN",
        },
    ]
    (tmp_path / "scores.jsonl").write_text(as_lines(scores))
    (tmp_path / "obs.jsonl").write_text(as_lines([langfuse(i) for i in range(4)]))
    early = answer(typed("ingest", str(tmp_path / "scores.jsonl"), "--json", store=store))
    assert [row["problem"] for row in early["rejected"]] == [
        "no call with this id is stored; bring the calls first"
    ] * 4
    typed("ingest", str(tmp_path / "obs.jsonl"), store=store)
    late = answer(typed("ingest", str(tmp_path / "scores.jsonl"), "--json", store=store))
    assert (late["updated"], len(late["rejected"])) == (3, 1)
    drift = answer(typed("check", "drift", "gpt-4o", "--json", store=store))
    assert "toxicity" in json.dumps(drift) or drift["verdict"] == "unknown"
    listed = answer(typed("list", "--json", store=store))["dependencies"]
    assert {"outcome", "metrics.toxicity"} <= set(listed[0]["metrics"])


def test_formats_are_named_where_they_are_asked_for() -> None:
    """`--format` names every one; a wrong one says so; columns that are mapped are not recognised."""
    from gonogo.cli import ingest

    named = set(get_args(get_args(ingest.FormatOption)[0]))
    assert named == {"auto", "jsonl", "csv", *(one.name for one in FORMATS)}
    assert get_type_hints(type(FORMATS[0]))["name"] is str


def test_a_broken_document_is_said_in_one_line(tmp_path: Path) -> None:
    """Not in one line a line of it."""
    store, path = tmp_path / "gonogo.db", tmp_path / "results.json"
    path.write_text(json.dumps(promptfoo(), indent=2)[:-50])
    done = typed("ingest", str(path), store=store)
    assert done.returncode == 65
    assert "is one JSON document, and broken" in done.stderr
    path.write_text(json.dumps({"a": 1}) + "\n")
    wrong = typed("ingest", str(path), "--format", "promptfoo", store=store)
    assert "is no promptfoo results" in wrong.stderr
