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
        "ts=2026-11-01T08:00:00Z level=info model=gpt-4o",
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
            "--map dependency=service.name --map error=http.response.status_code --ignore-unknown",
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
