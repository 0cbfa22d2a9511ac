"""What is known of macOS and Windows without having them: what each system has not is used behind a look at which it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_the_package_s_types_hold_there(system: str, tmp_path: Path) -> None:
    """Mypy knows which modules, functions and constants a system has."""
    command = ["mypy", "--platform", system, "--cache-dir", str(tmp_path), "src"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
