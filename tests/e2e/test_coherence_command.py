"""`gonogo doctor --coherence`: a store is asked everything, nothing is written, and what disagrees is named."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from product import lines, typed

from gonogo.store.repair import rows_counted
from gonogo.store.sqlite.connection import FileConnection
from oracle import KNOWN

DAY_S = 86_400
CONFIG = """
[budgets.nightly]
limit_usd = 5.0
dependencies = ["search"]

[workloads.triage]
dependencies = { search = 10, "search-old" = 5 }
budget = "nightly"
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Five days of good calls of two tools, with a budget and a workload."""
    import time

    began_s = time.time() - 5 * DAY_S
    calls = [
        {
            "dependency": name,
            "ts": began_s + hour * 3600,
            "outcome": int(hour % 17 > 0),
            "latency_ms": 100 + hour % 7,
            "cost_usd": 0.001,
        }
        for hour in range(120)
        for name in ("search", "search-old")
    ]
    (tmp_path / "calls.jsonl").write_text(lines(calls))
    (tmp_path / "gonogo.toml").write_text(CONFIG)
    typed("ingest", str(tmp_path / "calls.jsonl"), store=tmp_path / "gonogo.db")
    return tmp_path / "gonogo.db"


def asked(store: Path) -> tuple[int, dict[str, str]]:
    """The command's exit status, and what it found broken by name."""
    environ = {"GONOGO_CONFIG": str(store.parent / "gonogo.toml")}
    done = typed("doctor", "--coherence", "--json", store=store, environ=environ)
    found = json.loads(done.stdout)["findings"]
    return done.returncode, {f["what"]: f["said"] for f in found if f["state"] == "broken"}


def contents(store: Path) -> list[str]:
    """Every row of the store, as SQL."""
    with closing(sqlite3.connect(store, factory=FileConnection)) as opened:
        return list(opened.iterdump())


def test_a_sound_store_agrees_and_is_left_as_it_is(store: Path) -> None:
    """No rule finds anything but what is known, and no row has come or gone."""
    before = contents(store)
    status, broken = asked(store)
    assert set(broken) <= set(KNOWN), broken
    assert status == (70 if broken else 0)
    assert contents(store) == before


def test_what_disagrees_is_named_by_its_rule(store: Path) -> None:
    """Rows that are gone while the rollups still count them."""
    with closing(sqlite3.connect(store, factory=FileConnection)) as opened:
        assert rows_counted(opened) == {"search": 120, "search-old": 120}
        opened.execute("DELETE FROM observation WHERE ts_ms = (SELECT min(ts_ms) FROM observation)")
        opened.commit()
    status, broken = asked(store)
    assert status == 70
    assert broken["counts_are_the_store_s"].startswith("search")


def test_a_store_of_many_names_and_units_agrees_as_one_of_few(store: Path) -> None:
    """More dependencies than a brief fleet lists, and budgets of calls, minutes and tokens, disagree about nothing."""
    import time

    calls = [
        {"dependency": f"tool-{at}", "ts": time.time() - 60 * at, "latency_ms": 90, "outcome": 1}
        for at in range(30)
    ]
    (store.parent / "more.jsonl").write_text(lines(calls))
    config = store.parent / "gonogo.toml"
    units = "".join(
        f'\n[budgets.{unit}]\nlimit_usd = 1000\nunit = "{unit}"\ndependencies = ["search"]\n'
        for unit in ("calls", "minutes", "tokens")
    )
    config.write_text(config.read_text() + units)
    typed("ingest", str(store.parent / "more.jsonl"), store=store)
    status, broken = asked(store)
    assert set(broken) <= set(KNOWN), broken
    assert status == (70 if broken else 0)
    fleet = json.loads(typed("check", "trust", "--json", store=store).stdout)
    assert fleet["total"] == 32
    assert sum(fleet["verdicts"].values()) == 32
    assert len(fleet["fleet"]) < 32
