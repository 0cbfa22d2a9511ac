"""LiteLLM's SpendLogs and callback payloads as observations."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from gonogo.__main__ import run
from gonogo.ingest.formats.spend_logs import payload_fields, row_fields
from gonogo.ingest.observation import parse_observation
from gonogo.records import Observation

NOW_MS = 1_780_000_000_000
ROW: dict[str, object] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "spend": 0.00225,
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "startTime": "2026-04-01 10:00:00.250",
    "endTime": "2026-04-01 10:00:01.5",
    "model": "gpt-4o",
    "custom_llm_provider": "openai",
    "cache_hit": "False",
    "metadata": "{}",
    "status": "success",
}


def observed(fields: dict[str, object]) -> Observation:
    """Checked as every way in checks it."""
    parsed = parse_observation(fields, now_ms=NOW_MS, from_file=True)
    assert isinstance(parsed, Observation), parsed
    return parsed


def test_a_row_is_a_call() -> None:
    """Id, model, provider, money, tokens; times of PostgreSQL are UTC."""
    seen = observed(row_fields(ROW))
    assert (seen.id, seen.dependency, seen.kind) == ("chatcmpl-1", "gpt-4o", "model")
    assert (seen.provider, seen.cost_micro_usd, seen.latency_ms) == ("openai", 2250, 1250.0)
    assert (seen.input_tokens, seen.output_tokens, seen.error) == (10, 20, None)
    assert seen.ts_ms == 1_775_037_600_250


@pytest.mark.parametrize(
    ("changed", "attribute", "value"),
    [
        ({"startTime": "2026-04-01T10:00:00Z"}, "ts_ms", 1_775_037_600_000),
        ({"startTime": "2026-04-01 12:00:00+02"}, "ts_ms", 1_775_037_600_000),
        ({"request_duration_ms": "75"}, "latency_ms", 75.0),
        ({"endTime": ""}, "latency_ms", None),
        ({"mcp_namespaced_tool_name": "git-log"}, "dependency", "git-log"),
        ({"model": "", "model_group": "fast"}, "dependency", "fast"),
        ({"cache_hit": "True"}, "segments", {"cache": "hit"}),
        ({"status": "failure"}, "error", "error"),
        (
            {"status": "failure", "metadata": '{"error_information": {"error_code": "429"}}'},
            "error",
            "http_429",
        ),
        (
            {
                "status": "failure",
                "metadata": {"error_information": {"error_code": "", "error_class": "Timeout"}},
            },
            "error",
            "Timeout",
        ),
    ],
)
def test_what_versions_of_the_table_write(
    changed: dict[str, object], attribute: str, value: object
) -> None:
    """Columns that newer versions added, and the forms in which exports write them."""
    assert getattr(observed(row_fields({**ROW, **changed})), attribute) == value


def test_a_callback_s_payload_is_the_same_call() -> None:
    """The same id and dependency as its row has."""
    payload = {
        "id": "chatcmpl-1",
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "response_cost": 0.00225,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "startTime": 1_775_037_600.25,
        "endTime": 1_775_037_601.5,
        "status": "success",
        "cache_hit": None,
    }
    assert observed(payload_fields(payload)) == observed(row_fields(ROW))
    failed = {**payload, "status": "failure", "error_information": {"error_code": "529"}}
    assert observed(payload_fields(failed)).error == "http_529"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_that_is_read_twice_adds_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Rows are known by their request id, also among files; `--set` states what they lack."""
    rows = [
        {**ROW, "request_id": f"r{n}", "status": "failure" if n == 0 else "success"}
        for n in range(5)
    ]
    path = tmp_path / f"spend.{form}"
    with path.open("w", newline="") as file:
        if form == "csv":
            writer = csv.DictWriter(file, list(ROW))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    environ = {"HOME": str(tmp_path), "GONOGO_STORE": str(tmp_path / "gonogo.db")}
    command = ["ingest", str(path), "--format", "litellm-spend", "--set", "segments.team=a"]
    assert (run(command, environ), run(command, environ)) == (0, 0)
    first, *said, second, _, _, _ = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"spend.{form}: LiteLLM SpendLogs; 5 records of gpt-4o")
    assert first == "5 accepted, 0 duplicates, 0 updated, 0 refused"
    assert second == "0 accepted, 5 duplicates, 0 updated, 0 refused"


def test_another_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line names what is missing; so does a mapping beside the preset."""
    path = tmp_path / "other.csv"
    path.write_text("model,cost\nx,1\n")
    environ = {"HOME": str(tmp_path), "GONOGO_STORE": str(tmp_path / "gonogo.db")}
    command = ["ingest", str(path), "--format", "litellm-spend"]
    assert run(command, environ) == 65
    assert "has no column request_id, startTime: no LiteLLM SpendLogs." in capsys.readouterr().err
    assert run([*command, "--map", "dependency=model"], environ) == 64
