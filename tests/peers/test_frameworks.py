"""Agents of three frameworks behind one gate, with models that answer by themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from environments import HERE, ROOT, python_environment

from gonogo.app import Gonogo
from gonogo.config import load_settings

GONOGO = str(Path(sys.executable).with_name("gonogo"))
PRICE = "input_usd_per_mtok = 1000\noutput_usd_per_mtok = 1000\n"
FAILED = ("broken", "failed")
MODELS = ("openai-model", "pydantic-model", "langchain-model")


async def failed_calls(store: str, config: str) -> dict[str, int]:
    """How many calls of each dependency failed, where any did."""
    async with Gonogo(load_settings(config, store, {})) as app:
        telemetry = (await app.stores()).telemetry
        errors = {name: (await telemetry.hours(name)).errors for name in await telemetry.names()}
    return {name: int(each.sum()) for name, each in errors.items() if each.sum()}


def test_agents_hold_record_and_settle_and_stop_at_their_budget(tmp_path: Path) -> None:
    """One run each is booked at its tokens' price; one each that does not fit makes no call."""
    config, store = tmp_path / "gonogo.toml", tmp_path / "gonogo.db"
    prices = "".join(f"[settings.prices.{name}]\n{PRICE}" for name in MODELS)
    config.write_text(f"[budgets.day]\nlimit_usd = 1\n{prices}")
    calls = (str(HERE / "framework_calls.py"), str(store), str(config))
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    def done(*command: str, **own: str) -> str:
        ended = subprocess.run(
            command, env=environ | own, capture_output=True, text=True, check=False, timeout=180
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    python = str(python_environment("frameworks"))
    assert done(python, *calls, PYTHONPATH=str(ROOT / "src")).split()[-1] == "3"

    def asked(*question: str) -> Any:  # noqa: ANN401 - an answer
        place = ("--store", str(store), "--config", str(config), "--json")
        return json.loads(done(GONOGO, *question, *place))

    listed = asked("list")["dependencies"]
    called = {one["dependency"]: one for one in listed}
    once = dict.fromkeys((*MODELS, *FAILED), 1)
    assert {name: one["n"] for name, one in called.items()} == once | {"langchain-caller": 2}
    assert {"input_tokens", "output_tokens", "latency_ms"} <= set(called[MODELS[0]]["metrics"])
    assert anyio.run(failed_calls, str(store), str(config)) == dict.fromkeys(FAILED, 1)
    found = asked("check", "budget", "day", "--planned-cost-usd", "0.01")
    tokens = 320 + 77  # as two of the models tell; what streamed was counted by its framework
    assert found["spent_usd"] == pytest.approx(tokens / 1000 + 0.05, abs=0.05)
    assert found["held_usd"] == 0
    assert b"a secret" not in store.read_bytes()
