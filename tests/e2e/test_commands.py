"""The command line where scripts depend on it: objects, exit statuses, one line an error."""

from __future__ import annotations

import getpass
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from product import answer, lines, typed

DAY_S = 86_400
NOW_S = 1_780_000_000
CONFIG = """
[dependencies.search]
kind = "tool"
fallback = ["search-old"]
fallback_policy = "ask"

[dependencies.search-old]
kind = "tool"

[budgets.nightly]
limit_usd = 1.0
dependencies = ["search"]

[workloads.triage]
dependencies = { search = 10 }
budget = "nightly"
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with 200 good and recent calls of one tool, and a configuration beside it."""
    import time

    now_s = time.time()
    calls = [
        {
            "dependency": name,
            "ts": now_s - 400 * 60 + 60 * i,
            "outcome": 1,
            "latency_ms": 100 + i,
            "cost_usd": 0.001,
        }
        for i in range(200)
        for name in ("search", "search-old")
    ]
    (tmp_path / "calls.jsonl").write_text(lines(calls))
    (tmp_path / "gonogo.toml").write_text(CONFIG)
    path = tmp_path / "gonogo.db"
    done = typed("ingest", str(tmp_path / "calls.jsonl"), store=path)
    first, *understood = done.stdout.splitlines()
    assert first == "400 accepted, 0 duplicates, 0 updated, 0 refused"
    assert len(understood) == 3
    assert understood[1].startswith("Understood as fields: dependency, ts, ")
    return path


def configured(store: Path) -> dict[str, str]:
    """The environment with the configuration."""
    return {"GONOGO_CONFIG": str(store.parent / "gonogo.toml")}


def test_a_budget_is_checked_held_and_settled(store: Path) -> None:
    """The money's way through the commands, each with the tool's object."""
    environ = configured(store)
    checked = typed(
        "check",
        "budget",
        "nightly",
        "--dependency",
        "search",
        "--planned-calls",
        "20",
        "--json",
        store=store,
        environ=environ,
    )
    assert (checked.returncode, answer(checked)["passed"]) == (0, True)
    held = typed(
        "reserve",
        "nightly",
        "--calls",
        "20",
        "--dependency",
        "search",
        "--json",
        store=store,
        environ=environ,
    )
    assert held.returncode == 0
    reservation = answer(held)["reservation"]["id"]
    settled = typed("settle", reservation, "--usd", "0.015", "--json", store=store, environ=environ)
    assert (settled.returncode, answer(settled)["status"]) == (0, "settled")
    failed = typed("check", "budget", "nightly", "--usd", "5", store=store, environ=environ)
    assert failed.returncode == 2
    assert failed.stdout.startswith("NO_GO: Budget check failed: ")


def test_a_person_sees_which_customer_is_near_its_limit(tmp_path: Path) -> None:
    """Each budget and each customer's own limit, in its unit, the fullest first; or those that are asked for."""
    (tmp_path / "gonogo.toml").write_text(
        '[budgets.tenant]\nlimit_usd = 10\nper = "tenant"\n'
        '[budgets."tenant/b"]\nlimit_usd = 100\n'
        '[budgets.calls]\nlimit_usd = 20\nunit = "calls"\ndependencies = ["m"]\n'
        '[budgets.idle]\nlimit_usd = 5\nwindow = "rolling:7d"\n'
    )
    calls = [
        {"dependency": "m", "cost_usd": 1.5, "segments": {"tenant": tenant}}
        for tenant in ("a", "b") * 6
    ]
    (tmp_path / "calls.jsonl").write_text(lines(calls))
    store = tmp_path / "gonogo.db"
    environ = configured(store)
    typed("ingest", str(tmp_path / "calls.jsonl"), store=store, environ=environ)
    typed("reserve", "tenant/b", "--usd", "40", store=store, environ=environ)

    def listed(*more: str) -> list[str]:
        return typed("budgets", *more, store=store, environ=environ).stdout.splitlines()

    assert [line.split("\t") for line in listed()] == [
        ["budget", "used", "limit", "spent", "held", "left", "window"],
        ["tenant/a", "90%", "$10.00", "$9.00", "$0.00", "$1.00", "total"],
        ["calls", "60%", "20 calls", "12 calls", "0 calls", "8 calls", "total"],
        ["tenant/b", "49%", "$100.00", "$9.00", "$40.00", "$51.00", "total"],
        ["idle", "0%", "$5.00", "$0.00", "$0.00", "$5.00", "rolling:7d"],
    ]
    [first, second] = map(json.loads, listed("tenant/", "--json"))
    assert (first["budget"], second["budget"]) == ("tenant/a", "tenant/b")
    amounts = ("limit_usd", "spent_usd", "held_usd", "remaining_usd")
    assert [second[name] for name in amounts] == [100, 9, 40, 51]
    assert listed("nobody") == [
        "No budget's name contains this. [budgets.NAME] in gonogo.toml makes one."
    ]


