"""What people do to the files of a store, while it is used and after.

Nothing acknowledged is lost, nothing is mixed, and where that cannot be kept one line says so.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, cast

import pytest
from product import GONOGO, answer, environment, lines, typed

MODEL = "chat-a"


def calls(first: int, n: int) -> list[dict[str, object]]:
    """Observations with ids, so that each can be counted."""
    return [{"dependency": MODEL, "id": f"call-{i}", "outcome": 1} for i in range(first, first + n)]


class Served:
    """A server over stdio that is spoken to line by line."""

    def __init__(self, store: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [GONOGO, "serve", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(store),
        )
        self._number = 0
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}}
        self.ask("initialize", hello | {"clientInfo": {"name": "t", "version": "1"}})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def record(self, first: int, n: int) -> tuple[bool, str]:
        """Whether it said recorded, and what it said."""
        asked = {"name": "record_observations", "arguments": {"observations": calls(first, n)}}
        result = self.ask("tools/call", asked)["result"]
        return not result.get("isError"), result["content"][0]["text"]

    def send_record(self, first: int) -> int:
        """Ask for a record without waiting for its answer; the request's number."""
        self._number += 1
        asked = {"name": "record_observations", "arguments": {"observations": calls(first, 1)}}
        self._send({"jsonrpc": "2.0", "id": self._number, "method": "tools/call", "params": asked})
        return self._number

    def record_at_once(self, n: int) -> list[str]:
        """What became of so many records that were sent together."""
        waited = {self.send_record(1000 + i) for i in range(n)}
        said = []
        while waited:
            message = json.loads(cast("IO[bytes]", self.process.stdout).readline())
            if message.get("id") in waited:
                waited.remove(message["id"])
                said.append(message["result"]["content"][0]["text"])
        return said

    def ask(self, method: str, params: Mapping[str, object]) -> dict[str, dict]:  # type: ignore[type-arg]
        """One request's answer."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while True:
            said = json.loads(cast("IO[bytes]", self.process.stdout).readline())
            if said.get("id") == self._number:
                return cast("dict[str, dict]", said)  # type: ignore[type-arg]

    def _send(self, message: dict[str, object]) -> None:
        stdin = cast("IO[bytes]", self.process.stdin)
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()

    def end(self, how: int | None = None) -> None:
        """By the end of its input, or by a signal; within three seconds."""
        if how is None:
            cast("IO[bytes]", self.process.stdin).close()
        else:
            self.process.send_signal(how)
        self.process.wait(timeout=60)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            cast("IO[bytes]", pipe).close()


@contextmanager
def served(store: Path, *options: str) -> Iterator[Served]:
    """A server that is ended whatever happens."""
    server = Served(store, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


def stored(store: Path) -> int:
    """How many observations lie in a store, which is found whole."""
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return cast("int", connection.execute("SELECT count(*) FROM observation").fetchone()[0])


def ingest(store: Path, first: int, n: int) -> None:
    """Through the command, to its end."""
    path = store.with_name(f"calls-{first}.jsonl")
    path.write_text(lines(calls(first, n)), encoding="utf-8")
    done = typed("ingest", str(path), store=store)
    assert done.returncode == 0, done.stderr


def killed_with_a_log(store: Path, first: int, n: int) -> None:
    """A process that recorded and was killed: its log stays beside the file."""
    with served(store) as server:
        assert server.record(first, n)[0]
        server.end(signal.SIGKILL)
    assert store.with_name(store.name + "-wal").stat().st_size > 0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with ten calls."""
    path = tmp_path / "store.db"
    ingest(path, 0, 10)
    return path


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a refusal says."""
    assert done.returncode == 70, (done.stdout, done.stderr)
    [line] = done.stderr.splitlines()
    return line


def test_a_killed_process_costs_nothing_of_what_it_had_acknowledged(store: Path) -> None:
    """The log that belongs is believed, again and again."""
    for turn in range(3):
        killed_with_a_log(store, 100 + 40 * turn, 40)
        assert typed("list", store=store).returncode == 0
    assert stored(store) == 10 + 120


def test_nothing_is_acknowledged_into_a_store_that_was_moved(store: Path) -> None:
    """`mv` under a server, then any command: no new store beside the log, no word of recorded."""
    archive = store.with_name("archive.db")
    with served(store) as server:
        assert server.record(100, 10)[0]
        store.rename(archive)
        ok, said = server.record(200, 10)
        assert not ok
        assert "was moved or removed" in said
        assert "is not there, but its log" in one_line(typed("list", store=store))
        archive.rename(store)
    assert typed("list", store=store).returncode == 0
    assert stored(store) == 20


def test_nothing_is_acknowledged_into_a_store_that_was_removed(store: Path) -> None:
    """`rm store.db*` under a server: it begins no new one, which would know nothing of what it holds."""
    with served(store) as server:
        assert server.record(100, 10)[0]
        for path in store.parent.glob("store.db*"):
            path.unlink()
        for first in (200, 300):
            ok, said = server.record(first, 10)
            assert not ok
            assert "was moved or removed" in said
        server.end()
    assert not store.exists()


def test_a_server_whose_folder_was_moved_waits_for_it(tmp_path: Path) -> None:
    """No trace of the store is left under its name: no other is made there; put back, it goes on."""
    folder, elsewhere = tmp_path / "data", tmp_path / "archive"
    folder.mkdir()
    store = folder / "store.db"
    ingest(store, 0, 10)
    with served(store) as server:
        assert server.record(100, 10)[0]
        folder.rename(elsewhere)
        ok, said = server.record(200, 10)
        assert not ok
        assert "was moved or removed" in said
        assert not folder.exists()
        elsewhere.rename(folder)
        assert server.record(300, 10)[0]
        server.end()
    assert stored(store) == 30


LOGS = ("-wal", "-shm")


def test_a_removed_log_costs_nothing_where_nobody_wrote_since(store: Path) -> None:
    """`rm store.db-wal store.db-shm` under two servers: the first to go on folds in what both recorded."""
    with served(store) as first, served(store) as second:
        assert first.record(100, 10)[0]
        assert second.record(200, 10)[0]
        for end in LOGS:
            store.with_name(store.name + end).unlink()
        assert first.record(300, 10)[0]
        ok, said = second.record(400, 10)
        assert not ok
        assert "lost its log" in said
        first.end()
        second.end()
    assert stored(store) == 40


@pytest.mark.parametrize("ends", [LOGS, LOGS[1:]], ids=["both", "the index alone"])
def test_what_another_wrote_after_a_log_was_removed_is_kept(
    store: Path, ends: tuple[str, ...]
) -> None:
    """Two logs of one file: who has the old one acknowledges nothing more, and folds nothing in."""
    with served(store) as server:
        assert server.record(100, 10)[0]
        for end in ends:
            store.with_name(store.name + end).unlink()
        ingest(store, 500, 10)
        ok, said = server.record(300, 10)
        assert not ok
        assert "lost its log" in said
        server.end()
    assert stored(store) >= 20
    assert typed("list", store=store).returncode == 0


def test_a_file_that_was_cut_under_a_running_server_is_noticed(store: Path) -> None:
    """What its log does not make whole again is damage, not a checkpoint that a full disk broke off."""
    with served(store) as server:
        assert server.record(100, 10)[0]
        os.truncate(store, 4096)
        ok, said = server.record(200, 10)
        assert not ok
        assert "was overwritten" in said


def test_restore_is_refused_while_a_server_has_the_store_open(store: Path) -> None:
    """And names it; afterwards what was there is kept, and the restored store says who did it."""
    good = store.with_name("good.db")
    assert typed("backup", str(good), store=store).returncode == 0
    with served(store) as server:
        assert server.record(100, 10)[0]
        said = one_line(typed("restore", str(good), store=store))
        assert "is in use by" in said
        if sys.platform == "linux":
            assert str(server.process.pid) in said
        assert server.record(200, 10)[0]
        server.end()
    told = answer(typed("restore", str(good), "--json", store=store))
    assert (stored(store), stored(Path(told["kept"]))) == (10, 30)
    logged = answer(typed("decisions", "--kind", "restore", "--json", store=store))
    assert "restored good.db" in json.dumps(logged)
    assert typed("audit", "verify", store=store).returncode == 0


def test_a_damaged_store_is_restored(store: Path) -> None:
    """That is when people restore: the file cannot even be opened."""
    good = store.with_name("good.db")
    assert typed("backup", str(good), store=store).returncode == 0
    store.write_bytes(store.read_bytes()[:5000])
    assert typed("list", store=store).returncode == 70
    assert typed("restore", str(good), store=store).returncode == 0
    assert stored(store) == 10


def test_links_lead_to_one_store_and_a_second_name_is_refused(store: Path) -> None:
    """A symbolic link shares lock, log and routes; a hard link would have its own."""
    linked = store.with_name("linked.db")
    linked.symlink_to(store)
    with served(linked) as server:
        assert server.record(100, 10)[0]
        assert typed("ingest", str(store.parent / "calls-0.jsonl"), store=store).returncode == 0
        assert not linked.with_name("linked.db-wal").exists()
    twin = store.with_name("twin.db")
    os.link(store, twin)
    assert "2 names" in one_line(typed("list", store=twin))
    twin.unlink()
    assert typed("list", store=store).returncode == 0


def test_a_store_that_was_cut_to_nothing_is_not_begun_anew(store: Path) -> None:
    """It is restored, or removed by hand; an empty file that nobody used is a store to come."""
    ingest(store, 0, 3)
    os.truncate(store, 0)
    said = one_line(typed("list", store=store))
    assert "was in use before" in said
    assert "gonogo restore FILE" in said
    fresh = store.with_name("fresh.db")
    fresh.touch()
    assert typed("list", store=fresh).returncode == 0


def test_doctor_says_what_stands_where_the_store_should(store: Path) -> None:
    """A folder and a pipe are no store that is made with the first question."""
    store.unlink()
    store.mkdir()
    assert "is a directory" in typed("doctor", store=store).stdout
    store.rmdir()
    os.mkfifo(store)
    assert "is no ordinary file" in typed("doctor", store=store).stdout
