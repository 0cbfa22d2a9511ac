"""A newcomer with a file of their own: what the first answers say is what to type next."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from product import lines, typed

from gonogo.ingest.column_names import suggestion

# A scraper's log, as its author writes it.
SCRAPES = [
    {"tool": "price-scraper", "when": f"2026-03-{day:02}T0{k}:00:00Z", "took_s": 1.5, "ok": k != 3}
    for day in range(1, 29)
    for k in range(8)
]
TABLE = "Bot,Timestamp,Solved?,Response time (s),Team\nhelp,2026-03-01T10:00:00Z,yes,1.2,a\n"


@pytest.mark.parametrize("file", ["scrapes.jsonl", "tickets.csv"])
def test_the_first_refusal_says_the_command_that_works(tmp_path: Path, file: str) -> None:
    """Of lines with names of their own: one line for all of them, and its options take the file in."""
    source = tmp_path / file
    source.write_text(TABLE if file.endswith("csv") else lines(SCRAPES))
    refused = typed("ingest", str(source), store=tmp_path / "s.db")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 65
    assert said.count("Perhaps: ") == 1
    assert len(said.splitlines()) <= 3
    options = shlex.split(said.partition("Perhaps: ")[2].partition(" (and ")[0])
    taken = typed("ingest", str(source), *options, "--json", store=tmp_path / "s.db")
    assert taken.returncode == 0, taken.stdout
    known = typed("list", "--json", store=tmp_path / "s.db")
    [row] = json.loads(known.stdout)["dependencies"]
    assert row["n"] == len(TABLE.splitlines()) - 1 if file.endswith("csv") else len(SCRAPES)
    assert row["metrics"] == ["latency_ms", "outcome"]


def test_failures_that_only_a_status_tells_are_not_left_out(tmp_path: Path) -> None:
    """What is offered takes them in, so that no verdict calls the calls free of errors; what is done is no failure."""
    words = ["success", "completed", "Done", "200", "pass", "timeout", "failed", "503"]
    source = tmp_path / "log.csv"
    source.write_text(
        "model,logged_at,status\n"
        + "".join(f"m,2026-03-01T10:0{k}:00Z,{word}\n" for k, word in enumerate(words))
    )
    refused = typed("ingest", str(source), store=tmp_path / "s.db")
    options = shlex.split((refused.stdout + refused.stderr).partition("Perhaps: ")[2])
    taken = typed("ingest", str(source), *options, store=tmp_path / "s.db")
    assert taken.stdout.startswith("8 accepted")
    assert "0 outcomes, 3 errors" in taken.stdout


def test_a_grade_in_words_is_said_to_be_an_outcome(tmp_path: Path) -> None:
    """A grade is offered as a metric where it is a number; who says so of words hears where they go."""
    source, store = tmp_path / "log.jsonl", tmp_path / "s.db"
    source.write_text(lines([{"dependency": "m", "grade": "incorrect"}] * 3))
    first = typed("ingest", str(source), store=store).stdout
    assert "Perhaps: --map outcome=grade" in first
    second = typed("ingest", str(source), "--map", "metrics.grade=grade", store=store).stdout
    assert "is an outcome (of a file: --map outcome=COLUMN)" in second
    third = typed("ingest", str(source), "--map", "outcome=grade", store=store).stdout
    assert third.startswith("3 accepted")


DAILY = {
    "'Requests', 'errors'": "date,service,Requests,errors,spend\n2026-11-01,geocoder,1019,11,0.51\n",
    "'total', 'correct'": "day,model,total,correct\n2026-11-01,gpt-4,100,87\n",
}


@pytest.mark.parametrize("counts", DAILY)
def test_a_table_of_counts_is_not_offered_as_calls(tmp_path: Path, counts: str) -> None:
    """A row a day with how many calls and how many failed: each would have been one call."""
    (source := tmp_path / "daily.csv").write_text(DAILY[counts])
    refused = typed("ingest", str(source), "--timezone", "UTC", store=tmp_path / "s.db")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 65
    assert f"seems to count calls ({counts})" in said
    assert "--map" not in said
    assert "docs/cells.md" in said


def test_lines_that_are_refused_alike_are_told_once(tmp_path: Path) -> None:
    """The first of them, and how many there are; what differs is told beside it."""
    rows = [{"dependency": "m", "ts": "2026-03-01 10:00"}] * 40 + [
        {"dependency": "m", "latency_ms": -7 - i} for i in range(3)
    ]
    (tmp_path / "calls.jsonl").write_text(lines(rows))
    done = typed("ingest", str(tmp_path / "calls.jsonl"), store=tmp_path / "s.db")
    told = [line.rpartition("calls.jsonl:")[2] for line in done.stdout.splitlines()[2:]]
    assert [line[:6] for line in told] == ["1: ts:", "41: la"]
    assert told[0].endswith("(and 39 lines alike)")
    assert told[1].endswith("got -7 (and 2 lines alike)")
    assert "nothing of it was taken" in done.stdout


@pytest.mark.parametrize(
    ("columns", "taken", "expected"),
    [
        (
            ["Model Name", "elapsed_ms"],
            [],
            "--map 'dependency=Model Name' --map latency_ms=elapsed_ms",
        ),
        (
            ["seconds", "completion_tokens"],
            [],
            "--set dependency=NAME --map 'latency_ms=seconds*1000' --map output_tokens=completion_tokens",
        ),
        (
            ["responseTime", "note"],
            ["dependency"],
            "--map latency_ms=responseTime --ignore-unknown",
        ),
        (["bot", "model"], [], "--map dependency=bot --ignore-unknown"),
        (["model", "correct"], ["dependency"], "--map outcome=correct --ignore-unknown"),
        (["shoe size"], [], ""),
        (["when_ms", "bot"], [], "--map 'ts=when_ms*0.001' --map dependency=bot"),
        (
            ["Latency [µs]", "agent"],
            [],
            "--map 'latency_ms=Latency [µs]*0.001' --map dependency=agent",
        ),
        (
            ["result", "tool", "correct"],
            [],
            "--map dependency=tool --map outcome=correct --ignore-unknown",
        ),
        (
            ["run_at", "model", "Status", "verdict"],
            [],
            "--map ts=run_at --map dependency=model --map error=Status --map outcome=verdict",
        ),
        (
            ["status", "finished_at", "date", "error_message"],
            ["dependency"],
            "--map ts=date --map error=error_message --ignore-unknown",
        ),
        (["toxicity", "bot"], [], "--map metrics.toxicity=toxicity --map dependency=bot"),
        (["Service", "@model"], [], "--map dependency=@model --ignore-unknown"),
        (["judge_model", "agent_model"], [], "--map dependency=agent_model --ignore-unknown"),
        (["latency.total_ms"], ["dependency"], "--map latency_ms=latency.total_ms"),
        (["feedback.tone"], ["dependency"], "--map metrics.tone=feedback.tone"),
        (["level"], ["dependency"], "--error-when level=error"),
        (["target"], ["dependency", "prediction"], "--map label=target"),
    ],
)
def test_columns_are_recognised_by_what_others_call_them(
    columns: list[str], taken: list[str], expected: str
) -> None:
    """The first that fits a field is taken, seconds are scaled, and the rest is left out."""
    assert suggestion(columns, taken) == expected


ABROAD = {
    "de": "Zeitstempel;Modell;Ergebnis;Dauer (s);Notiz\n{day}.10.2026 {hour}:05;m;{ok};1,25;x\n",
    "fr": "Date;Modèle;Réussi;Durée\n2026-10-{day} {hour}:05:00;m;{ok};1,25 s\n",
    "es": "fecha,modelo,correcto,duración_ms\n2026-10-{day}T{hour}:05:00Z,m,{ok},1250\n",
    "thumbs": "when,tool,solved,elapsed\n2026-10-{day}T{hour}:05:00Z,m,{ok},PT1.25S\n",
    "logs": "when,tool,solved,elapsed\n2026-10-{day}T{hour}:05:00Z,m,{ok},0:00:01.250000\n",
}
WORDS = {"de": ("richtig", "falsch"), "fr": ("oui", "échoué"), "es": ("SÍ", "no"), "logs": "✅❌"}
WORDS["thumbs"] = ("👍🏽", "👎🏿")


@pytest.mark.parametrize("language", ABROAD)
def test_a_table_in_another_language_comes_in_by_the_command_that_is_offered(
    tmp_path: Path, language: str
) -> None:
    """Names of columns, words for right and wrong, and how long it took, as people there write them."""
    header, row = ABROAD[language].splitlines()
    told = [
        row.format(day=10 + n // 6, hour=10 + n % 6, ok=WORDS[language][n % 4 == 0])
        for n in range(120)
    ]
    source, store = tmp_path / "calls.csv", tmp_path / "s.db"
    source.write_text("\n".join([header, *told]), encoding="utf-8")
    refused = typed("ingest", str(source), store=store)
    options = shlex.split(refused.stderr.partition("Perhaps: ")[2])
    taken = typed("ingest", str(source), *options, "--timezone", "UTC", store=store)
    assert taken.stdout.startswith("120 accepted, 0 duplicates, 0 updated, 0 refused"), taken
    assert ("Left out: column 'Notiz'." in taken.stdout) == (language == "de")
    for metric, mean in (("outcome", 0.75), ("latency_ms", 1250)):
        asked = ("check", "drift", "m", "--metric", metric, "--until", "2026-10-29", "--json")
        found = json.loads(typed(*asked, store=store).stdout)
        assert found["baseline"]["mean"] == pytest.approx(mean, abs=0.01)


CALL = {"created_at": "2026-10-{day}T1{hour}:00:00Z", "duration": 9.5, "success": True}
PAGE = {"success": True, "page": 1, "errors": [], "result": []}


def at(n: int) -> dict[str, object]:
    """A call as a gateway's API tells of it, six a day."""
    return CALL | {"created_at": f"2026-10-{10 + n // 6}T1{n % 6}:00:00Z", "id": f"c{n}"}