def test_a_fallback_is_planned_approved_and_taken_back(store: Path) -> None:
    """A plan waits for a person; `approve` is the person's yes at the terminal."""
    environ = configured(store)
    planned = typed(
        "fallback", "search", "--reason", "too slow", "--json", store=store, environ=environ
    )
    plan = answer(planned)
    assert (planned.returncode, plan["applied"], plan["approval"]) == (0, False, "ask")
    waiting = answer(
        typed(
            "fallback", "search", "--plan", plan["plan_id"], "--json", store=store, environ=environ
        )
    )
    assert waiting["pending_approval"] is True
    command = waiting["approve_command"].split()
    assert command[:2] == ["gonogo", "approve"]
    done = answer(typed(*command[1:], "--json", store=store, environ=environ))
    assert done["applied"] is True
    assert [(t["target"], t["share"]) for t in done["to"]] == [
        ("search", 0.01),
        ("search-old", 0.99),
    ]
    key = ("--key", "user-1", "--json")
    routed = answer(typed("route", "search", *key, store=store, environ=environ))
    assert routed["target"] == "search-old"
    held = typed("route", "search", "--hold", "migration", *key, store=store, environ=environ)
    assert answer(held)["why"].endswith("; held: migration")
    undone = ("fallback", "search", "--undo", done["undo"]["arguments"]["undo"])
    refused = typed(*undone, store=store, environ=environ)
    assert "gonogo route search --release" in refused.stderr
    released = typed("route", "search", "--release", *key, store=store, environ=environ)
    assert "held" not in answer(released)["why"]
    both = typed("route", "search", "--until", "2999-01-01", store=store, environ=environ)
    assert both.returncode == 64
    undo = done["undo"]["arguments"]["undo"]
    back = answer(
        typed("fallback", "search", "--undo", undo, "--json", store=store, environ=environ)
    )
    assert back["pending_approval"] is True


def test_preflight_is_the_worst_of_its_parts(store: Path) -> None:
    """The exit status of a workload is its verdict; without one the configured ones are named."""
    environ = configured(store)
    lost = typed("check", "preflight", store=store, environ=environ)
    assert (lost.returncode, "(triage)" in lost.stderr) == (64, True)
    named = ("check", "preflight", "--workload", "triage", "--json")
    done = typed(*named, store=store, environ=environ)
    report = answer(done)
    statuses = {"go": 0, "caution": 1, "no_go": 2, "unknown": 3}
    assert done.returncode == statuses[report["verdict"]]
    assert [c["dependency"] for c in report["checks"]] == ["search"]
    assert report["budget"]["budget"] == "nightly"


