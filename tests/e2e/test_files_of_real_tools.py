"""What real tools wrote, in one command to counts: see `written_by/README.md`."""

from __future__ import annotations

from pathlib import Path

import pytest
from product import answer, typed

FOLDER = Path(__file__).parent / "written_by"


@pytest.mark.parametrize(
    ("file", "understood", "dependency", "versions"),
    [
        ("promptfoo-0.121.20.json", "3 records of echo (3); 1 version", "echo", ["played-1"]),
        ("deepeval-4.3.1.json", "3 records of played-1 (3)", "played-1", []),
        ("phoenix-20.26.1.csv", "16 records of played-1 (8), look_up (8)", "played-1", []),
    ],
)
def test_a_file_as_its_tool_wrote_it(
    file: str, understood: str, dependency: str, versions: list[str], tmp_path: Path
) -> None:
    """It is recognised by its content, its calls are counted, and again it brings nothing new."""
    store = tmp_path / "s.db"
    told = typed("ingest", str(FOLDER / file), store=store)
    assert (told.returncode, understood in told.stdout) == (0, True), told.stdout + told.stderr
    listed = answer(typed("list", "--json", store=store))["dependencies"]
    [found] = [one for one in listed if one["dependency"] == dependency]
    assert found["versions"] == versions
    assert "latency_ms" in found["metrics"]
    again = typed("ingest", str(FOLDER / file), store=store)
    assert again.stdout.startswith("0 accepted")


def test_a_column_may_stand_twice_where_it_says_one_thing(tmp_path: Path) -> None:
    """As pandas writes an index; a row in which the two differ is refused alone."""
    source = tmp_path / "calls.csv"
    source.write_text("id,dependency,outcome,id\n1,m,1,1\n2,m,0,2\n3,m,1,4\n5,m,1,\n")
    told = typed("ingest", str(source), store=tmp_path / "s.db")
    assert told.stdout.startswith("3 accepted, 0 duplicates, 0 updated, 1 refused")
    assert "calls.csv:4: line: has two values in the columns 'id'" in told.stdout + told.stderr
