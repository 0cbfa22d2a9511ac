"""Money held for calls before they come: drawn call by call, given back, and never what a killed process keeps."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import engines
from gonogo.answers import RecordAnswer
from gonogo.app import Gonogo
from gonogo.clock import wall_clock_ms
from gonogo.config import load_settings
from gonogo.guard.call_gate import CallGate
from gonogo.guard.held_calls import LEASE_S, CallRefusedError
from gonogo.records import Verdict
from standing import stand

pytestmark = pytest.mark.anyio

TOML = """
[dependencies.model]
kind = "model"

[budgets.day]
limit_usd = 100
dependencies = ["model"]

[budgets.small]
limit_usd = 3
dependencies = ["model"]
"""
VERDICTS: tuple[Verdict, ...] = ("no_go", "go", "no_go", "go")
KILLED = """
import os, signal, sys
from gonogo.guard.call_gate import CallGate
gate = CallGate(budget="day", call_usd=0.1, store=sys.argv[1], config=sys.argv[2])
for _ in range(8):
    with gate.call("model"):
        pass
gate.flush(60)
for _ in range(8):
    with gate.call("model"):
        pass
running = gate.call("model").__enter__()
print("running", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of a budget of a hundred dollars."""
    config = tmp_path / "gonogo.toml"
    config.write_text(TOML)
    return config


async def money(config: Path, budget: str = "day", *, ahead_s: int = 0) -> tuple[float, float]:
    """What the budget has spent and holds, by a clock that is so far ahead."""
    settings = load_settings(str(config), engines.store_of(config.parent), {})
    async with Gonogo(settings, clock=lambda: wall_clock_ms() + 1000 * ahead_s) as app:
        found = await app.check_budget_with_confidence(budget, planned_cost_usd=0.01)
        return round(found.spent_usd, 6), round(found.held_usd, 6)


def kill_while_calling(store: str, config: str) -> None:
    """A process that has booked eight calls, made eight more, and is killed in another one."""
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED, store, config],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"running\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()


async def test_a_few_checks_hold_for_many_calls_and_all_is_settled_at_what_was_called(
    config: Path,
) -> None:
    """Two hundred calls in a row; what was not drawn is given back, each cost counts once."""
    store = engines.store_of(config.parent)
    gate = CallGate(budget="day", call_usd=0.1, store=store, config=str(config))
    for _ in range(200):
        with gate.call("model"):
            pass
    assert gate.flush(60)
    spent, held = await money(config)
    assert (spent, held) == (20, 0)
    async with Gonogo(load_settings(str(config), store, {})) as app:
        stores = await app.stores()
        kind = "check_budget_with_confidence"
        checks = await stores.decisions.decisions(dependency=None, kind=kind, limit=200)
    assert len([each for each in checks if each.action]) < 50


async def test_calls_are_booked_after_whatever_went_wrong_once(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw costs no call: those that ended, and end meanwhile, are booked later."""
    record, failed = Gonogo.record_observations, list[bool]()

    async def fails_once(app: Gonogo, rows: Sequence[Mapping[str, object]]) -> RecordAnswer:
        if not failed:
            failed.append(True)
            gate.end(None, {"dependency": "model", "outcome": 1})
            raise OSError("the disk went away")
        return await record(app, rows)

    store = engines.store_of(config.parent)
    gate = CallGate(budget="day", call_usd=0.1, store=store, config=str(config))
    with gate.call("model"):
        monkeypatch.setattr(Gonogo, "record_observations", fails_once)
    assert gate.flush(60)
    assert failed
    assert await money(config) == (0.1, 0)
    async with Gonogo(load_settings(str(config), store, {})) as app:
        [model] = (await app.list_dependencies()).dependencies
        assert model.n == 2


async def test_a_call_beyond_what_is_left_is_refused_and_every_one_that_fits_is_not(
    config: Path,
) -> None:
    """As many as fit, to the last one, though calls come fast; also where another gate holds ahead."""
    store = engines.store_of(config.parent)
    first, second = (
        CallGate(budget="small", call_usd=0.1, store=store, config=str(config)) for _ in range(2)
    )
    for _ in range(10):
        with first.call("model"):
            pass
    for _ in range(20):
        with second.call("model"):
            pass
    for gate in (first, second):
        with pytest.raises(CallRefusedError, match="Budget check failed"), gate.call("model"):
            pass
        assert gate.flush(60)
    assert await money(config, "small") == (3, 0)


async def test_what_a_killed_process_held_is_free_after_half_a_minute(config: Path) -> None:
    """Its booked calls stay booked; the one that ran, and what it held ahead, hold nothing any more."""
    kill_while_calling(engines.store_of(config.parent), str(config))
    spent, held = await money(config)
    assert 0.8 <= spent <= 1.6
    assert 0.1 <= held <= 2
    spent, held = await money(config, ahead_s=LEASE_S + 1)
    assert held == 0
    assert 0.8 <= spent <= 1.6


async def test_without_a_hold_it_is_said_once(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls without a cost hide what was spent: they go on, and the log is not filled by it."""
    gate = CallGate(budget="day", store=engines.store_of(config.parent), config=str(config))
    with caplog.at_level(logging.WARNING, "gonogo.guard"):
        for _ in range(5):
            with gate.call("model"):
                pass
    assert caplog.text.count("the call goes on") == 1
    assert gate.flush(60)


async def test_a_no_go_of_another_process_stops_the_next_call(config: Path) -> None:
    """From the moment when it is stored, and no longer than it stands; a database is looked at each second."""
    store = engines.store_of(config.parent)
    gate = CallGate(store=store, config=str(config))
    with gate.call("model"):
        pass
    assert gate.flush(60)
    async with Gonogo(load_settings(str(config), store, {})) as app:
        for verdict in VERDICTS:
            await stand(app, verdict)
            wanted, until = verdict == "go", time.monotonic() + (30 if engines.ADDRESS else 0)
            while passes(gate) != wanted:
                assert time.monotonic() < until
    assert gate.flush(60)


def passes(gate: CallGate) -> bool:
    """Whether a call of the model goes through."""
    try:
        gate.admit("model")
    except CallRefusedError as refused:
        why = str(refused)
    else:
        return True
    assert "no_go for model" in why
    return False
