"""Standing verdicts of a store that an earlier release wrote, which kept the last verdict alone."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gonogo.records import Decision, PartVerdict, StandingVerdict, Verdict
from gonogo.store.books.audit import insert_decision
from gonogo.store.books.decisions import StoredDecisions
from gonogo.store.sqlite import migrate
from gonogo.store.sqlite.database import Database
from gonogo.store.sqlite.identity import OpenFile
from gonogo.store.sqlite.lock import FileLock
from gonogo.store.sqlite.opening import open_writer
from gonogo.views.decision_log import ENTROPY_BITS, id_of

pytestmark = [pytest.mark.anyio, pytest.mark.sqlite]

NOW = 1_790_000_000_000
BEFORE = 12


def asked(minute: int, kind: str, verdict: Verdict, **inputs: object) -> Decision:
    """A logged check of `m`, whose newest observation was a minute old."""
    ts_ms = NOW + 60_000 * minute
    return Decision(
        id_of(ts_ms << ENTROPY_BITS | minute),
        ts_ms,
        kind,
        verdict,
        "said",
        json.dumps({"dependency": "m"} | inputs),
        json.dumps({"verdict": verdict, "data_age_s": 60}),
        dependency="m",
        last_ts_ms=ts_ms,
    )


async def test_the_newest_checks_of_the_whole_become_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a slice that was asked later, nor trust that was asked last, hides the no_go."""
    carried = tmp_path / "migrations"
    carried.mkdir()
    for file in migrate._FOLDER.glob("[0-9]*.sql"):
        if int(file.name[:4]) <= BEFORE:
            shutil.copy(file, carried)
    store = tmp_path / "store.db"
    with monkeypatch.context() as then:
        then.setattr(migrate, "_FOLDER", carried)
        lock = FileLock(store.with_name("store.db.lock"))
        with closing(open_writer(store, lock, OpenFile(store))) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for number, name in enumerate("mn", 1):
                connection.execute(
                    "INSERT INTO dependency (id, name, first_ts_ms, newest_ts_ms, rule)"
                    " VALUES (?, ?, ?, ?, '[null,500000,[]]')",
                    (number, name, NOW, NOW + number),
                )
            for entry in (
                asked(1, "check_model_drift", "go"),
                asked(2, "check_model_drift", "no_go", detail="full"),
                asked(3, "check_model_drift", "go", segment="tier=new"),
                asked(4, "check_model_drift", "go", until="2026-01-01"),
                asked(5, "get_trust_score_health", "caution"),
            ):
                insert_decision(connection, entry, stream=b"s", digest=b"d")
            connection.execute("INSERT INTO last_verdict VALUES ('m', 'caution', ?)", (NOW,))
            for number in (1, 2):
                connection.execute(
                    "INSERT INTO kept_score VALUES (?, ?, 1, 'go', 900000, 800000, 950000, NULL, NULL)",
                    (number, NOW + 5),
                )
            connection.execute("COMMIT")
        lock.close()
    database = await Database.open(store)
    try:
        found = await StoredDecisions(database).standing()
    finally:
        await database.close()
    assert found == {
        "m": StandingVerdict(
            PartVerdict("drift", "no_go", NOW + 120_000, NOW + 60_000),
            PartVerdict("trust", "caution", NOW + 300_000, NOW + 240_000),
        ),
        "n": StandingVerdict(None, PartVerdict("trust", "go", NOW + 5, NOW + 2)),
    }


def schema(store: Path) -> dict[str, set[str]]:
    """Each table's columns, and each index."""
    with closing(sqlite3.connect(store)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        return {
            name: {row[1] for row in connection.execute(f"PRAGMA table_info('{name}')")}
            for (name,) in names.fetchall()
        }


@pytest.mark.parametrize(
    "numbered", [{"0016_runs": 15}, {"0015_judges": 15, "0020_nano": 18, "0019_refused": 19}]
)
async def test_steps_that_were_numbered_otherwise_are_all_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbered: dict[str, int]
) -> None:
    """A store of a commit between: its version says a step was made that it never had."""
    carried = tmp_path / "migrations"
    carried.mkdir()
    for file in migrate._FOLDER.glob("[0-9]*.sql"):
        if int(file.name[:4]) < 15:
            shutil.copy(file, carried)
        elif number := numbered.get(file.stem):
            shutil.copy(file, carried / f"{number:04}_{file.stem[5:]}.sql")
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with monkeypatch.context() as then:
        then.setattr(migrate, "_FOLDER", carried)
        await (await Database.open(old)).close()
    for store in (old, new):
        await (await Database.open(store)).close()
    assert schema(old) == schema(new)
