"""Tables as the spreadsheets of other countries write them, and files that were joined from several."""

from __future__ import annotations

import json
import math
import shlex
import time
from pathlib import Path

import pytest
from product import lines, typed

ELSEWHERE = {
    "cp1251": "модель;время;верно\nm;{0};да\nm;{1};нет\n",
    "gb18030": "模型,时间,正确\nm,{0},是\nm,{1},否\n",
    "cp932": "モデル名,日時,正解\nm,{0},はい\nm,{1},いいえ\n",
    "cp949": "모델,시간,정답여부\nm,{0},예\nm,{1},아니오\n",
    "cp1252": "modèle;date;réussi\nm;{0};oui\nm;{1};échoué\n",
}


@pytest.mark.parametrize("encoding", ELSEWHERE)
def test_a_table_is_read_as_the_spreadsheets_of_its_country_write(
    tmp_path: Path, encoding: str
) -> None:
    """Without a mark of their encoding: the names of the columns tell it. Good and bad calls come in alike."""
    text = ELSEWHERE[encoding].format("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")
    (source := tmp_path / "calls.csv").write_bytes(text.encode(encoding))
    refused = typed("ingest", str(source), store=tmp_path / "s.db")
    options = shlex.split((refused.stdout + refused.stderr).partition("Perhaps: ")[2])
    taken = typed("ingest", str(source), *options, store=tmp_path / "s.db").stdout
    assert taken.startswith("2 accepted, 0 duplicates, 0 updated, 0 refused\n")
    assert "2 records of m (2)" in taken
    assert "2 outcomes" in taken


ANSWERS = {
    # A search of Elasticsearch: its own `took` is no latency of a call.
    "search": {
        "took": 3,
        "hits": {
            "hits": [
                {"_id": str(i), "_source": {"model": "m", "event": {"outcome": said}}}
                for i, said in enumerate(("success", "failure"))
            ]
        },
    },
    # Google's batches have a `custom_id` as OpenAI's, and say what failed in `status`.
    "batch": [
        {"custom_id": "1", "status": "", "request": {}, "response": {"modelVersion": "m"}},
        {"custom_id": "2", "status": "Error: quota", "request": {}, "response": {}},
    ],
}


@pytest.mark.parametrize(
    ("kind", "said"), [("search", "2 outcomes, 0"), ("batch", "0 outcomes, 1")]
)
def test_what_is_offered_for_an_answer_takes_its_failures_in(
    tmp_path: Path, kind: str, said: str
) -> None:
    """It is taken neither for one call nor for the form of another tool, which would pass over them."""
    (source := tmp_path / "answer.json").write_text(json.dumps(ANSWERS[kind]))
    refused = typed("ingest", str(source), store=tmp_path / "s.db")
    offered = refused.stdout.partition("Perhaps: ")[2].partition(" (and")[0]
    taken = typed("ingest", str(source), *shlex.split(offered), store=tmp_path / "s.db").stdout
    assert taken.startswith("2 accepted, 0 duplicates, 0 updated, 0 refused\n")
    assert f"{said} error" in taken


@pytest.mark.parametrize("indent", [None, 2])
def test_nan_in_json_is_absent(tmp_path: Path, indent: int | None) -> None:
    """As Python's programs write what is not there: a failed call has no confidence, and was refused for it."""
    failed = {"dependency": "m", "outcome": 0, "confidence": math.nan, "metrics": {"f1": math.nan}}
    (source := tmp_path / "calls.json").write_text(json.dumps(failed, indent=indent))
    taken = typed("ingest", str(source), store=tmp_path / "s.db").stdout
    assert taken.startswith("1 accepted, 0 duplicates, 0 updated, 0 refused\n")
    assert "Understood as fields: dependency, outcome.\n" in taken


def test_files_that_were_joined_have_their_header_again(tmp_path: Path) -> None:
    """No row is refused for it. Columns may stand apart by bars."""
    header, rows = (
        "dependency|ts|outcome\n",
        ["m|2026-11-20T08:00:00Z|✓\n", "m|2026-11-20T09:00:00Z|✗\n"],
    )
    (source := tmp_path / "calls.txt").write_text(header.join(["", *rows]))
    taken = typed("ingest", str(source), store=tmp_path / "s.db").stdout
    assert taken.startswith("2 accepted, 0 duplicates, 0 updated, 0 refused\n")
    assert "2 outcomes" in taken


def test_the_question_to_ask_is_of_the_times_of_its_own_dependency(tmp_path: Path) -> None:
    """Of several runs in one file the first ended long before the newest call."""
    rows: list[dict[str, object]] = [
        {"dependency": "m-1", "ts": f"2026-03-0{day}T{hour:02d}:00:00Z", "outcome": 1}
        for day in range(1, 7)
        for hour in range(24)
    ]
    rows += [{"dependency": "m-2", "ts": time.time() - 60, "outcome": 1}]
    (source := tmp_path / "runs.jsonl").write_text(lines(rows))
    told = typed("ingest", str(source), store=tmp_path / "s.db").stdout
    assert "Next: gonogo check drift m-1 --until 2026-03-06" in told
