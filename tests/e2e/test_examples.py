"""The examples run as they stand, against a store with history."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from product import environment, gonogo, lines

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which `steady` is well and `fallen` fell yesterday; both have 8 days of calls."""
    path = tmp_path / "gonogo.db"
    start = datetime.now(UTC) - timedelta(days=8)
    calls = [
        {
            "dependency": name,
            "ts": (start + timedelta(minutes=12 * call)).isoformat(),
            "outcome": 0 if call % (3 if name == "fallen" and call > 700 else 20) == 0 else 1,
        }
        for name in ("steady", "fallen")
        for call in range(960)
    ]
    assert gonogo("ingest", "-", store=path, stdin=lines(calls)).returncode == 0
    return path


def example(name: str, *arguments: str, store: Path) -> subprocess.CompletedProcess[str]:
    """Run an example with the project's own interpreter and command."""
    path = EXAMPLES / name
    command = [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
    here = environment(store)
    here["PATH"] = f"{Path(sys.executable).parent}:{here['PATH']}"
    return subprocess.run(
        [*command, *arguments], env=here, capture_output=True, text=True, check=False, timeout=120
    )


def test_an_agent_asks_obeys_and_records(store: Path) -> None:
    """The work runs for what is well and stops for what has fallen."""
    well = example("ask_before_work.py", "steady", store=store)
    assert (well.returncode, well.stdout.split(" - ")[0]) == (0, "go"), well.stderr
    stopped = example("ask_before_work.py", "fallen", store=store)
    assert stopped.returncode == 1
    assert stopped.stdout.startswith("no_go - ")


def test_a_pipeline_is_gated_by_exit_status(store: Path) -> None:
    """The worst of the dependencies decides: 0, 2, and 66 becomes 70 for a name that is unknown."""
    assert example("ci_gate.sh", "steady", store=store).returncode == 0
    assert example("ci_gate.sh", "steady", "fallen", store=store).returncode == 2
    assert example("ci_gate.sh", "nothing", store=store).returncode == 70
