"""Real processes: racing for one plan, and killed in the middle of one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def run(what: str, folder: Path, n: int) -> dict[str, int]:
    """Run the program among the worlds; it forks, which pytest's own process should not."""
    program = Path(__file__).parents[1] / "worlds" / "fallback_processes.py"
    done = subprocess.run(
        [sys.executable, program, what, folder, str(n)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_two_processes_carry_one_action_out_once(tmp_path: Path) -> None:
    """Exactly one applies, the other replays its result; both when switching and when going back."""
    found = run("races", tmp_path, 100)
    assert {name: found[name] for name in ("double", "lost", "unaudited")} == {
        "double": 0,
        "lost": 0,
        "unaudited": 0,
    }


def test_killed_between_any_two_steps_the_next_process_finishes(tmp_path: Path) -> None:
    """SIGKILL ahead of and behind each call: the wanted route is reached, the audit is whole."""
    found = run("kills", tmp_path, 22)
    assert found["kills"] == 22
    assert found["whole"] == found["reached"] == 22
