"""One command from what other tools write to the first verdict: recognised, said, asked."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pytest
from product import answer, typed
from pyarrow import parquet

from foreign_files import (
    ANTHROPIC,
    BATCH,
    BRAINTRUST,
    DATADOG,
    EVALS,
    HELICONE,
    LANGSMITH,
    MLFLOW,
    PHOENIX,
    SPEND,
    USAGE,
    as_lines,
    as_table,
    inspect_log,
    langfuse,
    lm_eval,
    promptfoo,
)
from gonogo.ingest.formats import FORMATS

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
    ("runs.jsonl", as_lines(LANGSMITH), "gpt-4o", 3, 3, 1),
    ("runs.json", json.dumps({"runs": LANGSMITH}), "gpt-4o", 3, 3, 1),
    ("bt.jsonl", as_lines(BRAINTRUST), "gpt-4o", 2, 0, 1),
    ("bt.json", json.dumps({"events": BRAINTRUST[::-1]}), "gpt-4o", 2, 0, 1),
    ("export.json", json.dumps({"data": DATADOG}, indent=1), "gpt-4o-mini", 2, 0, 1),
    ("results.jsonl", as_lines(ANTHROPIC), "claude-x", 2, 0, 1),
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
    command = following.removeprefix("Next: gonogo ").partition(", and ")[0]
    asked = command.replace("'", "").split()
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


def packed_by_zstd(entries: dict[str, object]) -> bytes:
    """A zip as Inspect writes it, which Python's own module does not before 3.14."""
    body, directory = b"", b""
    for name, value in entries.items():
        content, at = json.dumps(value).encode(), len(body)
        packed = pa.compress(content, "zstd", asbytes=True)
        sizes = (93, 0, 33, zlib.crc32(content), len(packed), len(content), len(name), 0)
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 63, 0, *sizes) + name.encode() + packed
        entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 63, 63, 0, *sizes, 0, 0, 0, 0, at)
        directory += entry + name.encode()
    n = len(entries)
    return (
        body
        + directory
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, n, n, len(directory), len(body), 0)
    )


def test_an_eval_archive_packed_by_zstd_is_read_and_a_broken_sample_refused(tmp_path: Path) -> None:
    """Inspect packs so since 2026; a sample whose bytes were damaged is refused alone."""
    log, path = inspect_log(), tmp_path / "log.eval"
    entries: dict[str, object] = {"header.json": {"eval": log["eval"]}}
    entries |= {f"samples/{one['id']}_epoch_1.json": one for one in log["samples"]}
    content = packed_by_zstd(entries)
    path.write_bytes(content)
    told = answer(typed("ingest", str(path), "--json", store=tmp_path / "a.db"))
    assert (told["accepted"], told["rejected"]) == (len(log["samples"]), [])
    at = content.index(b"samples/1_epoch_1.json") + 60
    path.write_bytes(content[:at] + bytes(8) + content[at + 8 :])
    told = json.loads(typed("ingest", str(path), "--json", store=tmp_path / "b.db").stdout)
    assert told["accepted"] == len(log["samples"]) - 1
    assert "is broken" in told["rejected"][0]["problem"]


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


def test_of_an_archive_only_what_is_broken_is_refused(tmp_path: Path) -> None:
    """Also an entry that is small as it lies there and large when it is unpacked."""
    log, path = inspect_log(), tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": log["eval"]}))
        for place, text in enumerate([json.dumps(log["samples"][0]), "{", "[1]", "[" * 100_000]):
            archive.writestr(f"samples/{place}.json", text)
        with archive.open("samples/4.json", "w") as entry:
            for _ in range(129):
                entry.write(b" " * 2**20)
    told = answer(typed("ingest", str(path), "--json", store=tmp_path / "gonogo.db"))
    assert told["accepted"] == 1
    assert [(r["line"], r["problem"][:12]) for r in told["rejected"]] == [
        (2, "is broken: E"),
        (3, "is no object"),
        (4, "is broken: m"),
        (5, "is over 128 "),
    ]


def test_a_report_of_sums_is_no_file_of_calls(tmp_path: Path) -> None:
    """It says so, instead of making one call of an hour."""
    path = tmp_path / "usage.json"
    path.write_text(json.dumps({"object": "page", "data": USAGE}))
    told = answer(typed("ingest", str(path), "--json", store=tmp_path / "gonogo.db"))
    assert (told["accepted"], told["rejected"]) == (0, [])
    assert "bring the calls themselves" in told["understood"][1]


