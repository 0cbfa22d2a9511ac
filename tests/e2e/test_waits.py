"""Another process holds the store and does not let go: stopped, forgotten, or of another program."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, cast

import pytest
from product import lines, typed
from test_moved_stores import MODEL, Served, calls, served

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
READ = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM observation").fetchall()
print("held", flush=True)
sys.stdin.read()
"""
# Waiting for a process that will not let go is what these are about: bounds, not figures. Ten waits of two seconds
# after one another would be longer, and so would ten minutes.
SOON_S = 15.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with ten calls, and a configuration with a short wait."""
    path = tmp_path / "store.db"
    (tmp_path / "short.toml").write_text('[settings]\nlock_wait = "2s"\n', encoding="utf-8")
    data = tmp_path / "calls.jsonl"
    data.write_text(lines(calls(0, 10)), encoding="utf-8")
    assert typed("ingest", str(data), store=path).returncode == 0
    return path


@contextmanager
def held(path: Path, how: str = HOLD) -> Iterator[int]:
    """A process that holds a store, by its lock or by a read; its number."""
    file = f"{path}.lock" if how == HOLD else str(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", how, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert cast("IO[bytes]", holder.stdout).readline() == b"held\n"
    try:
        yield holder.pid
    finally:
        holder.communicate()


# Everything that only looks.
ASKED = (
    *(["list"], ["doctor"], ["doctor", "--coherence"], ["decisions"], ["audit", "verify"]),
    *(["incidents"], ["plans"], ["route", MODEL]),
    *(["check", "drift", MODEL], ["check", "trust"], ["check", "trust", MODEL]),
    *(["check", "budget", "nightly"], ["check", "preflight", "--dependency", MODEL]),
)
CALLED: Mapping[str, Mapping[str, object]] = {
    "list_dependencies": {},
    "check_model_drift": {"dependency": MODEL},
    "get_trust_score_health": {"dependency": MODEL},
    "check_budget_with_confidence": {"budget": "nightly", "planned_cost_usd": 1},
    "preflight": {"dependencies": [MODEL]},
    "get_route": {"dependency": MODEL},
    "get_incidents": {},
}
PATIENT = '[settings]\nlock_wait = "10m"\n[budgets.nightly]\nlimit_usd = 5\n'


@pytest.fixture
def patient(store: Path) -> Path:
    """A configuration under which whoever needs the lock waits for longer than any test."""
    path = store.with_name("patient.toml")
    path.write_text(PATIENT, encoding="utf-8")
    return path


@contextmanager
def an_end_to_hanging() -> Iterator[None]:
    """What needs the lock would wait for minutes: it fails after one."""

    def end(*_: object) -> None:
        raise TimeoutError("it waits for the lock")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
def test_a_command_that_looks_needs_no_lock(store: Path, patient: Path, asked: list[str]) -> None:
    """Whoever holds it is stopped, and whoever needed it would wait for ten minutes."""
    with held(store) as holder, an_end_to_hanging():
        os.kill(holder, signal.SIGSTOP)
        try:
            done = typed(*asked, "--config", str(patient), store=store)
        finally:
            os.kill(holder, signal.SIGCONT)
    assert done.returncode in {0, 1, 2, 3}, done.stderr


def test_a_tool_that_looks_needs_no_lock(store: Path, patient: Path) -> None:
    """Nor does a server that starts, and one that ends."""
    with held(store) as holder, an_end_to_hanging():
        os.kill(holder, signal.SIGSTOP)
        try:
            with served(store, "--config", str(patient)) as server:
                for name, arguments in CALLED.items():
                    asked = {"name": name, "arguments": arguments}
                    said = server.ask("tools/call", asked)["result"]
                    assert not said.get("isError"), said
                server.end()
        finally:
            os.kill(holder, signal.SIGCONT)


def test_a_log_that_a_forgotten_read_keeps_is_named_with_who_reads(store: Path) -> None:
    """It grows beside a small store until that process ends, and is taken in then."""
    more = store.with_name("more.jsonl")
    more.write_text(lines(calls(50, 5)), encoding="utf-8")
    with held(store, READ) as reader:
        assert typed("ingest", str(more), store=store).returncode == 0
        # Seven million bytes into the same log, sooner than by recording.
        with closing(sqlite3.connect(store, isolation_level=None)) as foreign:
            foreign.execute("CREATE TABLE bulk (content BLOB)")
            foreign.execute("INSERT INTO bulk VALUES (zeroblob(7000000))")
            foreign.execute("DROP TABLE bulk")
        told = typed("doctor", store=store).stdout
        [said] = [line for line in told.splitlines() if "log size" in line]
        assert "MB beside a store of" in said
        if sys.platform == "linux":
            assert f"process {reader} " in said
    assert "log size" not in typed("doctor", store=store).stdout


def test_a_write_says_whom_it_waited_for_and_ends(store: Path) -> None:
    """Within its limit; nothing of it is kept, and the next one is taken."""
    config = store.with_name("short.toml")
    more = store.with_name("more.jsonl")
    more.write_text(lines(calls(50, 5)), encoding="utf-8")
    with held(store) as holder:
        done = typed("ingest", str(more), "--config", str(config), store=store)
        assert done.returncode == 70
        last = done.stderr.splitlines()[-1]
        assert "The store is held by" in last
        if sys.platform == "linux":
            assert f"process {holder} " in last
    assert typed("ingest", str(more), "--config", str(config), store=store).returncode == 0


def test_all_that_wait_give_up_together(store: Path) -> None:
    """A program without our lock keeps a transaction open: ten writes end as the first does."""
    with (
        served(store, "--config", str(store.with_name("short.toml"))) as server,
        closing(sqlite3.connect(store, isolation_level=None)) as foreign,
    ):
        assert server.record(100, 1)[0]
        foreign.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        refused = server.record_at_once(10)
        assert time.monotonic() - begun < SOON_S
        assert all("is locked by" in said for said in refused), refused
        foreign.execute("ROLLBACK")
        assert server.record(300, 1)[0]


@pytest.mark.parametrize("how", [None, signal.SIGTERM], ids=["end of input", "SIGTERM"])
def test_a_server_that_waits_ends_when_told(store: Path, patient: Path, how: int | None) -> None:
    """With a write under way that cannot be done; what it acknowledged is there."""
    with held(store), served(store, "--config", str(patient)) as server:
        server.send_record(200)
        begun = time.monotonic()
        server.end(how)
        assert time.monotonic() - begun < SOON_S
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM observation").fetchone() == (10,)


def test_who_gave_up_waiting_does_not_keep_the_lock_when_it_comes(store: Path) -> None:
    """A server that found the store held reads on, and shuts nobody out once it is free."""
    config = str(store.with_name("short.toml"))
    with held(store):
        server = Served(store)
        server.ask("tools/call", {"name": "list_dependencies", "arguments": {}})
    try:
        done = typed("ingest", str(store.with_name("calls.jsonl")), "--config", config, store=store)
        assert done.returncode == 0, done.stderr
    finally:
        server.end()


def test_a_forked_child_does_not_keep_the_lock(store: Path) -> None:
    """The parent is killed while it holds; its child lives on."""
    program = f"""
import os, signal, sys, time
from pathlib import Path
from gonogo.store.sqlite.lock import FileLock
lock = FileLock(Path({f"{store}.lock"!r}))
with lock.held():
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        sys.stdin.read()
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child = int(cast("IO[bytes]", parent.stdout).readline())
    parent.wait()
    try:
        done = typed("ingest", str(store.with_name("calls.jsonl")), store=store)
        assert done.returncode == 0, done.stderr
    finally:
        os.kill(child, signal.SIGKILL)
        for pipe in (parent.stdin, parent.stdout):
            cast("IO[bytes]", pipe).close()
