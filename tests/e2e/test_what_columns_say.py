"""What no line of a table says alone: which words are good, and whether the day stands before the month."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from product import lines, typed

from gonogo.ingest.cell_words import _OPPOSITES, outcome_of_word
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.numbered_lines import open_source
from gonogo.ingest.opened_rows import opened_rows
from gonogo.ingest.times import epoch_ms, is_day_first, with_year_first
from gonogo.records import Rejection

UTC_TIMES = ("--timezone", "UTC")


def csv(path: Path, header: str, cells: list[str]) -> Path:
    """A file of one header and its lines."""
    path.write_text("\n".join([header, *cells]) + "\n")
    return path


@pytest.mark.parametrize("good", _OPPOSITES)
def test_who_knows_a_good_word_knows_its_opposite(good: str) -> None:
    """However the two are spaced and capitalised."""
    for bad in _OPPOSITES[good].split():
        for spelled in (bad, bad.replace("_", " "), bad.replace("_", "-").upper()):
            assert outcome_of_word(spelled) == 0.0
    assert outcome_of_word(f" {good.title()} ") == 1.0


@pytest.mark.parametrize(
    ("cells", "option"),
    [
        (["ok", "ok", "ok", "kaputt"] * 5, "ok"),
        (["1", "1", "1", "-1"] * 5, "1"),
        (["5", "1", "4", "5"] * 5, "5"),
    ],
)
def test_of_outcomes_that_are_read_in_part_nothing_is_taken(
    tmp_path: Path, cells: list[str], option: str
) -> None:
    """The rest would be the good ones, or the bad ones; what the refusal says takes all of them."""
    store = tmp_path / "s.db"
    file = csv(tmp_path / "a.csv", "dependency,answer", [f"m,{cell}" for cell in cells])
    refused = typed("ingest", str(file), "--map", "outcome=answer", store=store)
    assert (refused.returncode, refused.stdout) == (65, "")
    assert "nothing is taken" in refused.stderr
    assert json.loads(typed("list", "--json", store=store).stdout)["dependencies"] == []
    taken = typed("ingest", str(file), "--good-when", f"answer={option}", store=store)
    assert "20 outcomes, 0 errors" in taken.stdout


def test_a_slip_of_the_pen_costs_its_own_line(tmp_path: Path) -> None:
    """Of a hundred outcomes, two that are none are named; the others are stored."""
    cells = ["m,yes"] * 60 + ["m,no"] * 38 + ["m,maybe", "m,7"]
    file = csv(tmp_path / "a.csv", "dependency,outcome", cells)
    assert typed("ingest", str(file), store=tmp_path / "s.db").stdout.startswith("98 accepted")


def test_dates_are_read_in_the_order_that_their_file_tells(tmp_path: Path) -> None:
    """One date with a day over twelve says it of all; where none does, a person does."""
    store = tmp_path / "s.db"
    us = csv(tmp_path / "us.csv", "dependency,ts", ["m,10/2/2026 1:05 PM", "m,10/28/2026 9:30 AM"])
    told = typed("ingest", str(us), *UTC_TIMES, store=store).stdout
    assert "2026-10-02T13:05:00Z to 2026-10-28T09:30:00Z" in told
    either = csv(tmp_path / "either.csv", "dependency,ts", ["e,3/2/26", "e,5/2/26"])
    assert "--day-first or --month-first" in typed("ingest", str(either), store=store).stdout
    for option, span in (("--day-first", "2026-02-03"), ("--month-first", "2026-03-02")):
        file = csv(tmp_path / f"{option}.csv", "dependency,ts", ["e,3/2/26", "e,5/2/26"])
        assert (
            f"{span}T00:00:00Z to"
            in typed("ingest", str(file), option, *UTC_TIMES, store=store).stdout
        )


def test_what_a_refused_date_says_to_type_is_heard_for_json_too(tmp_path: Path) -> None:
    """There a time needs no mapping, and each line stands alone."""
    file, store = tmp_path / "a.jsonl", tmp_path / "s.db"
    file.write_text(json.dumps({"dependency": "m", "ts": "10/2/2026 9:30"}) + "\n")
    refused = typed("ingest", str(file), *UTC_TIMES, store=store)
    assert "--day-first or --month-first" in refused.stdout
    taken = typed("ingest", str(file), *UTC_TIMES, "--day-first", store=store)
    assert "2026-02-10T09:30:00Z" in taken.stdout


def test_a_day_and_a_clock_in_two_columns_are_one_time(tmp_path: Path) -> None:
    """They are offered as one, and an empty one leaves the time unknown."""
    rows = ["m;28/10/2026;14:05;ja", "m;03/10/2026;09:30;nein", "m;03/10/2026;;ja"]
    file = csv(tmp_path / "a.csv", "Modell;Datum;Uhrzeit;Korrekt", rows)
    offered = typed("ingest", str(file), store=tmp_path / "s.db").stderr.partition("Perhaps: ")[2]
    assert "ts=Datum+Uhrzeit" in offered
    taken = typed("ingest", str(file), *offered.split(), *UTC_TIMES, store=tmp_path / "s.db").stdout
    assert taken.startswith("3 accepted")
    assert "2026-10-03T09:30:00Z to" in taken


@given(st.integers(978_307_200, 4_070_908_800), st.booleans())
def test_any_date_of_a_known_order_is_that_date(seconds: int, day_first: bool) -> None:  # noqa: FBT001
    """With two digits of the year or four, and any clock beside it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    order = (
        "{0.day}/{0.month}/{0:%Y} {0:%H:%M}" if day_first else "{0.month}/{0.day}/{0:%Y} {0:%H:%M}"
    )
    written = order.format(moment)
    for text in (written, written.replace(f"/{moment:%Y}", f"/{moment:%y}")):
        read = epoch_ms(with_year_first(text, day_first=day_first), UTC)
        assert read == moment.replace(second=0).timestamp() * 1000
    assert is_day_first([written]) in (None, day_first)
    assert is_day_first(["28/11/2026", "11/28/2026"]) is None


