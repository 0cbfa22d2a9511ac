"""The wall clock is moved for every process below, and no other clock is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

AT_ANOTHER_TIME = Path(__file__).with_name("at-another-time")
UNAVAILABLE = 69
LEAP_DAY_S = 1_835_480_400  # 2028-02-29T23:40Z
CLOCKS = (
    "import json, time; print(json.dumps([time.time(), time.time_ns() / 1e9, time.monotonic()]))"
)


def run_at(date: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command at a date; the test is skipped where that cannot be."""
    done = subprocess.run(
        [AT_ANOTHER_TIME, date, *command], capture_output=True, text=True, check=False
    )
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stderr.strip())
    return done


def test_a_child_without_its_parents_environment_is_moved_too() -> None:
    """As a server is that an MCP client starts; a wait is as long as ever."""
    before = time.monotonic()
    done = run_at("2028-02-29T23:40Z", "env", "-i", sys.executable, "-c", CLOCKS)
    wall, wall_ns, monotonic = json.loads(done.stdout)
    assert wall == pytest.approx(LEAP_DAY_S, abs=60)
    assert wall_ns == pytest.approx(wall, abs=1)
    assert before <= monotonic <= time.monotonic()


def test_the_commands_own_status_comes_back() -> None:
    """And a command without a date is told how it is used."""
    assert run_at("2027-01-01T00:00Z", "sh", "-c", "exit 3").returncode == 3
    usage = subprocess.run([AT_ANOTHER_TIME], capture_output=True, text=True, check=False)
    assert usage.returncode == 64
    assert usage.stderr.startswith("Usage: at-another-time DATE")
