"""The command that is offered for a file takes it in whole: its failures, its times, its rows with accents."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from product import lines, typed


@pytest.mark.parametrize("separator", ["", "sep=;\r\n"])
def test_a_spreadsheet_of_windows_costs_no_row_for_its_accents(
    tmp_path: Path, separator: str
) -> None:
    """Only its failures may have any: they are read, and that they were no UTF-8 is said."""
    rows = ["Modèle;Date;Réussi ?;Durée (s);Coût"]
    rows += [f"aide;03/10/2026 0{hour}:00;oui;1,25;0,02 €" for hour in range(9)]
    rows += ["été;23/10/2026 10:00;échoué;1,25;0,02 €"]
    file, store = tmp_path / "a.csv", tmp_path / "s.db"
    file.write_bytes((separator + "\r\n".join(rows) + "\r\n").encode("cp1252"))
    offered = typed("ingest", str(file), store=store).stderr.partition("Perhaps: ")[2]
    assert "cost_usd=Coût*USD_PER_EUR" in offered
    options = shlex.split(offered.replace("ZONE", "UTC").replace("USD_PER_EUR", "1.1"))
    taken = typed("ingest", str(file), *options, store=store).stdout
    assert taken.startswith("10 accepted, 0 duplicates, 0 updated, 0 refused")
    assert "aide (9), été (1)" in taken
    assert "are not UTF-8 text" in taken


def test_a_message_cut_within_a_letter_costs_no_failure(tmp_path: Path) -> None:
    """Loggers cut what is long at a number of bytes, and only failures have messages."""
    good = b'{"dependency":"m"}\n' * 8
    bad = b'{"dependency":"m","error":"d\xc3\xa9lai d\xc3"}\n'
    file = tmp_path / "a.jsonl"
    file.write_bytes(good + bad)
    taken = typed("ingest", str(file), store=tmp_path / "s.db").stdout
    assert "9 accepted" in taken
    assert "1 error" in taken
    assert "1 line is not UTF-8 text" in taken


@pytest.mark.parametrize(
    "first",
    [
        "2026-11-01 08:00:00 INFO calling gpt-4o took 1.2s",
        "2026-11-01T08:00:00Z,gpt-4o,1",
        '10.0.0.1 - - [01/Nov/2026:08:00:00 +0000] "POST /v1/chat HTTP/1.1" 200 512',
    ],
)
def test_a_log_or_a_table_without_a_header_is_no_table(tmp_path: Path, first: str) -> None:
    """Its first line was told as columns that can be mapped."""
    file = tmp_path / "a.log"
    file.write_text(f"{first}\n" * 4)
    refused = typed("ingest", str(file), store=tmp_path / "s.db")
    assert refused.returncode == 65
    assert "'a.log' is no table: its first line names no columns" in refused.stderr


def test_a_failure_that_only_later_records_have_is_offered(tmp_path: Path) -> None:
    """The first call went well and says nothing of errors: of what is offered, its failures must not be left out."""
    good = {"model": "m", "response": {"error": None, "text": "x"}}
    bad = {"model": "m", "response": {"error": {"type": "rate_limit", "message": "slow down"}}}
    file, store = tmp_path / "a.jsonl", tmp_path / "s.db"
    file.write_text(lines([good] * 20 + [bad] * 2))
    offered = typed("ingest", str(file), store=store).stdout.partition("Perhaps: ")[2]
    options = shlex.split(offered.partition(" (and ")[0])
    assert "2 errors" in typed("ingest", str(file), *options, store=store).stdout
    # Who leaves them out hears of it.
    bare = ("--map", "dependency=model", "--ignore-unknown", "--run", "again")
    left = typed("ingest", str(file), *bare, store=store).stdout
    assert "Perhaps wanted: --map error=response.error.type" in left


def test_a_table_in_another_language_is_dated_by_its_cells(tmp_path: Path) -> None:
    """Times are told by how they are written, and Swiss thousands are read."""
    rows = ["\u65e5\u6642,\u6240\u8981\u6642\u9593(ms)", "2026/10/02 10:00:00,1'200.5"]
    file, store = tmp_path / "a.csv", tmp_path / "s.db"
    file.write_text("\n".join(rows) + "\n")
    offered = typed("ingest", str(file), store=store).stderr.partition("Perhaps: ")[2]
    options = shlex.split(offered.replace("ZONE", "UTC"))
    taken = typed("ingest", str(file), *options, store=store).stdout
    assert taken.startswith("1 accepted")
    assert "2026-10-02T10:00:00Z" in taken


@pytest.mark.parametrize(
    ("record", "offered"),
    [
        (
            {"agent": {"id": "a-1", "name": "Planner"}, "cost": {"total": 0.1}},
            "--map dependency=agent.name --map cost_usd=cost.total --ignore-unknown",
        ),
        (
            {"service": {"name": "pay", "tags": ["a"]}, "http": {"response": {"status_code": 500}}},
            "--map error=http.response.status_code --map dependency=service.name --ignore-unknown",
        ),
        (
            {"bot": "b", "rating": "\N{THUMBS UP SIGN}", "quality_score": 4},
            "--map dependency=bot --map outcome=rating --map metrics.quality_score=quality_score",
        ),
        ({"bot": "b", "rating": 4}, "--map dependency=bot --map metrics.rating=rating"),
        (
            {"LLM": "b", "Call Time": "2026-10-02T10:00:00Z"},
            "--map dependency=LLM --map 'ts=Call Time'",
        ),
        ({"LLM": "b", "call time": 12.5}, "--map dependency=LLM --ignore-unknown"),
    ],
)
def test_what_is_offered_fits_the_values_and_takes_in_the_failures(
    tmp_path: Path, record: dict[str, object], offered: str
) -> None:
    """However deep they lie: an object is no name, a thumb is no number, a duration no time."""
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(record) + "\n")
    refused = typed("ingest", str(file), store=tmp_path / "s.db").stdout
    assert refused.strip().endswith(f"Perhaps: {offered}")
    taken = typed("ingest", str(file), *shlex.split(offered), store=tmp_path / "s.db").stdout
    assert taken.startswith("1 accepted")


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("日時,モデル,正解,応答時間(ミリ秒),エラー", ("はい", "いいえ", "タイムアウト")),
        ("时间,模型,是否正确,耗时(毫秒),错误", ("是", "否", "超时")),
        ("시간,모델,정답여부,지연시간(ms),오류", ("정답", "오답", "시간초과")),
        ("Дата,Модель,Результат,Время ответа (мс),Ошибка", ("успех", "неудача", "таймаут")),
        ("التاريخ,النموذج,صحيح,latency_ms,خطأ", ("نعم", "لا", "مهلة")),
        ("Data/Hora,Modelo,Acertou,Tempo (ms),Erro", ("Sim", "Não", "Tempo esgotado")),
    ],
)
def test_columns_are_known_in_the_writing_of_their_country(
    tmp_path: Path, header: str, cells: tuple[str, str, str]
) -> None:
    """Their outcomes and failures came to nothing; words for right and wrong go with them."""
    good, bad, failure = cells
    file, store = tmp_path / "a.csv", tmp_path / "s.db"
    rows = [f"2026-05-01 10:00:00,m,{good},120,"] * 3 + [
        f"2026-05-01 11:00:00,m,{bad},90,{failure}"
    ]
    file.write_text("\n".join([header, *rows]))
    offered = typed("ingest", str(file), store=store).stderr.partition("Perhaps: ")[2]
    options = shlex.split(offered.replace("ZONE", "UTC"))
    assert "--ignore-unknown" not in options
    typed("ingest", str(file), *options, store=store)
    told = json.loads(typed("check", "trust", "m", "--json", store=store).stdout)
    assert told["parts"]["quality"]["n"] == 4
    assert "4 outcomes, 1 error" in typed("ingest", str(file), *options, store=store).stdout


def test_a_log_of_pairs_is_read_with_its_failures(tmp_path: Path) -> None:
    """A value in quotes is one, an empty one none; a line that is none is refused alone."""
    file, store = tmp_path / "app.log", tmp_path / "s.db"
    good = "ts=2026-05-01T10:00:00Z level=info model=m latency_ms=12.5 err= ok=true n={}"
    bad = 'ts=2026-05-01T11:00:00Z level=error model=m latency_ms=90 ok=false msg="no \\"answer\\" in time"'
    file.write_text("\n".join([*(good.format(i) for i in range(8)), bad, "panic: out of memory"]))
    offered = typed("ingest", str(file), store=store).stdout.partition("Perhaps: ")[2]
    options = shlex.split(offered.partition(" (and")[0].splitlines()[0])
    assert options[:2] == ["--error-when", "level=error"]
    taken = typed("ingest", str(file), *options, store=store)
    assert "app.log: logfmt; 9 records of m (9)" in taken.stdout
    assert "9 outcomes, 1 error." in taken.stdout
    assert "app.log:10: line: is no line of key=value pairs" in taken.stdout


def test_typed_values_of_mongodb_are_values(tmp_path: Path) -> None:
    """An id, a time in either form, numbers; what is no number is absent."""
    file, store = tmp_path / "calls.json", tmp_path / "s.db"
    dates: list[object] = ["2026-05-01T10:00:00Z", {"$numberLong": "1777629600000"}]
    rows = [
        {
            "_id": {"$oid": f"{i:024x}"},
            "createdAt": {"$date": dates[i % 2]},
            "model": "m",
            "latencyMs": {"$numberDouble": "NaN" if i == 1 else "12.5"},
            "usage": {"promptTokens": {"$numberInt": "7"}},
            "success": i > 0,
        }
        for i in range(4)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    offered = typed("ingest", str(file), store=store).stdout.partition("Perhaps: ")[2]
    options = shlex.split(offered.partition(" (and")[0].splitlines()[0])
    assert "ts=createdAt" in options
    assert "input_tokens=usage.promptTokens" in options
    taken = typed("ingest", str(file), *options, store=store).stdout
    assert taken.startswith("4 accepted, 0 duplicates, 0 updated, 0 refused")
    assert "2026-05-01T10:00:00Z; 4 outcomes" in taken
