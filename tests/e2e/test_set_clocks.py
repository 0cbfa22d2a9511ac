"""A machine's clock that is set while money is held in its file: a hold keeps the time that it had left.

At PostgreSQL it is the server's clock that counts: tests/peers/test_postgres_clocks.py.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from product import typed

from gonogo import clock

CONFIG = """
[budgets.once]
limit_usd = 10
window = "total"
hard = true
"""
DAY_NS = 86_400 * 10**9
HOLD_DAYS = 15 / 1440
Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Types a command while the wall clock is so many days ahead, and another clock has run on for some."""
    if clock.clock_setting() is None:
        pytest.skip("nothing here tells that a clock was set")
    (tmp_path / "gonogo.toml").write_text(CONFIG)
    wall_ns, running_ms = time.time_ns, clock.running_ms

    def run(days: float, *words: str, run_on: float = 0) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + int((days + run_on) * DAY_NS))
        monkeypatch.setattr(clock, "running_ms", lambda: running_ms() + run_on * DAY_NS / 10**6)
        config = ("--config", str(tmp_path / "gonogo.toml"))
        return typed(*words, *config, "--json", store=tmp_path / "store.db")

    return run


def held(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The hold that a command made."""
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(done.stdout)["reservation"]
    return found


JUMPS = [(244, 0), (0, 244), (-244, 0), (0, -244), (0.02, 0), (0, 0.02), (-9000, 3)]


@pytest.mark.parametrize(("first", "then"), JUMPS)
def test_what_is_held_is_not_to_be_had_twice(at: Typed, first: float, then: float) -> None:
    """Eight of ten dollars: neither before nor after they are spent; who looks is told the same."""
    hold = held(at(first, "reserve", "once", "--usd", "8"))["id"]
    look = json.loads(at(then, "check", "budget", "once", "--usd", "8").stdout)
    assert (look["verdict"], look["held_usd"]) == ("no_go", 8)
    assert look["as_of"] < look["others_hold"][0]["expires_at"]
    assert at(then, "reserve", "once", "--usd", "8").returncode == 2
    assert at(then, "settle", hold, "--usd", "7").returncode == 0
    assert at(first, "reserve", "once", "--usd", "8").returncode == 2
    assert at(then, "reserve", "once", "--usd", "2").returncode == 0


@pytest.mark.parametrize(("first", "then"), JUMPS)
def test_a_hold_ends_when_its_time_has_run(at: Typed, first: float, then: float) -> None:
    """It is renewed meanwhile by either clock, and let go by neither before, by both after."""
    hold = held(at(first, "reserve", "once", "--usd", "8"))["id"]
    assert at(then, "settle", hold, "--renew", run_on=HOLD_DAYS * 0.9).returncode == 0
    assert at(first, "reserve", "once", "--usd", "8", run_on=HOLD_DAYS * 1.8).returncode == 2
    assert at(then, "check", "budget", "once", "--usd", "8", run_on=HOLD_DAYS * 2).returncode == 0
    assert at(first, "reserve", "once", "--usd", "8", run_on=HOLD_DAYS * 2).returncode == 0


@pytest.mark.parametrize(("first", "then"), JUMPS)
def test_a_key_is_answered_with_its_hold(at: Typed, first: float, then: float) -> None:
    """Who lost the answer asks again after the clock was set, and holds nothing twice."""
    asked = ("reserve", "once", "--usd", "4", "--idempotency-key", "job-7")
    one = held(at(first, *asked))
    again = json.loads(at(then, *asked).stdout)
    assert (again["replayed"], again["reservation"]["id"]) == (True, one["id"])
    assert again["as_of"] < again["reservation"]["expires_at"]
    assert (again["remaining_usd"], again["held_usd"]) == (10, 0)


def test_after_another_start_a_hold_dated_ahead_lasts_its_length(
    at: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells when it was made: it counts from then on, neither for 244 days nor not at all."""
    held(at(244, "reserve", "once", "--usd", "8"))
    monkeypatch.setattr(clock, "_boot", lambda: "another start")
    look = json.loads(at(0, "check", "budget", "once", "--usd", "8").stdout)
    assert look["held_usd"] == 8
    assert at(0, "reserve", "once", "--usd", "8").returncode == 2
    assert at(0, "reserve", "once", "--usd", "8", run_on=HOLD_DAYS * 0.9).returncode == 2
    assert at(0, "reserve", "once", "--usd", "8", run_on=HOLD_DAYS * 1.1).returncode == 0


def test_where_nothing_tells_a_hold_lasts_no_longer_for_it(
    at: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the wall clock alone, as on macOS and Windows, one dated far ahead is not held for ever."""
    monkeypatch.setattr(clock, "_boot", lambda: None)
    held(at(244, "reserve", "once", "--usd", "8"))
    assert at(0, "reserve", "once", "--usd", "8").returncode == 0


@pytest.mark.parametrize("ahead", [0.2, 244])
def test_a_run_that_ended_by_a_clock_ahead_is_over(at: Typed, ahead: float) -> None:
    """The next night's is a run of its own, though by that clock the last one has not ended yet."""
    asked = ("reserve", "once", "--usd", "1", "--run", "nightly")
    first = held(at(ahead, *asked))["id"]
    assert at(ahead, "settle", first, "--usd", "1").returncode == 0
    assert (
        at(0, "reserve", "once", "--usd", "1").returncode == 0
    )  # dated by the clock as it is set now
    assert "." not in held(at(0, *asked, run_on=0.1))["id"]
