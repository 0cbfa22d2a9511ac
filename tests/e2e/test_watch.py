"""`gonogo watch` as a process: it says what it does, and ends when it is told to."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from product import GONOGO, environment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_it_says_what_it_does_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """The first line names the duties; a signal ends it with status 0 and no complaint."""
    store = tmp_path / "gonogo.db"
    with subprocess.Popen(
        [GONOGO, "watch"],
        env=environment(store),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Watching: reconcile")
        process.send_signal(number)
        _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0
    assert complaints == ""
