"""`gonogo ingest --hours-only`: the verdicts of a Parquet file's calls, of which none is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from product import typed

START = datetime(2026, 4, 1, tzinfo=UTC)
OPTIONS = (
    *("--map", "dependency=model", "--map", "ts=at", "--map", "outcome=verdict"),
    *("--map", "latency_ms=took_s*1000", "--map", "segments.tier=tier", "--map", "metrics.f1=f1"),
    *("--error-when", "finish=length"),
)
QUESTIONS = (
    ("drift", "search", "--until", "2026-04-21"),
    ("drift", "search", "--metric", "latency_ms", "--until", "2026-04-21"),
    ("drift", "search", "--metric", "error", "--until", "2026-04-21"),
    ("drift", "search", "--metric", "metrics.f1", "--until", "2026-04-21"),
    ("drift", "search", "--metric", "outcome", "--segment", "tier=paid", "--until", "2026-04-21"),
    ("trust", "search"),
)


def calls(n: int, step_s: int = 1800) -> dict[str, list[object]]:
    """Columns of calls as people have them: words, nothing, sentences for errors, and some that are wrong."""
    rng = np.random.default_rng(3)
    words = ["pass", "Passed", "fail", "N/A", None]
    errors = [None, "", "ok", "None", "Request timed out after 30 s", "Error code: 429 - slow down"]
    latencies = rng.lognormal(0, 1, n)
    latencies[::50] = -1.0
    f1 = rng.random(n)
    f1[::40] = np.nan
    return {
        "model": [("search", " search", "kb")[k % 3] for k in range(n)],
        "at": [START.replace(tzinfo=None) + timedelta(seconds=step_s * k) for k in range(n)],
        "version": [int(k > n // 2) for k in range(n)],
        "verdict": [words[k] for k in rng.choice(5, n, p=[0.5, 0.2, 0.1, 0.1, 0.1])],
        "error": [errors[k] for k in rng.choice(6, n, p=[0.3, 0.3, 0.1, 0.1, 0.1, 0.1])],
        "finish": [("stop", "Length", None)[k % 7 % 3] for k in range(n)],
        "took_s": latencies.tolist(),
        "confidence": rng.random(n).tolist(),
        "input_tokens": [int(k) for k in rng.integers(0, 2000, n)],
        "tier": [("free", "paid", "")[k % 3] for k in rng.integers(0, 3, n)],
        "f1": f1.tolist(),
    }


def parquet(path: Path, columns: dict[str, list[object]]) -> Path:
    """A Parquet file of columns."""
    pq.write_table(pa.table(columns), path)
    return path


def answers(store: Path) -> list[dict[str, object]]:
    """What is answered of the calls, but for when."""
    told = []
    for question in QUESTIONS:
        said = json.loads(typed("check", *question, "--json", store=store).stdout)
        told.append(
            {
                k: v
                for k, v in said.items()
                if k not in ("as_of", "data_age_s", "decision_id", "whole")
            }
        )
    return told


def test_the_answers_are_those_of_the_calls(tmp_path: Path) -> None:
    """Figure by figure, and as many rows are refused for the same reasons; the file again changes nothing."""
    file = parquet(tmp_path / "calls.parquet", calls(960))
    rows, hours = tmp_path / "rows.db", tmp_path / "hours.db"
    as_rows = typed("ingest", str(file), *OPTIONS, "--timezone", "UTC", store=rows)
    once = typed("ingest", str(file), *OPTIONS, "--timezone", "UTC", "--hours-only", store=hours)
    assert as_rows.stdout.startswith("940 accepted, 0 duplicates, 0 updated, 20 refused")
    assert "of 940 calls of search" in once.stdout
    told = "latency_ms: must not be negative, got -1000"
    assert told in as_rows.stdout
    assert told in once.stdout
    assert answers(hours) == answers(rows)
    again = typed("ingest", str(file), *OPTIONS, "--timezone", "UTC", "--hours-only", store=hours)
    assert again.stdout.startswith("0 accepted")
    listed = json.loads(typed("list", "--json", store=hours).stdout)
    assert {row["dependency"]: row["n"] for row in listed["dependencies"]} == {
        "search": 640 - 13,
        "kb": 320 - 7,
    }
    assert sum(row["n"] for row in listed["refused"]) == 20


def test_a_sample_counts_in_budgets_as_what_it_stands_for(tmp_path: Path) -> None:
    """As its calls do; where weights differ nothing is taken, since no call can be drawn from an hour."""
    file = parquet(
        tmp_path / "calls.parquet", calls(960) | {"weight": [20.0] * 960, "cost_usd": [0.001] * 960}
    )
    units = ("usd", "calls", "tokens", "minutes")
    tables = [
        f'[budgets.{unit}]\nunit = "{unit}"\nlimit_usd = 9e6\ndependencies = ["search", "kb"]\n'
        for unit in units
    ]
    (tmp_path / "gonogo.toml").write_text("".join(tables))
    mixed = parquet(tmp_path / "mixed.parquet", calls(96) | {"weight": [1.0, 20.0] * 48})
    told = []
    for store, how in ((tmp_path / "rows.db", ()), (tmp_path / "hours.db", ("--hours-only",))):
        typed("ingest", str(file), *OPTIONS, "--timezone", "UTC", *how, store=store)
        environ = {"GONOGO_CONFIG": str(tmp_path / "gonogo.toml")}
        checks = [
            typed("check", "budget", unit, "--usd", "1", "--json", store=store, environ=environ)
            for unit in units
        ]

        spent = [json.loads(check.stdout)["spent_usd"] for check in checks]
        told.append((spent, answers(store)))
    assert told[0][0][:2] == [0.001 * 20 * 940, 20 * 940]
    assert told[0] == told[1]
    refused = typed(
        "ingest", str(mixed), *OPTIONS, "--timezone", "UTC", "--hours-only", store=tmp_path / "m.db"
    )
    assert refused.stdout.startswith("0 accepted")
    assert "from hours none can be drawn" in refused.stdout


def test_a_column_that_is_left_out_is_said_in_the_next_verdicts(tmp_path: Path) -> None:
    """As of a file whose rows are kept."""
    file = parquet(tmp_path / "calls.parquet", calls(960) | {"customer": ["ACME"] * 960})
    store = tmp_path / "s.db"
    options = (*OPTIONS, "--timezone", "UTC", "--hours-only", "--ignore-unknown")
    told = typed("ingest", str(file), *options, store=store).stdout
    assert "calls.parquet: left out: column 'customer'." in told
    for question in QUESTIONS[0], ("preflight", "--dependency", "search"):
        told = typed("check", *question, store=store).stdout
        assert "Left out when it came in: column 'customer' of calls.parquet." in told
    [kb, search] = json.loads(typed("list", "--json", store=store).stdout)["dependencies"]
    assert kb["left_out"] == search["left_out"] == ["column 'customer' of calls.parquet"]


def test_files_that_share_an_hour_add_up(tmp_path: Path) -> None:
    """Each is known by where it lies; one that has grown takes the place of what it was."""
    columns = calls(100, step_s=60)
    store = tmp_path / "s.db"
    options = (*OPTIONS, "--timezone", "UTC", "--hours-only")
    for name, part in (("a", slice(0, 51)), ("b", slice(51, 70)), ("b", slice(51, 100))):
        file = parquet(tmp_path / f"{name}.parquet", {k: v[part] for k, v in columns.items()})
        told = typed("ingest", str(file), *options, store=store)
    assert "took the place of" in told.stdout
    listed = json.loads(typed("list", "--json", store=store).stdout)
    assert sum(row["n"] for row in listed["dependencies"]) == 98


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"verdict": ["ok", "ok", "kaputt", "ok"] * 25}, OPTIONS, "--good-when verdict=VALUE"),
        ({}, OPTIONS[2:], "columns that are no fields: 'model'"),
        ({}, (*OPTIONS, "--format", "csv"), "leave out --format"),
        ({"at": ["2026-04-01T00:00:00Z"] * 100}, OPTIONS, "ts is text"),
    ],
)
def test_what_cannot_be_counted_is_said_in_one_line(
    tmp_path: Path, change: dict[str, list[object]], options: tuple[str, ...], said: str
) -> None:
    """And nothing is stored of it."""
    file = parquet(tmp_path / "calls.parquet", calls(100) | change)
    store = tmp_path / "s.db"
    refused = typed("ingest", str(file), *options, "--timezone", "UTC", "--hours-only", store=store)
    assert refused.returncode in (64, 65)
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.stderr


def test_a_file_that_is_no_parquet_is_refused_in_one_line(tmp_path: Path) -> None:
    """A table of text, one that is cut off, one that is not there, and times in no zone."""
    text = tmp_path / "calls.csv"
    text.write_text("dependency,outcome\nm,1\n")
    whole = parquet(tmp_path / "calls.parquet", calls(100)).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    for name in ("calls.csv", "cut.parquet", "none.parquet", "calls.parquet"):
        told = typed(
            "ingest", str(tmp_path / name), *OPTIONS, "--hours-only", store=tmp_path / "s.db"
        )
        assert told.returncode in (65, 66)
        assert told.stderr.count("\n") == 1
        assert "crashed" not in told.stderr
