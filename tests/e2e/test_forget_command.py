"""`gonogo forget`: an import that was wrong is taken back, said, logged, and never answered from."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from product import answer, lines, typed


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two runs of an evaluation, the second with a wrong outcome."""
    now_s = time.time()
    for run, outcome in (("good", 1), ("bad", 0)):
        calls = [
            {"dependency": "triage", "ts": now_s - 60 * i, "outcome": outcome, "cost_usd": 0.01}
            for i in range(100)
        ]
        path = tmp_path / f"{run}.jsonl"
        path.write_text(lines(calls))
        typed("ingest", str(path), "--run", run, store=tmp_path / "gonogo.db")
    return tmp_path / "gonogo.db"


def test_a_run_is_taken_back_and_the_verdict_with_it(store: Path) -> None:
    """Asked first, logged as an action, and answers are as if it had never come."""
    before = answer(typed("check", "trust", "triage", "--json", store=store))
    asked = typed("forget", "triage", "--run", "bad", store=store)
    assert asked.returncode == 64
    assert "100 observations of triage" in asked.stderr
    assert "--yes" in asked.stderr
    done = answer(typed("forget", "triage", "--run", "bad", "--yes", "--json", store=store))
    assert (done["removed"], done["remaining"], done["spent_usd"]) == (100, 100, 1.0)
    assert "$1.00 taken out of the books" in done["summary"]
    listed = answer(typed("list", "--json", store=store))["dependencies"]
    assert [(line["n"], line["verdict"]) for line in listed] == [(100, "unknown")]
    after = answer(typed("check", "trust", "triage", "--json", store=store))
    assert after["score"] > 90 > before["score"]
    entry = typed("decisions", "show", done["decision_id"], "--json", store=store)
    assert '"forget"' in entry.stdout
    again = answer(
        typed("ingest", str(store.parent / "bad.jsonl"), "--run", "bad", "--json", store=store)
    )
    assert again["accepted"] == 100


def test_the_whole_of_a_name_goes_and_may_come_again(store: Path) -> None:
    """An unknown name, and a choice of nothing, are said in one line."""
    assert answer(typed("forget", "triage", "--yes", "--json", store=store))["remaining"] == 0
    assert answer(typed("list", "--json", store=store))["dependencies"] == []
    assert "Unknown dependency" in typed("forget", "triage", "--yes", store=store).stderr
    typed("ingest", str(store.parent / "good.jsonl"), "--run", "good", store=store)
    nothing = typed(
        "forget", "triage", "--since", "2001-01-01", "--until", "2001-01-02", "--yes", store=store
    )
    assert "Nothing of triage is meant by that" in nothing.stderr
    assert typed("doctor", store=store).returncode == 0


def test_many_names_are_taken_back_in_one_go(tmp_path: Path) -> None:
    """By their names and by patterns of them, each with an entry of its own; what nothing is meant of is left."""
    store, now_s = tmp_path / "s.db", time.time()
    names = [f"scratch-{i}" for i in range(8)] + ["old", "kept"]
    calls = [{"dependency": name, "ts": now_s - 60, "outcome": 1} for name in names]
    calls.append({"dependency": "scratch-old", "ts": now_s - 9 * 86_400, "outcome": 1})
    (tmp_path / "calls.jsonl").write_text(lines(calls))
    typed("ingest", str(tmp_path / "calls.jsonl"), store=store)
    since = datetime.fromtimestamp(now_s - 86_400, UTC).isoformat()
    asked = typed("forget", "scratch-*", "old", "--since", since, store=store)
    assert asked.returncode == 64
    assert "1 observation of scratch-0" in asked.stderr
    assert "Pass --yes" in asked.stderr
    done = typed("forget", "scratch-*", "old", "--since", since, "--yes", "--json", store=store)
    removed = [json.loads(line)["dependency"] for line in done.stdout.splitlines()]
    assert sorted(removed) == sorted([*names[:8], "old"])
    listed = answer(typed("list", "--json", store=store))["dependencies"]
    assert {line["dependency"] for line in listed} == {"kept", "scratch-old"}
    entries = typed("decisions", "list", "--kind", "forget", store=store).stdout
    assert len(entries.splitlines()) == 1 + 9
    for pattern, said in (
        ("nobody-*", "Unknown dependency 'nobody-*'"),
        ("scratch-*", "Nothing of"),
    ):
        assert said in typed("forget", pattern, "--since", since, "--yes", store=store).stderr