@pytest.mark.parametrize(
    "written", ["Nov 28, 2026, 2:05 PM", "November 28 2026 14:05", "28.11.2026, 14:05"]
)
def test_dates_as_browsers_write_them(written: str) -> None:
    """With the month's name first, or a comma before the clock."""
    assert epoch_ms(written, UTC) == datetime(2026, 11, 28, 14, 5, tzinfo=UTC).timestamp() * 1000


def test_a_duration_without_a_unit_is_said_to_be_taken_for_milliseconds(tmp_path: Path) -> None:
    """What it would be by it, and what to do where it is seconds; a column or a value with a unit says nothing."""
    said = "states no unit and is taken for milliseconds, as 1.5 ms"
    for name, cell, is_said in (
        ("duration", "1.5", True),
        ("duration_ms", "1.5", False),
        ("duration", "1.5s", False),
        ("elapsed", "0:00:01.5", False),
    ):
        file = csv(tmp_path / "a.csv", f"dependency,outcome,{name}", [f"m,1,{cell}"] * 3)
        told = typed("ingest", str(file), "--map", f"latency_ms={name}", store=tmp_path / cell)
        assert (said in told.stdout) is is_said, (name, cell)
    file = csv(tmp_path / "a.csv", "dependency,outcome,duration", ["m,1,1.5"] * 3)
    scaled = ("--map", "latency_ms=duration*1000")
    assert "no unit" not in typed("ingest", str(file), *scaled, store=tmp_path / "s.db").stdout


@pytest.mark.parametrize("column", ["Kosten (€)", "cost_eur", "price GBP", "Preis in Euro"])
def test_a_column_of_another_currency_needs_a_rate(tmp_path: Path, column: str) -> None:
    """Its numbers alone look like dollars."""
    file = csv(tmp_path / "a.csv", f"dependency;outcome;{column}", ["m;1;0,02"] * 3)
    refused = typed("ingest", str(file), "--map", f"cost_usd={column}", store=tmp_path / "s.db")
    assert refused.returncode == 64
    assert "costs are in USD" in refused.stderr
    rated = ("--map", f"cost_usd={column}*1.08")
    assert "3 accepted" in typed("ingest", str(file), *rated, store=tmp_path / "s.db").stdout


def test_what_a_record_holds_says_whether_a_request_time_is_a_moment(tmp_path: Path) -> None:
    """A server's log has a latency under this name, an application's a time."""
    for held, option in (
        ("2026-11-01T10:00:00Z", "ts=request_time"),
        ("0.412", "latency_ms=request_time"),
    ):
        file = csv(tmp_path / "a.csv", "model,request_time,correct", [f"m,{held},1"])
        assert f"--map {option} " in typed("ingest", str(file), store=tmp_path / "s.db").stderr
        row = {"model": "m", "request_time": held, "correct": True}
        lines = tmp_path / "a.jsonl"
        lines.write_text(json.dumps(row) + "\n")
        assert f"--map {option} " in typed("ingest", str(lines), store=tmp_path / "s.db").stdout


