"""One history is one history: in any order, split, repetition and file naming."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from product import answer, typed

DAY_S = 86_400
NOW_S = round(datetime.now(UTC).timestamp())


def ingest(folder: Path, *arguments: str) -> dict[str, Any]:
    """What `gonogo ingest --json` says."""
    return answer(typed("ingest", "--json", *arguments, store=folder / "gonogo.db"))


def table(path: Path, rows: list[dict[str, object]], **options: Any) -> str:  # noqa: ANN401
    """A CSV file of rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), **options)
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.getvalue())
    return str(path)


def results(night: int) -> list[dict[str, object]]:
    """200 answers of an evaluation; from night to night every thirteenth comes out otherwise."""
    return [
        {"item": f"q{i}", "outcome": int((i + night) % 13 > 0), "model": "triage"}
        for i in range(200)
    ]


def test_nightly_results_are_each_a_run(tmp_path: Path) -> None:
    """Of a file that does the work again all is kept: what changed alone is a biased sample."""
    for night in range(3):
        path = table(tmp_path / "results.csv", results(night))
        told = ingest(tmp_path, path, "--map", "dependency=model")
        assert told["accepted"] == 200
        assert night == 0 or "as another run" in told["notes"][0]
        again = ingest(tmp_path, path, "--map", "dependency=model")
        assert (again["accepted"], again["duplicates"]) == (0, 200)


def test_a_file_with_refused_lines_counts_each_of_the_others_once(tmp_path: Path) -> None:
    """Read again as it is, with some lines mended, and with all: no line comes in twice."""
    rows = results(0)
    for lacking, accepted in ((6, 194), (6, 0), (2, 4), (2, 0), (0, 2), (0, 0)):
        bad = {3 + 30 * at: "kaputt" for at in range(lacking)}
        told = [row | ({"outcome": bad[at]} if at in bad else {}) for at, row in enumerate(rows)]
        path = table(tmp_path / "results.csv", told)
        read = typed("ingest", "--json", path, "--map", "dependency=model", store=tmp_path / "s.db")
        assert json.loads(read.stdout)["accepted"] == accepted


def test_versions_in_two_folders_are_both_kept(tmp_path: Path) -> None:
    """The file's name says nothing, and the version that `--set` states does."""
    for version in ("v1", "v2"):
        path = table(tmp_path / version / "predictions.csv", results(0))
        told = ingest(tmp_path, path, "--map", "dependency=model", "--set", f"version={version}")
        assert (told["accepted"], told.get("notes")) == (200, None)


def test_runs_are_told_apart_by_name_also_where_lines_carry_ids(tmp_path: Path) -> None:
    """Ids that number the questions are the same every night."""
    rows: list[dict[str, object]] = [{**row, "id": n} for n, row in enumerate(results(0))]
    path = table(tmp_path / "results.csv", rows)
    for run, accepted in (("mon", 200), ("tue", 200), ("mon", 0)):
        told = ingest(tmp_path, path, "--map", "dependency=model", "--run", run)
        assert told["accepted"] == accepted


def test_times_without_a_zone_are_read_in_the_stated_one(tmp_path: Path) -> None:
    """pandas, SQL and spreadsheets write no zone; the option wins over the configuration."""
    rows: list[dict[str, object]] = [
        {"dependency": "m", "ts": "2026-10-28 18:00:05"},
        {"dependency": "m", "ts": "2026-10-28"},
        {"dependency": "m", "ts": "28.10.2026 18:00"},
    ]
    path = table(tmp_path / "calls.csv", rows)
    refused = ingest(tmp_path, path)["rejected"]
    assert ["no time zone" in row["problem"] for row in refused] == [True] * 3
    assert ingest(tmp_path, path, "--timezone", "Europe/Berlin")["accepted"] == 3
    known = answer(typed("list", "--json", store=tmp_path / "gonogo.db"))["dependencies"]
    assert known[0]["newest_ts"] == "2026-10-28T17:00:05Z"
    (tmp_path / "gonogo.toml").write_text('[settings]\ntimezone = "UTC"\n')
    told = ingest(tmp_path, path, "--config", str(tmp_path / "gonogo.toml"))
    assert (told["accepted"], told["rejected"]) == (3, [])


def test_a_spreadsheet_is_read_as_it_was_saved(tmp_path: Path) -> None:
    """Semicolons, decimal commas, percents, UTF-16, empty columns and rows at the end."""
    text = (
        "dependency;outcome;latency_ms;cost_usd;;\r\n"
        "m;bestanden;1.234,5;0,002 $;;\r\n"
        "m;95 %;12,25;$0,5;;\r\n"
        "m;fail;-;N/A;;\r\n"
        ";;;;;\r\n"
    )
    (tmp_path / "a.csv").write_bytes(text.replace("bestanden", "yes").encode("utf-16"))
    told = ingest(tmp_path, str(tmp_path / "a.csv"))
    assert (told["accepted"], told["rejected"]) == (3, [])
    store = tmp_path / "gonogo.db"
    spent = answer(typed("check", "drift", "m", "--metric", "cost_usd", "--json", store=store))
    assert spent["current"]["mean"] == pytest.approx(0.251)


