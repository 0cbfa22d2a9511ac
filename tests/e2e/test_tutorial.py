"""The tutorial as a reader types it: each command, and what it prints.

Written anew with GONOGO_SNAPSHOTS=accept; the words around the blocks are written by hand.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from product import typed

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?<=```console\n)\$ (.*)\n((?:.*\n)*?)(?=```)")
# What is another at each run: moments, ages, ids.
VARIES = (
    (re.compile(r"(as of|expires|epoch 1 since) \d{4}-[\dT:.-]+Z"), r"\1 …"),
    (re.compile(r"newest data [\d,]+ d old"), "newest data … old"),
    (re.compile(r"decision \w{16}"), "decision …"),
    (re.compile(r"plan-\w{16}"), "plan-…"),
    # The work ends on the same day or the next: which, the hour decides.
    (re.compile(r"\b[12] days? ahead"), "2 days ahead"),
)
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e\d+)?")
ASKED = """\
,Unnamed: 0,model,id,ref_answer,answer,latency,cost,timestamp
0,0,openaichat/gpt-3.5-turbo-0301,7,No,"[No]

It is [Yes] that is wrong.",4.29157,0.0004019999999999,"07/02/2023, 21:28:40"
1,1,openaichat/gpt-4-0613,8,yes,"Not prime: no.",0.7,0.0011,"07/24/2023, 21:00:50"
2,2,openaichat/gpt-4-0613,9,yes,"I cannot say.",0.7,0.0011,"07/24/2023, 21:00:50"
"""


def steady(said: str) -> str:
    """An answer without what is another at each run."""
    for pattern, put in VARIES:
        said = pattern.sub(put, said)
    return said


def numbers(text: str) -> list[float]:
    """Every number of a text, in its order."""
    return [float(number.replace(",", "").rstrip(".")) for number in NUMBER.findall(text)]


def test_every_command_of_the_tutorial_prints_what_the_page_shows(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the published answers, with an empty configuration until the page writes one."""
    page = PAGE.read_text(encoding="utf-8")
    with gzip.open(shared_data / "llmdrift" / "prime.jsonl.gz", "rt") as source:
        rows = [json.loads(line) for line in source]
    left_out = {"output", "output_tokens"}
    told = [{key: row[key] for key in row if key not in left_out} for row in rows]
    (tmp_path / "prime.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in told))
    config = tmp_path / "gonogo.toml"
    config.touch()
    monkeypatch.chdir(tmp_path)
    [toml] = re.findall(r"<<'TOML'\n(.*?)^TOML$", page, re.DOTALL | re.MULTILINE)
    budget_from = page.index("<<'TOML'")

    def printed(block: re.Match[str]) -> str:
        if block.start() > budget_from:
            config.write_text(toml)
        _, *words = shlex.split(block[1])
        done = typed(*words, store=tmp_path / "tutorial.db", environ={"GONOGO_CONFIG": str(config)})
        assert done.stderr == "", block[1]
        return f"$ {block[1]}\n{steady(done.stdout)}"

    shown = BLOCK.sub(printed, page)
    if os.environ.get("GONOGO_SNAPSHOTS") == "accept":
        PAGE.write_text(shown, encoding="utf-8")
        page = shown
    # A forecast is drawn at random from another seed at each moment: its last digit differs.
    assert NUMBER.sub("#", shown) == NUMBER.sub("#", page)
    assert numbers(shown) == pytest.approx(numbers(page), rel=0.05, abs=0.02)


def test_the_labels_of_the_tutorial_are_told_by_the_first_word(tmp_path: Path) -> None:
    """The first in brackets, else the first yes or no; an answer that says neither is wrong."""
    (tmp_path / "answers.csv").write_text(ASKED)
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "primes.py"), str(tmp_path / "answers.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["item_id"], line["correct"]) for line in lines] == [("7", 1), ("8", 0), ("9", 0)]
    assert lines[0] == {
        "model": "gpt-3.5-turbo",
        "version": "0301",
        "item_id": "7",
        "ts": "2023-07-02T21:28:40+00:00",
        "latency_s": 4.2916,
        "cost_usd": 0.000402,
        "correct": 1,
    }
