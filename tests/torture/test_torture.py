"""What must survive: kills, power cuts, crowds, migrations. `make torture` does a hundred rounds each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# How often each; `make test` does a few.
ROUNDS = int(os.environ.get("GONOGO_TORTURE_ROUNDS", "2"))
SEED = os.environ.get("GONOGO_TORTURE_SEED", "1")
HERE = Path(__file__).parent


def run(
    folder: Path, *what: str, rounds: int = ROUNDS, program: str = "torture.py", seed: str = SEED
) -> dict[str, int]:
    """Run a program beside this test; it forks, which pytest's own process should not."""
    path = os.pathsep.join([str(HERE), str(HERE.parent / "worlds")])
    done = subprocess.run(
        [sys.executable, HERE / program, *what, folder, str(rounds), seed],
        check=False,
        capture_output=True,
        text=True,
        # A thread of the linear algebra would not survive the fork.
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "duty", ["record", "ingest", "reserve", "settle", "apply", "ask", "compact"]
)
def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, duty: str) -> None:
    """Two at once, killed at any moment, with clocks that jump, and the store is whole.

    Rollups equal rows, the ledger is balanced, kept states equal a replay, the audit trail is whole.
    """
    found = run(tmp_path / "store", "kill", duty)
    assert (found["rounds"], found["lost"]) == (ROUNDS, 0)
    assert found["acknowledged"] > 0


def test_sixteen_processes_share_a_store_that_is_copied_meanwhile(tmp_path: Path) -> None:
    """None fails, nothing is lost, and the copies are whole stores of their own."""
    found = run(tmp_path, "crowd", rounds=min(ROUNDS, 20))
    assert (found["failed"], found["lost"], found["broken"]) == (0, 0, 0)
    assert found["acknowledged"] >= 16


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="the disk is recorded by a shim in C, preloaded by Linux",
)
def test_a_power_cut_loses_no_money_and_no_route(tmp_path: Path) -> None:
    """Whatever of the unsynced writes is lost, torn or out of order, the store opens and is whole.

    Holds, settlements and actions that were acknowledged are there. Calls may be lost.
    """
    found = run(tmp_path, "power", rounds=12 * ROUNDS)
    assert (found["cuts"], found["lost"]) == (12 * ROUNDS, 0)
    assert found["stores"] > 6 * ROUNDS
    assert found["acknowledged"] > 50


def test_stores_of_every_earlier_schema_are_brought_up_to_date(tmp_path: Path) -> None:
    """By a process that is killed at it; and under one of the old release that goes on writing.

    That one is told to upgrade, and what it had written until then is there.
    """
    found = run(tmp_path, "migrate", rounds=max(ROUNDS, 8))
    assert (found["lost"], found["missing"]) == (0, 0)
    assert found["refused"] == found["schemas"] >= 8


@pytest.mark.parametrize("runs", [1, 2])
def test_random_histories_keep_what_they_told(tmp_path: Path, runs: int) -> None:
    """Three processes, asked, killed, stopped, with clocks that jump, their file moved and restored.

    Two hundred of them in `make torture`; a history that fails names its seed.
    """
    seed = int(SEED) * 1000 + runs * 200
    runs = max(runs, ROUNDS)
    found = run(tmp_path, rounds=runs, program="histories.py", seed=str(seed))
    assert found["runs"] == runs
    assert found["call"] + found["held"] + found["settled"] > 10 * runs


def test_two_processes_that_look_at_one_due_step_of_a_promotion_take_it_once(
    tmp_path: Path,
) -> None:
    """A stage more, or the way back: one switch, in the log once, and neither fails."""
    n = 2 * ROUNDS
    found = run(tmp_path, program="promotion_races.py", rounds=n)
    assert {key: found[key] for key in ("races", "switched", "lost", "double", "broken")} == {
        "races": n,
        "switched": n,
        "lost": 0,
        "double": 0,
        "broken": 0,
    }