def test_a_condition_says_what_failed_and_paths_reach_into_objects(tmp_path: Path) -> None:
    """And a column that only has a field's name can be left out."""
    rows = [
        {
            "level": level,
            "provider": {"id": "m"},
            "metrics": [1],
            "usage": {"in": 7},
            "ts": NOW_S - n,
        }
        for n, level in enumerate(["INFO", "ERROR", "INFO"])
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = ingest(
        tmp_path,
        str(path),
        *("--map", "dependency=provider.id", "--map", "input_tokens=usage.in"),
        *("--drop", "metrics", "--drop", "usage", "--error-when", "level=ERROR"),
    )
    assert (told["accepted"], told["rejected"]) == (3, [])
    trust = answer(typed("check", "trust", "m", "--json", store=tmp_path / "gonogo.db"))
    assert trust["parts"]["availability"]["rate"] < 0.75


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(24)), file_of=st.lists(st.integers(0, 3), min_size=24, max_size=24)
)
def test_any_order_split_and_naming_gives_the_same_store(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], file_of: list[int]
) -> None:
    """Calls that carry their times, two of them alike but for the second, brought twice."""
    folder = tmp_path_factory.mktemp("history")
    rows = [
        {"dependency": f"m{n % 2}", "ts": NOW_S - 7 * DAY_S + n // 2 * 60, "outcome": n % 3 > 0}
        for n in range(24)
    ]
    for number in range(4):
        part = [rows[n] for n in order if file_of[n] == number]
        (folder / f"part-{number}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part))
    (folder / "whole.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    accepted = [
        ingest(folder, *[str(folder / f"part-{number}.jsonl") for number in range(4)])["accepted"],
        ingest(folder, str(folder / "whole.jsonl"))["accepted"],
    ]
    assert accepted == [24, 0]


def test_a_sample_of_calls_is_what_it_stands_for(tmp_path: Path) -> None:
    """Every failure and one good call in ten: trust is that of all calls, and so is what they cost."""
    calls: list[dict[str, object]] = [
        {"dependency": "m", "ts": NOW_S - DAY_S + i * 80, "cost_usd": 0.01, "id": f"c{i}"}
        | ({"error": "timeout", "weight": 1} if i % 4 == 0 else {"weight": 10})
        for i in range(1000)
    ]
    config = tmp_path / "gonogo.toml"
    config.write_text('[budgets.all]\nlimit_usd = 100\nwindow = "total"\ndependencies = ["m"]\n')
    source = tmp_path / "calls.jsonl"
    source.write_text("\n".join(map(json.dumps, calls)))
    store = tmp_path / "gonogo.db"
    told = typed("ingest", str(source), store=store)
    assert "Weights of m differ: its rates are of a sample" in told.stdout
    trust = answer(typed("check", "trust", "m", "--json", store=store))
    # 250 failures beside 7,500 good calls; a store that took rows for calls would say 75. Which failures
    # count is drawn by their times, 25 of 250 on average: at most dates a 90 % interval has the rate in
    # it, and four standard errors have it at all.
    lower, upper = trust["interval90"]
    assert abs(trust["score"] - 96.8) < 2.5 * (upper - lower) / 2
    assert lower > 80
    asked = ("check", "budget", "all", "--calls", "1", "--json", "--config", str(config))
    assert answer(typed(*asked, store=store))["spent_usd"] == 77.5


@pytest.mark.parametrize("is_one_file", [False, True])
def test_another_outcome_of_a_known_call_is_said(tmp_path: Path, is_one_file: bool) -> None:  # noqa: FBT001
    """It stays as it was told first; a person's word beside a judge's is none."""
    store = tmp_path / "s.db"
    first = [{"dependency": "m", "id": f"c{i}", "ts": "2026-04-02", "outcome": 1} for i in range(6)]
    other = [{**row, "outcome": 0} for row in first[:2]] + first[2:]
    judged = {"id": "c9", "dependency": "m", "outcome": 1, "outcome_by": "judge:j"}
    graded = [judged, {**judged, "outcome": 0, "outcome_by": "human"}]
    files = [first, other] if not is_one_file else [first + other]
    told = ""
    for at, rows in enumerate([graded, *files]):
        path = tmp_path / f"{at}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        told = typed("ingest", str(path), "--timezone", "UTC", store=store).stdout
        assert ("another outcome" in told) is (at == len(files))
    assert "2 records say another outcome than the call of that id has" in told