FOREIGN = {
    "a page of an API": json.dumps(PAGE | {"result": [at(n) | {"model": "m"} for n in range(120)]}),
    "pages, one a line": lines(
        [PAGE | {"result": [at(6 * d + n) | {"model": "m"} for n in range(6)]} for d in range(20)]
    ),
    "names in objects": lines([at(n) | {"metadata": {"model": "m"}} for n in range(120)]),
    "lists of its own": lines(
        [at(n) | {"model": "m", "messages": [{"name": "x"}]} for n in range(120)]
    ),
}


@pytest.mark.parametrize("form", FOREIGN)
def test_records_are_found_where_an_export_keeps_them(tmp_path: Path, form: str) -> None:
    """In a list that a document holds, with names within objects: a row is a call, never the page."""
    source, store = tmp_path / "export.json", tmp_path / "s.db"
    source.write_text(FOREIGN[form])
    refused = typed("ingest", str(source), store=store).stdout
    options = shlex.split(refused.partition("Perhaps: ")[2].partition(" (and ")[0])
    assert "NAME" not in " ".join(options)
    taken = typed("ingest", str(source), *options, store=store)
    assert taken.stdout.startswith("120 accepted, 0 duplicates, 0 updated, 0 refused"), taken
    assert "120 records of m (120); 2026-10-10T10:00:00Z" in taken.stdout