@pytest.mark.parametrize(("others", "latency"), [("0,9", 1234.0), ("0.9", 1.234)])
def test_a_dot_is_of_thousands_where_other_cells_have_decimal_commas(
    tmp_path: Path, others: str, latency: float
) -> None:
    """A table of semicolons may come from a program, whose 1.234 is a fraction."""
    cells = ["m;1;1.234", f"m;1;{others}", f"m;1;{others}"]
    file = csv(tmp_path / "a.csv", "dependency;outcome;latency_ms", cells)
    source = open_source(str(file), io.BytesIO(), None)
    opened = opened_rows(source, ColumnMap(), None)
    told = [row[1] for row in opened.rows if not isinstance(row, Rejection)]
    rows = [opened.mapping.apply(dict(each)) for each in told if isinstance(each, dict)]
    source.close()
    assert [row["latency_ms"] for row in rows] == [latency, 0.9, 0.9]


def test_a_pipe_that_ends_is_said_as_it_was_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same three lines as of a file; of several dependencies the last names where the others are."""
    rows = [{"dependency": name, "outcome": 1} for name in ("a", "a", "b")]
    piped = "".join(json.dumps(row) + "\n" for row in rows)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped.encode())))
    told = typed("ingest", "-", "--json", store=tmp_path / "s.db")
    what, became, following = json.loads(told.stdout)["understood"]
    assert what.startswith("stdin: JSON lines; 3 records of a (2), b (1); ")
    assert became == "Understood as fields: dependency, outcome."
    assert following.endswith("gonogo list for the other")


@pytest.mark.parametrize(
    ("name", "pack", "said"),
    [
        ("a.jsonl.xz", lzma.compress, "xz -dc '{}' | gonogo ingest -"),
        ("a.jsonl.bz2", bz2.compress, "bzip2 -dc '{}' | gonogo ingest -"),
        ("a.jsonl.zst", lambda content: b"\x28\xb5\x2f\xfd\x00" + content, "zstd -dc '{}'"),
        (
            "a.tar",
            lambda content: bytes(257) + b"ustar\x00" + content,
            "is a tar archive: unpack it",
        ),
    ],
)
def test_a_file_of_another_packer_says_how_it_comes_in(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], said: str
) -> None:
    """Its bytes are no table: nobody is told of a header."""
    file = tmp_path / name
    file.write_bytes(pack(b'{"dependency": "m"}\n'))
    refused = typed("ingest", str(file), store=tmp_path / "s.db")
    assert refused.returncode != 0
    assert said.format(file) in refused.stderr


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_one_offered_command_takes_zone_and_segments_too(tmp_path: Path, form: str) -> None:
    """Times that state no zone, a score in words, and what calls are told apart by, at the first refusal."""
    cells = {"timestamp": "2026-10-28 18:00:05", "model": "m", "score": "fail"}
    cells |= {"region": "eu", "Customer Tier": "pro", "note": "Sorry, no."}
    table = ";".join(cells) + "\n" + ";".join(cells.values()) + "\n"
    source, store = tmp_path / f"calls.{form}", tmp_path / "s.db"
    source.write_text(table if form == "csv" else lines([cells | {"score": 2}]))
    refused = typed("ingest", str(source), store=store)
    offered = (refused.stdout + refused.stderr).partition("Perhaps: ")[2].strip()
    assert offered.startswith("--timezone ZONE ")
    options = shlex.split(offered.replace("ZONE", "Europe/Berlin"))
    taken = typed("ingest", str(source), *options, store=store).stdout
    assert taken.startswith("1 accepted, 0 duplicates, 0 updated, 0 refused\n")
    assert "2026-10-28T17:00:05Z; " + ("1 outcome" if form == "csv" else "0 outcomes") in taken
    assert "Left out: column 'note'." in taken
    for known in ("region=eu", "customer_tier=pro"):
        other = f"{known.partition('=')[0]}=other"
        assert known in typed("check", "drift", "m", "--segment", other, store=store).stderr
    again = typed("ingest", str(source), "--timezone", "Europe/Berlin", store=store)
    assert "--timezone" not in (again.stdout + again.stderr).partition("Perhaps: ")[2]


@pytest.mark.parametrize(
    ("tier", "times_said"), [("gold", 1), ("Enterprise", 1), ("batch", 0), ("Auto", 0)]
)
def test_a_tier_that_no_service_has_is_asked_about(
    tmp_path: Path, tier: str, times_said: int
) -> None:
    """A customer's tier sets no price: the command that is told takes it for a slice."""
    store, again = tmp_path / "s.db", tmp_path / "t.db"
    file = csv(tmp_path / "a.csv", "dependency,outcome,tier", [f"m,1,{tier}"] * 3)
    told = typed("ingest", str(file), store=store).stdout
    assert told.count(f"'{tier}' is no service tier that is known") == times_said
    assert told.count("--map segments.tier=tier") == times_said
    mapped = typed("ingest", str(file), "--map", "segments.tier=tier", store=again).stdout
    assert "Understood as fields: dependency, outcome, segments." in mapped