def test_what_was_asked_stands_in_the_log(store: Path) -> None:
    """`decisions` lists, `decisions show` prints one whole."""
    asked = answer(typed("check", "trust", "search", "--json", store=store))
    listed = typed("decisions", store=store)
    assert asked["decision_id"] in listed.stdout
    [entry] = [
        json.loads(line)
        for line in typed("decisions", "--json", store=store).stdout.splitlines()
        if asked["decision_id"] in line
    ]
    shown = answer(typed("decisions", "show", asked["decision_id"], store=store))
    assert shown == entry
    assert shown["answer"]["score"] == asked["score"]
    assert typed("decisions", "calibration", store=store).stdout.startswith("0 settled checks")


def test_a_person_accepts_a_new_normal(store: Path) -> None:
    """It is logged as an action under the name of the person at the terminal."""
    done = typed("baseline", "search", "--from", "2026-05-01", "--to", "2026-05-14", store=store)
    assert (done.returncode, done.stderr) == (0, "")
    who = getpass.getuser()
    assert done.stdout.startswith(f"{who} accepted a new normal of search from 2026-05-01")
    entries = typed("decisions", "--dependency", "search", "--json", store=store).stdout
    [entry] = [
        entry for line in entries.splitlines() if (entry := json.loads(line))["kind"] == "baseline"
    ]
    assert entry["actor"] == f"person:{who}"


def test_doctor_names_what_the_installation_stands_on(store: Path) -> None:
    """Store and schema, SQLite, configuration, clock, and that nobody watches."""
    done = typed("doctor", "--json", store=store, environ=configured(store))
    found = {f["what"]: f for f in answer(done)["findings"]}
    assert done.returncode == 0
    assert found.keys() >= {
        "gonogo",
        "python",
        "store",
        "sqlite",
        "configuration",
        "clock",
        "watcher",
    }
    assert re.search(r"schema \d+, .*dependencies: 2", found["store"]["said"])
    assert "digest" in found["configuration"]["said"]


def test_doctor_says_nothing_of_sqlite_where_the_store_is_postgresql(tmp_path: Path) -> None:
    """Nor of a disk beside it: the store lies elsewhere, and here nobody answers."""
    address = "postgresql://gonogo@127.0.0.1:1/gonogo?connect_timeout=1"
    done = typed("doctor", "--json", store=tmp_path / "none.db", environ={"GONOGO_STORE": address})
    found = {f["what"]: f["state"] for f in json.loads(done.stdout)["findings"]}
    assert found["store"] == "broken"
    assert not {"sqlite", "disk"} & set(found)


def test_doctor_mends_what_differs_from_the_rows_and_lets_old_rows_go(store: Path) -> None:
    """A rollup that was tampered with is made anew; rows go by the configured retention."""
    before = answer(typed("check", "drift", "search", "--json", store=store))["summary"]
    old = store.with_name("old.jsonl")
    old.write_text('{"dependency": "old", "ts": "2025-01-01T00:00:00Z"}\n' * 3, encoding="utf-8")
    assert typed("ingest", str(old), store=store).returncode == 0
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE rollup SET labels = labels + 7, errors = 0")
        rows = connection.execute("SELECT count(*) FROM observation").fetchone()[0]
    done = typed("doctor", "--repair", "--json", store=store)
    said = {f["what"]: f["said"] for f in answer(done)["findings"]}
    assert done.returncode == 0
    assert re.match(r"mended: 3 of [\d,]+ differ: old: \d of \d; search: ", said["rollups"])
    assert said["reservations"].endswith(" compared")
    assert said["audit"].endswith(" compared")
    assert answer(typed("check", "drift", "search", "--json", store=store))["summary"] == before
    short = store.with_name("short.toml")
    short.write_text("[settings]\nretention = '1d'\n", encoding="utf-8")
    done = typed("doctor", "--prune", "--config", str(short), "--json", store=store)
    told = {f["what"]: f["said"] for f in answer(done)["findings"]}["retention"]
    with closing(sqlite3.connect(store)) as connection:
        left = connection.execute("SELECT count(*) FROM observation").fetchone()[0]
    assert rows - left == 3
    assert told == "3 rows, 0 checks let go; rows are kept for 1 days"
    assert answer(typed("check", "drift", "search", "--json", store=store))["summary"] == before


