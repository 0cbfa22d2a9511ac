"""Machines whose clocks differ share a PostgreSQL store: a hold is one for all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from postgres_server import Server

Typed = Callable[..., subprocess.CompletedProcess[str]]

# As on a machine whose clock is so many days off.
TYPED = """
import sys, time
now_s, now_ns, off_s = time.time, time.time_ns, float(sys.argv[1]) * 86_400
time.time, time.time_ns = lambda: now_s() + off_s, lambda: now_ns() + int(off_s * 1e9)
from gonogo.__main__ import main
sys.argv = ["gonogo", *sys.argv[2:]]
main()
"""
CONFIG = """
[budgets.once]
limit_usd = 10
window = "total"
hard = true

[budgets.daily]
limit_usd = 10
window = "day"
hard = true
"""


@pytest.fixture
def typed(postgres: Server, tmp_path: Path) -> Typed:
    """Runs a command on a machine whose clock is so many days ahead."""
    (tmp_path / "gonogo.toml").write_text(CONFIG)
    name = f"clocks_{abs(hash(tmp_path)):x}"
    postgres.run(f"CREATE DATABASE {name}")
    store = postgres.address.replace("/postgres?", f"/{name}?")

    def run(days: float, *words: str) -> subprocess.CompletedProcess[str]:
        options = ("--store", store, "--config", str(tmp_path / "gonogo.toml"), "--json")
        return subprocess.run(
            [sys.executable, "-c", TYPED, str(days), *words, *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"HOME": str(tmp_path), "PATH": ""},
        )

    return run


@pytest.mark.parametrize("budget", ["once", "daily"])
@pytest.mark.parametrize(("first", "then"), [(244, 0), (0, 244), (-244, 0), (0, -244), (0.02, 0)])
def test_a_hold_counts_whatever_the_clock_of_who_made_it_says(
    typed: Typed, budget: str, first: float, then: float
) -> None:
    """Made far ahead or behind: eight of ten dollars are not to be had twice, nor after they are spent."""
    made = typed(first, "reserve", budget, "--usd", "8")
    assert made.returncode == 0, made.stderr
    hold = json.loads(made.stdout)["reservation"]["id"]
    assert typed(then, "reserve", budget, "--usd", "8").returncode == 2
    assert typed(then, "settle", hold, "--usd", "7").returncode == 0
    assert typed(first, "reserve", budget, "--usd", "8").returncode == 2
    assert typed(then, "reserve", budget, "--usd", "2").returncode == 0


def test_the_doctor_says_whose_clock_is_off(typed: Typed) -> None:
    """And by which times are taken."""
    typed(0, "list")
    found = json.loads(typed(-30, "doctor").stdout)["findings"]
    [clock] = [one for one in found if one["what"] == "clock"]
    assert clock["state"] == "note"
    assert "the database server's 20" in clock["said"]
