"""The example of docs/probes.md runs as it stands, and the page names every key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from gonogo.config.probe_tables import ProbeTable
from gonogo.prober.golden_run import CHECKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "probes.md").read_text()


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    """Its configuration and golden set, with the commands beside them."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    config, golden = (next(b for kind, b in blocks if kind == name) for name in ("toml", "json"))
    (tmp_path / "gonogo.toml").write_text(config)
    (tmp_path / "self.jsonl").write_text(golden)
    [script] = [body for kind, body in blocks if kind == "sh" and "--config" in body]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in script.strip().splitlines():
        done = subprocess.run(
            command.split(),
            cwd=tmp_path,
            env={"PATH": path, "HOME": str(tmp_path), "GONOGO_STORE": str(tmp_path / "g.db")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        # Two calls are too few for trust, and that is what it says.
        expected = 3 if "trust" in command else 0
        assert done.returncode == expected, done.stdout + done.stderr


def test_the_page_names_every_key_and_checker() -> None:
    """Of a probe, and of a golden item."""
    for name in ProbeTable.all_keys():
        assert f"`{name}`" in PAGE
    for check in CHECKS:
        assert f'"{check}":' in PAGE
