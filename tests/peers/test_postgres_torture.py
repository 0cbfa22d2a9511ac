"""PostgreSQL under what a file has to stand in `make torture`: kills, and crashes of the server.

`GONOGO_TORTURE_ROUNDS=100 python -m pytest tests/peers/test_postgres_torture.py` does a hundred.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("GONOGO_TORTURE_ROUNDS", "7"))
SEED = os.environ.get("GONOGO_TORTURE_SEED", "1")
HERE = Path(__file__).parent
BESIDE = [HERE, HERE.parent / "torture", HERE.parent / "worlds"]


def run(program: str, *words: str) -> dict[str, int]:
    """Run a program beside this test; it forks, which pytest's own process should not."""
    done = subprocess.run(
        [sys.executable, HERE / program, *words],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, BESIDE)),
            "OPENBLAS_NUM_THREADS": "1",  # its threads would not survive the fork
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("duty", ["record", "ingest", "reserve", "settle", "apply"])
def test_nothing_acknowledged_is_lost(tmp_path: Path, duty: str) -> None:
    """Rollups equal rows, the ledger is balanced, and the audit trail is whole."""
    found = run("postgres_torture.py", duty, str(tmp_path / "s"), str(ROUNDS), SEED)
    assert (found["rounds"], found["lost"]) == (ROUNDS, 0)
    assert found["acknowledged"] > ROUNDS
    assert found["crashes"] == (ROUNDS + 3) // 5


def test_random_histories_keep_what_they_told(tmp_path: Path) -> None:
    """Three processes, asked, killed, stopped, with clocks that jump, and a server that goes away.

    A fifth as many as of rounds; a history that fails names its seed.
    """
    runs = max(2, ROUNDS // 5)
    found = run("postgres_histories.py", str(tmp_path), str(runs), str(int(SEED) * 1000))
    assert found["runs"] == runs
    assert found["call"] + found["held"] + found["settled"] > 10 * runs
    assert found["disconnect"] + found["shut_down"] + found["crash"] > runs
