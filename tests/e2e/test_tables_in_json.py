"""JSON that is one table: as pandas writes it, rows by their keys, documents after each other; and failures by other names."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from product import lines, typed

ROWS: list[dict[str, Any]] = [
    {
        "model": "m",
        "timestamp": 1_772_000_000 + 600 * i,
        "correct": i % 3 > 0,
        "error": "timeout" if i % 7 == 0 else None,
    }
    for i in range(40)
]
NAMES = list(ROWS[0])
FORMS = {
    "columns": json.dumps({n: {str(i): row[n] for i, row in enumerate(ROWS)} for n in NAMES}),
    "split": json.dumps({"columns": NAMES, "data": [list(row.values()) for row in ROWS]}),
    "index": json.dumps({str(i): row for i, row in enumerate(ROWS)}, indent=1),
    "keyed": json.dumps({f"call-{i}": row for i, row in enumerate(ROWS)}),
    "after each other": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "lists after each other": "\n".join(
        json.dumps(ROWS[at : at + 9], indent=2) for at in range(0, 40, 9)
    ),
}


def offered(tmp_path: Path, file: Path) -> list[str]:
    """The options that the refusal of a file offers."""
    refused = typed("ingest", str(file), store=tmp_path / "s.db")
    said = (refused.stdout + refused.stderr).partition("Perhaps: ")[2].splitlines()[0]
    return shlex.split(said.partition(" (and ")[0])


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_its_rows_however_json_holds_it(tmp_path: Path, form: str) -> None:
    """All of them, with their failures, by the command that the refusal offers."""
    file = tmp_path / "calls.json"
    file.write_text(FORMS[form])
    options = offered(tmp_path, file)
    taken = typed("ingest", str(file), *options, store=tmp_path / "s.db").stdout
    assert taken.startswith("40 accepted, 0 duplicates, 0 updated, 0 refused"), taken
    assert "40 records of m (40)" in taken
    assert "40 outcomes, 6 errors" in taken


def test_the_documents_before_a_broken_one_are_taken(tmp_path: Path) -> None:
    """A log that was cut off while it was written: the line is named, and nothing good is lost."""
    file = tmp_path / "calls.json"
    text = FORMS["after each other"]
    file.write_text(text[:-20])
    told = typed("ingest", str(file), *offered(tmp_path, file), store=tmp_path / "s.db").stdout
    assert told.startswith("39 accepted, 0 duplicates, 0 updated, 1 refused"), told
    assert f"calls.json:{text[: text.rindex('{')].count(chr(10)) + 1}: line: " in told


def test_a_call_of_several_parts_is_no_table(tmp_path: Path) -> None:
    """One object of objects a line, as proxies log; and one alone whose parts have names of their own."""
    call = {
        part: {"model": "m", "timestamp": 1_772_000_000, "latency": 3}
        for part in ("request", "response", "retry")
    }
    for n, text in ((2, lines([call, call])), (1, json.dumps({**call, "retry": {"n": 1}}))):
        file = tmp_path / f"calls{n}.jsonl"
        file.write_text(text)
        told = typed("ingest", str(file), store=tmp_path / "s.db").stdout
        assert told.startswith(f"0 accepted, 0 duplicates, 0 updated, {n} refused")
        assert "request" in told


@pytest.mark.parametrize(
    ("column", "bad", "fine"),
    [
        ("err", "E42", None),
        ("failed", True, False),
        ("fallo", "sí", "no"),
        ("échec", "délai dépassé", ""),
        ("finish_reason", "error", "stop"),
        ("exit_code", 1, 0),
        ("response_status_code", 429, 200),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_failures_are_offered_by_whatever_they_are_called(
    tmp_path: Path, column: str, bad: object, fine: object, form: str
) -> None:
    """Left out as unknown, they alone would be lost, and every verdict too good."""
    rows = [
        {**{name: row[name] for name in NAMES[:3]}, column: bad if row["error"] else fine}
        for row in ROWS
    ]
    file = tmp_path / f"calls.{form}"
    cells = [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
    file.write_text(lines(rows) if form == "jsonl" else "\n".join([",".join(rows[0]), *cells]))
    taken = typed("ingest", str(file), *offered(tmp_path, file), store=tmp_path / "s.db").stdout
    assert "40 outcomes, 6 errors" in taken, taken


def test_what_lies_under_scores_is_offered_by_its_name(tmp_path: Path) -> None:
    """As Braintrust exports them; a score is no outcome until it is said to be one."""
    file = tmp_path / "spans.jsonl"
    file.write_text(
        lines([{"model": "m", "created": 1_772_000_000, "scores": {"Factuality": 0.5}}])
    )
    assert "metrics.Factuality=scores.Factuality" in offered(tmp_path, file)