@pytest.mark.parametrize(
    "own",
    [{}, {"error": "timeout"}, {"cost_usd": 0.5}, {"metrics": {"faith": 0.5}}, {"outcome": 1}],
)
@pytest.mark.parametrize("day", ["2024-05-01", None])
def test_what_is_to_be_asked_next_can_be_asked(
    tmp_path: Path, own: dict[str, object], day: str | None
) -> None:
    """Of calls with little in them, old or of now: the command that is offered gives an answer."""
    row = {"dependency": "m", **own, **({} if day is None else {"ts": f"{day}T10:00:00Z"})}
    (tmp_path / "calls.jsonl").write_text(lines([row]))
    told = typed("ingest", str(tmp_path / "calls.jsonl"), store=tmp_path / "s.db").stdout
    following = told.partition("Next: gonogo ")[2].splitlines()[0].partition(", and ")[0]
    asked = typed(*shlex.split(following), "--json", store=tmp_path / "s.db")
    assert "verdict" in json.loads(asked.stdout), asked


def test_a_command_that_is_offered_is_never_cut_off(tmp_path: Path) -> None:
    """A table is taken in whole; where a refusal of lines has less room, the import names what it left out."""
    names = ["generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion"]
    names += ["model_permaslug", "provider_name", "generation_time_ms", "finish_reason_normalized"]
    names += ["customer_tier_of_the_account", "region_of_the_datacenter", "app"]
    values = ["g1", "2026-10-10T10:00:00Z", 0.1, 5, 6, "m", "acme", 7, "stop", "a", "b", "c"]
    for text in (
        f"{','.join(names)}\n{','.join(map(str, values))}\n",
        lines([dict(zip(names, values, strict=True))]),
    ):
        source = tmp_path / "activity.txt"
        source.write_text(text)
        refused = typed("ingest", str(source), store=tmp_path / "s.db")
        options = shlex.split((refused.stdout + refused.stderr).partition("Perhaps: ")[2])
        assert options[-1] == "--ignore-unknown"
        taken = typed("ingest", str(source), *options, store=tmp_path / "s.db").stdout
        assert "record of m (1)" in taken
        assert ("Perhaps wanted: --map " in taken) == (refused.stderr == "")


