"""Copies of a store, by gonogo, by SQLite's own tools or by `cp`, that are put in its place by hand."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from product import answer, typed
from test_moved_stores import (
    MODEL,
    ingest,
    killed_with_a_log,
    one_line,
    served,
    stored,
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with ten calls."""
    path = tmp_path / "store.db"
    ingest(path, 0, 10)
    return path


def test_a_backup_copied_over_a_killed_store_is_not_mixed_with_its_log(store: Path) -> None:
    """The documented mistake: `cp good.db store.db` beside the log that a killed process left."""
    good = store.with_name("good.db")
    assert typed("backup", str(good), store=store).returncode == 0
    killed_with_a_log(store, 100, 40)
    shutil.copyfile(good, store)
    before = {p.name: p.read_bytes() for p in store.parent.glob("store.db*")}
    for command in (
        ["list"],
        ["check", "drift", MODEL],
        ["ingest", str(store.parent / "calls-0.jsonl")],
    ):
        assert "the log of another file" in one_line(typed(*command, store=store))
    after = {p.name: p.read_bytes() for p in store.parent.glob("store.db*")}
    assert {n: after[n] for n in before if n.endswith(("db", "wal"))} == {
        n: before[n] for n in before if n.endswith(("db", "wal"))
    }
    done = typed("restore", str(good), "--json", store=store)
    assert done.returncode == 0, done.stderr
    assert stored(store) == 10


def test_a_plain_copy_of_a_closed_store_is_not_mixed_either(store: Path) -> None:
    """A copy by hand has the tie of its store, which is older than the log's."""
    good = store.with_name("by-hand.db")
    shutil.copyfile(store, good)
    ingest(store, 50, 20)
    killed_with_a_log(store, 100, 40)
    shutil.copyfile(good, store)
    assert "the log of another file" in one_line(typed("list", store=store))


def test_a_copy_by_sqlites_own_tools_is_not_mixed_with_a_later_log(store: Path) -> None:
    """`.backup` of a store in use; what it holds was folded in since, with more that it does not hold."""
    good = store.with_name("by-sqlite.db")
    with served(store) as server:
        assert server.record(100, 1)[0]
        with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(good)) as target:
            source.backup(target)
        assert server.record(200, 40)[0]
        server.end()
    killed_with_a_log(store, 300, 40)
    shutil.copyfile(good, store)
    assert "the log of another file" in one_line(typed("list", store=store))
    assert typed("restore", str(good), store=store).returncode == 0
    assert stored(store) == 11


def test_a_copy_whose_pages_were_arranged_anew_is_not_mixed_with_the_log(store: Path) -> None:
    """`VACUUM INTO` while a log is under way, which that log was not made for; running or killed."""
    good = store.with_name("vacuumed.db")
    with served(store) as server:
        assert server.record(100, 1)[0]
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("VACUUM INTO ?", (str(good),))
        assert server.record(200, 40)[0]
        shutil.copyfile(good, store)
        assert "was overwritten" in server.record(300, 1)[1]
        server.end(signal.SIGKILL)
    assert "the log of another file" in one_line(typed("list", store=store))
    assert typed("restore", str(good), store=store).returncode == 0
    assert stored(store) == 11


def test_a_store_that_another_program_vacuumed_goes_on(store: Path) -> None:
    """Under a server, through SQLite: the pages move, and nothing is taken for another file."""
    with served(store) as server:
        assert server.record(100, 40)[0]
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("VACUUM")
        assert server.record(200, 1)[0]
        server.end(signal.SIGKILL)
    assert typed("list", store=store).returncode == 0
    assert stored(store) == 51


def test_a_copy_over_the_file_of_a_running_server_is_noticed(store: Path) -> None:
    """Its content changed under the log: nothing more is said to be recorded."""
    good = store.with_name("good.db")
    assert typed("backup", str(good), store=store).returncode == 0
    with served(store) as server:
        assert server.record(100, 30)[0]
        shutil.copyfile(good, store)
        ok, said = server.record(200, 10)
        assert not ok, said
        server.end()
    assert "the log of another file" in one_line(typed("list", store=store))
    assert typed("restore", str(good), store=store).returncode == 0
    assert stored(store) == 10


def test_a_backup_that_is_not_as_it_was_written_is_refused(store: Path) -> None:
    """One byte is enough, wherever it lies, or an end that is missing; the store stays."""
    good = store.with_name("good.db")
    assert typed("backup", str(good), store=store).returncode == 0
    told = answer(typed("backup", "--verify", str(good), "--json", store=store))
    assert told["observations"] == 10
    whole = good.read_bytes()
    content = bytearray(whole)
    content[len(content) // 2] ^= 1
    for wrong in (bytes(content), whole[: len(whole) * 2 // 3], whole[:5000]):
        good.write_bytes(wrong)
        assert typed("backup", "--verify", str(good), store=store).returncode == 70
        said = one_line(typed("restore", str(good), store=store))
        assert said.startswith(f"gonogo: Backup '{good}' is "), said
        assert "another" in said
        assert stored(store) == 10


@pytest.mark.parametrize("way", ["restored", "copied in place"])
def test_copies_of_a_store_that_came_of_a_backup_are_taken(store: Path, way: str) -> None:
    """It went on since, and says no more that it is that backup: what was set aside can be gone back to."""
    good, late = store.with_name("good.db"), store.with_name("late.db")
    assert typed("backup", str(good), store=store).returncode == 0
    if way == "restored":
        assert typed("restore", str(good), store=store).returncode == 0
    else:
        store.unlink()
        shutil.copyfile(good, store)
    ingest(store, 100, 5)
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(late)) as target:
        source.backup(target)
    assert typed("backup", "--verify", str(late), store=store).returncode == 0
    assert typed("restore", str(good), store=store).returncode == 0
    assert stored(store) == 10
    [aside] = (p for p in store.parent.glob("store.db.before-*") if stored(p) == 15)
    assert typed("restore", str(aside), store=store).returncode == 0
    assert stored(store) == 15
    assert typed("restore", str(late), store=store).returncode == 0
    assert stored(store) == 15
    assert typed("backup", "--verify", str(good), store=store).returncode == 0


def test_what_two_restorations_of_one_second_set_aside_is_kept(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has what was there; nothing takes its name."""
    good = store.with_name("good.db")
    assert typed("backup", str(good), store=store).returncode == 0
    ingest(store, 100, 5)
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    for _ in range(3):
        assert typed("restore", str(good), store=store).returncode == 0
    aside = sorted(store.parent.glob("store.db.before-*"))
    assert [stored(path) for path in aside] == [15, 10, 10]


@pytest.mark.skipif(sys.platform == "win32", reason="no process has a limit of its files there")
def test_a_backup_for_which_there_is_no_room_leaves_nothing(store: Path) -> None:
    """No file may become as large as the store: one line says so, and no journal of the copy stays either."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE ballast AS SELECT randomblob(5000000) AS more")
    program = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from gonogo.__main__ import main
sys.argv = ["gonogo", "backup", "{store.with_name("copy.db")}", "--store", "{store}"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "Free space or check it" in one_line(done)
    assert list(store.parent.glob("copy.db*")) == []


def test_a_killed_backup_has_no_name(store: Path) -> None:
    """What is not whole lies under another name, and does not stand in the way."""
    good = store.with_name("good.db")
    good.with_name("good.db.partial").write_bytes(b"half")
    assert not good.exists()
    assert typed("backup", str(good), store=store).returncode == 0
    assert not good.with_name("good.db.partial").exists()
