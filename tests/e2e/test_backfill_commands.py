"""Older rows that come after newer ones: the commands that are offered then do what they say."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import numpy as np
from product import answer, lines, typed

A_DAY, LIVE_DAYS, OLD_DAYS = 240, 12, 20


def _rows(path: Path, start_s: float, days: int, wrong: float) -> Path:
    """Calls, evenly spread, of which a share is wrong: the same ones, whatever the clock says."""
    good = np.random.default_rng(4).random(days * A_DAY) >= wrong
    calls = [
        {
            "dependency": "triage",
            "ts": start_s + i * 86_400 / A_DAY,
            "outcome": float(good[i]),
        }
        for i in range(days * A_DAY)
    ]
    path.write_text(lines(calls))
    return path


def _offered(said: str, command: str) -> list[str]:
    """The arguments of a command that an answer offers."""
    found = re.search(rf"gonogo ({command} .*)", said)
    assert found is not None, said
    return shlex.split(found.group(1))


def test_what_is_offered_after_a_backfill_can_be_typed(tmp_path: Path) -> None:
    """The older rows are judged by themselves, and are the baseline once a person says so."""
    store, begun = tmp_path / "gonogo.db", time.time() - LIVE_DAYS * 86_400
    live = _rows(tmp_path / "live.jsonl", begun, LIVE_DAYS, 0.06)
    old = _rows(tmp_path / "old.jsonl", begun - OLD_DAYS * 86_400, OLD_DAYS, 0.06)
    typed("ingest", str(live), store=store)
    before = answer(typed("check", "drift", "triage", "--json", store=store))
    said = typed("ingest", str(old), store=store).stdout
    after = answer(typed("check", "drift", "triage", "--json", store=store))
    assert after["baseline"]["start"] == before["baseline"]["start"]
    past = answer(typed(*_offered(said, "check"), "--json", store=store))
    assert past["status"] != "insufficient_data", past["summary"]
    assert past["baseline"]["start"] < before["baseline"]["start"]
    accepting = _offered(said, "baseline")
    done = typed(*accepting, store=store)
    assert (done.returncode, done.stderr) == (0, "")
    moved = answer(typed("check", "drift", "triage", "--json", store=store))
    assert moved["baseline"]["start"][:10] == accepting[-1]
