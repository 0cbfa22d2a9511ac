"""Logs that Inspect itself writes, in both of its forms: to the first verdict in one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from environments import python_environment

GONOGO = str(Path(sys.executable).with_name("gonogo"))
WRITER = Path(__file__).parent / "clients" / "inspect_logs.py"


def asked(store: Path, *arguments: str) -> dict[str, Any]:
    """What a command says of a store."""
    command = [GONOGO, *arguments, "--json", "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("form", ["eval", "json"])
def test_a_log_of_inspect_is_twelve_graded_calls(tmp_path: Path, form: str) -> None:
    """Nine samples of twelve are right; read again it adds nothing."""
    quiet = {**os.environ, "HOME": str(tmp_path)}
    command = [str(python_environment("inspect")), str(WRITER), str(tmp_path / "logs"), form]
    done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [log] = (tmp_path / "logs").iterdir()
    store = tmp_path / "gonogo.db"
    told = asked(store, "ingest", str(log))
    assert (told["accepted"], told["rejected"]) == (12, [])
    assert "12 records of mockllm/model (12)" in told["understood"][0]
    assert "12 outcomes, 0 errors" in told["understood"][0]
    assert asked(store, "check", "trust", "mockllm/model")["n"] == 12
    assert asked(store, "ingest", str(log))["accepted"] == 0