def test_scores_find_their_calls_and_bare_numbers_are_no_outcomes(tmp_path: Path) -> None:
    """By observation or trace; a toxicity of 0 must not read as a failed call."""
    store = tmp_path / "gonogo.db"
    scores: list[dict[str, object]] = [
        {"id": str(n), "trace_id": f"t{about}", "name": name, "data_type": kind, key: value}
        | {"observation_id": None if about == 2 else f"o{about}"}
        for n, (about, name, kind, key, value) in enumerate(
            [
                (1, "ok", "BOOLEAN", "value", 1),
                (2, "ok", "BOOLEAN", "value", 0),
                (3, "toxicity", "NUMERIC", "value", 0),
                (9, "ok", "BOOLEAN", "value", 1),
                (3, "tone", "CATEGORICAL", "string_value", "warm"),
            ]
        )
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
    assert listed[0]["left_out"] == [
        "scores in words that say neither yes nor no (1) of scores.jsonl"
    ]


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_annotations_of_phoenix_find_their_spans(tmp_path: Path, form: str) -> None:
    """As its own client exports them, apart from the spans: a label is the outcome, a bare score a metric."""
    store, path = tmp_path / "gonogo.db", tmp_path / f"annotations.{form}"
    spans = [{k: v for k, v in one.items() if not k.startswith("eval.")} for one in PHOENIX]
    (tmp_path / "spans.json").write_text(json.dumps(spans))
    typed("ingest", str(tmp_path / "spans.json"), store=store)
    common = {"result.explanation": "…", "metadata": "{}", "identifier": "", "source": "API"}
    common |= {"created_at": "2026-10-01T11:00:00+00:00", "id": "U3Bhbg=="}
    rows: list[dict[str, Any]] = [
        {"span_id": f"s{i}", "annotation_name": name, "annotator_kind": kind, **common}
        | {"result.label": label, "result.score": score}
        for i, name, kind, label, score in [
            (0, "Correctness", "LLM", "correct", 1.0),
            (1, "Correctness", "HUMAN", "incorrect", 0.0),
            (2, "toxicity", "CODE", None, 0.25),
            (3, "note", "HUMAN", None, None),
        ]
    ]
    if form == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text(as_table(rows) if form == "csv" else json.dumps({"data": rows}))
    told = answer(typed("ingest", str(path), "--json", store=store))
    assert (told["updated"], told["rejected"]) == (3, [])
    assert "annotations of Phoenix" in told["understood"][0]
    assert "2 outcomes" in told["understood"][0]
    assert "annotations that are neither right or wrong nor a score (1)" in " ".join(
        told["understood"]
    )
    [listed] = answer(typed("list", "--json", store=store))["dependencies"]
    assert {"outcome", "metrics.toxicity"} <= set(listed["metrics"])
    drift = answer(typed("check", "drift", "gpt-4o", "--json", store=store))
    assert drift["left_out"] == listed["left_out"]
    assert listed["left_out"] == [
        f"annotations that are neither right or wrong nor a score (1) of annotations.{form}"
    ]
    again = answer(typed("ingest", str(path), "--json", store=store))
    assert (again["updated"], again["rejected"]) == (0, [])


def test_a_judge_of_deepeval_that_gave_no_answer_is_no_failure(tmp_path: Path) -> None:
    """As the tool counts it; a metric that found fault beside it is, and a flaky one decides nothing."""
    held, broke = {"name": "Exact", "success": True, "score": 1.0}, {"success": False, "score": 0.0}
    judge = {"name": "GEval", "evaluationModel": "gpt-5"}
    lost = judge | {"success": False, "error": "timed out"}
    cases = [
        {"success": False, "metricsData": [held, lost]},
        {"success": False, "metricsData": [held | broke, lost]},
        {"success": True, "metricsData": [held, judge | broke | {"flaky": True}]},
        {"success": True, "metricsData": [judge | {"success": True, "score": 0.8}]},
    ]
    listed = [one | {"name": f"test_case_{i}", "input": f"q{i}"} for i, one in enumerate(cases)]
    (tmp_path / "run.json").write_text(json.dumps({"testCases": listed, "runDuration": 1.25}))
    told = answer(typed("ingest", str(tmp_path / "run.json"), "--json", store=tmp_path / "s.db"))
    assert (told["accepted"], told["rejected"]) == (4, [])
    assert "4 records of deepeval (4)" in told["understood"][0]
    assert "3 outcomes" in told["understood"][0]
    trust = typed("check", "trust", "deepeval", store=tmp_path / "s.db").stdout
    assert "Left out when it came in: cases that their metrics could not judge (1)" in trust


def test_formats_are_named_where_they_are_asked_for() -> None:
    """`--format` names every one; a wrong one says so; columns that are mapped are not recognised."""
    from gonogo.cli import ingest

    named = set(get_args(get_args(ingest.FormatOption)[0]))
    assert named == {"auto", "jsonl", "csv", "cells", *(one.name for one in FORMATS)}
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


@pytest.mark.parametrize("indent", [None, 2])
def test_the_rates_of_a_run_are_no_calls(tmp_path: Path, indent: int | None) -> None:
    """`results_*.json` of lm-evaluation-harness: taken as one call it would be an answer about nothing."""
    told = {"results": {"gsm8k": {"exact_match,none": 0.5}}, "configs": {}, "versions": {}}
    file = tmp_path / "results_2026-05-01T10-00-00.json"
    file.write_text(json.dumps({**told, "n-shot": {}, "model_name": "m"}, indent=indent))
    refused = typed("ingest", str(file), store=tmp_path / "s.db")
    assert refused.returncode == 65
    assert "samples_*.jsonl" in refused.stderr