def test_ids_that_come_again_are_said_and_long_ones_kept(tmp_path: Path) -> None:
    """A local server counts to 999 and begins anew; another draws ids of 250 characters."""
    rows = [
        {"id": f"chatcmpl-{n % 50}", "dependency": "m", "ts": 1.7e9 + 60 * n, "latency_ms": 1}
        for n in range(150)
    ]
    rows += [{"id": "r" * 250 + str(n), "dependency": "m", "ts": 1.7e9} for n in range(3)]
    rows += [{"id": "r" * 250 + "0", "dependency": "m", "outcome": True}]
    source = tmp_path / "calls.jsonl"
    source.write_text(lines(rows))
    told = typed("ingest", str(source), store=tmp_path / "s.db").stdout
    assert told.startswith("53 accepted, 100 duplicates, 1 updated, 0 refused")
    assert told.count("100 records with the id of a call at another time") == 1
    assert "--drop id" in told
    dropped = typed("ingest", str(source), "--drop", "id", store=tmp_path / "t.db").stdout
    assert dropped.startswith("154 accepted, 0 duplicates, 0 updated, 0 refused")


def test_any_word_can_be_said_to_be_the_good_one(tmp_path: Path) -> None:
    """What is refused says how; what says nothing stays nothing, and the rest is not good."""
    source, store = tmp_path / "calls.csv", tmp_path / "s.db"
    cells = ["dobrze", "Dobrze", "świetnie", "źle", "N/A"]
    source.write_text("dependency,Wynik\n" + "\n".join(f"bielik,{cell}" for cell in cells))
    refused = typed("ingest", str(source), "--map", "outcome=Wynik", store=store)
    assert refused.returncode == 65
    assert "4 of 4 outcomes cannot be read, as in line 2: must be from 0 to 1" in refused.stderr
    assert "--good-when Wynik=VALUE" in refused.stderr
    good = ("--set", "version=1", "--good-when", "Wynik=dobrze", "--good-when", "Wynik=świetnie")
    taken = typed("ingest", str(source), *good, store=store)
    assert "4 outcomes, 0 errors" in taken.stdout
    found = json.loads(typed("check", "drift", "bielik", "--json", store=store).stdout)
    assert found["versions"][0]["mean"] == 0.75
    as_offered = typed("ingest", str(source), *good, "--map", "outcome=Wynik", store=store)
    assert as_offered.stdout.startswith("0 accepted, 5 duplicates")
    twice = typed("ingest", str(source), *good, "--map", "outcome=dependency", store=store)
    assert twice.returncode == 64
    assert "--good-when names one column" in twice.stderr


def test_what_is_left_out_is_named_with_what_it_could_have_been(tmp_path: Path) -> None:
    """Of JSON too: else an answer without outcomes would be all that is heard of them."""
    rows = [{"dependency": "m", "correct": True, "usage": {"in": 3}, "note": "x"}] * 3
    (tmp_path / "calls.jsonl").write_text(lines(rows))
    taken = typed(
        "ingest", str(tmp_path / "calls.jsonl"), "--ignore-unknown", store=tmp_path / "s.db"
    )
    assert (
        "Left out: columns 'correct', 'note', 'usage'. Perhaps wanted: --map outcome=correct\n"
        in (taken.stdout)
    )


def test_exact_decimals_in_texts_of_json_are_numbers(tmp_path: Path) -> None:
    """As databases export them; what says nothing is absent, and other money is not taken for USD."""
    row = {"dependency": "m", "latency_ms": "350 ms", "cost_usd": "0.0021", "outcome": "1"}
    row |= {"confidence": "N/A", "input_tokens": "12"}
    (tmp_path / "calls.jsonl").write_text(lines([row, {"dependency": "m", "cost_usd": "0.01 €"}]))
    taken = typed("ingest", str(tmp_path / "calls.jsonl"), store=tmp_path / "s.db")
    assert "1 accepted" in taken.stdout
    assert "calls.jsonl:2: cost_usd: is not in USD" in taken.stdout
    assert "fields: dependency, outcome, latency_ms, cost_usd, input_tokens." in taken.stdout