def test_records_that_lie_in_objects_below_a_key_are_found(tmp_path: Path) -> None:
    """A document of a run: its list of calls is read, and the command that is told takes it in."""
    calls = [
        {
            "request": {"model": "m", "sent_at": f"2026-04-0{day}T08:{minute:02d}:00Z"},
            "result": {"latency_ms": 120, "passed": minute % 9 > 0},
        }
        for day in (1, 2, 3, 4)
        for minute in range(40)
    ]
    file, store = tmp_path / "run.json", tmp_path / "s.db"
    file.write_text(json.dumps({"run": {"id": "7"}, "calls": calls}))
    refused = typed("ingest", str(file), store=store).stdout
    offered = refused.partition("Perhaps: ")[2].partition(" (and ")[0]
    taken = typed("ingest", str(file), *shlex.split(offered), store=store)
    assert "160 records of m (160)" in taken.stdout, taken
    assert "160 outcomes" in taken.stdout


def test_a_folder_is_told_to_be_one(tmp_path: Path) -> None:
    """With what to type instead."""
    refused = typed("ingest", f"{tmp_path}/", store=tmp_path / "s.db")
    assert refused.returncode == 66
    assert f"is a folder: name its files, as {tmp_path}/*.csv does" in refused.stderr


def test_a_duration_of_days_is_asked_about_as_nanoseconds(tmp_path: Path) -> None:
    """As logs write them; the command that is told takes them for 359 ms."""
    file = csv(tmp_path / "a.csv", "dependency,outcome,duration", ["m,1,359000000"] * 3)
    told = typed("ingest", str(file), "--map", "latency_ms=duration", store=tmp_path / "s.db")
    assert "as 359,000,000 ms; if it is in nanoseconds" in told.stdout
    assert "--map 'latency_ms=duration*0.000001'" in told.stdout


def test_a_title_above_a_table_is_told_to_be_one(tmp_path: Path) -> None:
    """Reports begin with it; its one cell is no column that could be mapped."""
    file = csv(tmp_path / "a.csv", "Calls of November;;", ["model;passed;took", "m;yes;3"])
    refused = typed("ingest", str(file), store=tmp_path / "s.db")
    assert (refused.returncode, refused.stdout) == (65, "")
    assert "begins with a title: line 1 has one cell of 3" in refused.stderr


def test_what_is_left_out_is_said_in_the_next_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file or a pipe, until it is brought in again without; it is no refused row."""
    store = tmp_path / "s.db"
    cells = [
        f"m,2026-05-{day:02d}T{hour:02d}:00:00Z,1,eu" for day in range(1, 9) for hour in range(24)
    ]
    file = csv(tmp_path / "calls.csv", "dependency,ts,outcome,Kunde", cells)
    asked = ("check", "drift", "m", "--until", "2026-05-09", "--json")
    said = "Left out when it came in: column 'Kunde' of calls.csv."
    typed("ingest", str(file), "--ignore-unknown", store=store)
    told = json.loads(typed(*asked, store=store).stdout)
    assert said in told["summary"]
    assert told["left_out"] == ["column 'Kunde' of calls.csv"]
    assert "refused" not in told
    others = {"list": "dependencies", "check preflight --dependency m": "checks"}
    for question, part in others.items():
        told = json.loads(typed(*question.split(), "--json", store=store).stdout)
        assert told["summary"].count(said) == 1, question
        assert [one["left_out"] for one in told[part]] == [["column 'Kunde' of calls.csv"]]
        assert "efused" not in json.dumps(told), question
    assert "column 'Kunde' of calls.csv" in typed("doctor", store=store).stdout
    typed("ingest", str(file), "--map", "segments.customer=Kunde", store=store)
    for question in (*others, "check drift m --until 2026-05-09"):
        answered = typed(*question.split(), "--json", store=store).stdout
        assert "left_out" not in answered
        assert "Left out" not in answered
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    typed("ingest", "-", "--format", "csv", "--ignore-unknown", store=store)
    assert json.loads(typed(*asked, store=store).stdout)["left_out"] == ["column 'Kunde' of stdin"]