def test_a_backup_is_a_store_of_its_own(store: Path) -> None:
    """The copy answers as the original; a file that is there is not written over."""
    copy = store.with_name("copy.db")
    assert typed("backup", str(copy), store=store).returncode == 0
    original, copied = (
        answer(typed("list", "--json", store=path))["dependencies"] for path in (store, copy)
    )
    assert copied == original
    again = typed("backup", str(copy), store=store)
    assert again.returncode == 70
    assert again.stderr.count("\n") == 1


def test_options_stand_before_or_after_the_command(store: Path) -> None:
    """After wins."""
    elsewhere = str(store.with_name("none.db"))
    for arguments in (
        ["--store", str(store), "list", "--json"],
        ["list", "--json", "--store", str(store)],
        ["--store", elsewhere, "--json", "list", "--store", str(store)],
    ):
        found = answer(typed(*arguments, store=Path(elsewhere)))
        assert [d["dependency"] for d in found["dependencies"]] == ["search", "search-old"]


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["chek"], 64, "No such command 'chek': did you mean `gonogo check`? See"),
        (["preflight"], 64, "did you mean `gonogo check preflight`?"),
        (["check_model_drift", "m"], 64, "did you mean `gonogo check drift`?"),
        (["zzz"], 64, "No such command 'zzz'. See `gonogo --help`."),
        (["check", "drift"], 64, "Missing argument 'dependency'"),
        (["check", "drift", "search", "--metrik", "x"], 64, "No such option: --metrik"),
        (["check", "drift", "search", "--detail", "max"], 64, "'max' is not one of"),
        (["check", "drift", "serch"], 66, "Unknown dependency 'serch'. Known: search"),
        (["check", "drift", "search", "--since", "soon"], 64, "'soon'"),
        (["check", "budget", "none", "--usd", "1"], 66, "Unknown budget 'none'"),
        (["check", "budget", "nightly", "--usd", "-1"], 64, "not -1.0"),
        (["check", "budget", "nightly", "--usd", "nan"], 64, "not nan"),
        (["check", "budget", "nightly", "--planned-calls", "0"], 64, "not 0"),
        (["check", "preflight", "none"], 66, "Unknown workload 'none'"),
        (["reserve", "nightly"], 64, "reserve needs --calls N or --usd X"),
        (["settle", "none"], 66, "Unknown reservation 'none'"),
        (["approve", "none"], 66, "Unknown plan 'none'"),
        (["fallback", "search"], 64, "reason"),
        (["decisions", "show", "none"], 66, "Unknown decision 'none'"),
        (["incidents", "--id", "none"], 66, "Unknown incident 'none'"),
        (["baseline", "search"], 64, "baseline needs --accept"),
        (["ingest", "/no/such/file"], 66, "/no/such/file"),
        (["ingest", "-", "--map", "nothing"], 64, "write it FIELD=COLUMN"),
        (["serve", "--foo"], 64, "unrecognized arguments: --foo"),
        (["--config", "/no/such.toml", "list"], 78, "/no/such.toml: there is no such file"),
        (["--store", "/proc/none/gonogo.db", "list"], 70, "/proc/none"),
    ],
)
def test_a_wrong_command_ends_in_one_line(
    store: Path, arguments: list[str], status: int, line: str
) -> None:
    """What is wrong and what is known; the argument parser's own status would read as no_go."""
    done = typed(*arguments, store=store, environ=configured(store))
    assert (done.returncode, done.stdout) == (status, "")
    assert line in done.stderr
    assert done.stderr.startswith("gonogo: ")
    assert done.stderr.count("\n") == 1


def test_a_crash_ends_in_one_line(store: Path) -> None:
    """Whatever happens inside, the status says crash and never a verdict."""
    done = typed("list", store=store, environ={"GONOGO_STORE": "a\0b"})
    assert done.returncode == 70
    assert done.stderr.count("\n") == 1