def test_init_begins_with_what_is_recorded(tmp_path: Path) -> None:
    """Its names stand in the file; without a store none is made, and no work is planned on a made-up name."""
    store = tmp_path / "s.db"
    bare = typed("init", str(tmp_path / "bare.toml"), store=store)
    assert (bare.returncode, store.exists()) == (0, False)
    asked = typed(
        "check", "preflight", "main", "--config", str(tmp_path / "bare.toml"), store=store
    )
    assert "Unknown workload 'main'" in asked.stderr
    (tmp_path / "calls.jsonl").write_text(lines([{"dependency": "ocr", "outcome": 1}]))
    assert typed("ingest", str(tmp_path / "calls.jsonl"), store=store).returncode == 0
    assert typed("init", str(tmp_path / "mine.toml"), store=store).returncode == 0
    written = (tmp_path / "mine.toml").read_text()
    assert '[dependencies."ocr"]' in written
    assert "\n# [budgets.main]\n# limit_usd = 60\n" in written
    found = typed(
        "check", "preflight", "main", "--json", "--config", str(tmp_path / "mine.toml"), store=store
    )
    assert [check["dependency"] for check in json.loads(found.stdout)["checks"]] == ["ocr"]


def test_a_spreadsheet_of_another_country_comes_in_whole(tmp_path: Path) -> None:
    """Semicolons, decimal commas, words for yes and no, hours of one digit, R's NA: no value is made up."""
    rows = [
        f"klassifikator;{1 + i // 24}.10.2026 {i % 24}:05;1{i},5;1.{i + 100};{('ja', 'nein')[i % 10 == 0]};NA;NA"
        for i in range(40)
    ]
    head = "dependency;ts;latency_ms;input_tokens;outcome;item;error"
    source = tmp_path / "zeiten.csv"
    source.write_bytes("\r\n".join([head, *rows]).encode("utf-8-sig"))
    told = typed("ingest", str(source), "--timezone", "Europe/Berlin", store=tmp_path / "s.db")
    assert told.stdout.startswith("40 accepted, 0 duplicates, 0 updated, 0 refused")
    assert "2026-09-30T22:05:00Z to 2026-10-02T13:05:00Z; 40 outcomes, 0 errors." in told.stdout
    assert "fields: dependency, ts, outcome, latency_ms, input_tokens.\n" in told.stdout


def test_what_to_ask_next_has_an_answer(tmp_path: Path) -> None:
    """Of one run without times trust is known; of two versions the difference is."""
    for version, worse in (("v1", 15), ("v2", 3)):
        lines = [f"q{i},{int(i % worse > 0)},{version}" for i in range(150)]
        (tmp_path / f"{version}.csv").write_text("\n".join(["item,outcome,version", *lines]))
    store, verdicts = tmp_path / "s.db", []
    for version in ("v1", "v2"):
        files = [str(tmp_path / f"{one}.csv") for one in ("v1", version)]
        told = typed("ingest", *dict.fromkeys(files), "--set", "dependency=clf", store=store)
        asked = told.stdout.rpartition("Next: gonogo ")[2].split("\n")[0].partition(", and ")[0]
        verdicts.append(typed(*asked.split(), store=store).stdout.partition(":")[0])
    assert verdicts == ["GO", "NO_GO"]


def test_a_metric_is_known_without_its_family(tmp_path: Path) -> None:
    """Also one of a single letter; the answer has its whole name."""
    row = {"dependency": "m", "ts": "2026-03-01T10:00:00Z", "metrics": {"q": 1, "other": 2}}
    (tmp_path / "calls.jsonl").write_text(lines([row]))
    typed("ingest", str(tmp_path / "calls.jsonl"), store=tmp_path / "s.db")
    found = typed("check", "drift", "m", "--metric", "q", "--json", store=tmp_path / "s.db")
    assert (found.returncode, json.loads(found.stdout)["metric"]) == (3, "metrics.q")
    refused = typed("check", "drift", "m", "--metric", "r", store=tmp_path / "s.db")
    assert refused.returncode == 66
