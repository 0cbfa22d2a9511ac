"""The desktop bundle, by the tool of those who defined the format."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import bundle
from environments import ROOT, node_environment


def mcpb(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool."""
    tool = node_environment("mcpb") / "node_modules" / ".bin" / "mcpb"
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def test_its_manifest_is_valid(tmp_path: Path) -> None:
    """`mcpb validate` finds nothing; it does find a manifest without a server."""
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(bundle.manifest()))
    done = mcpb("validate", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(json.dumps({k: v for k, v in bundle.manifest().items() if k != "server"}))
    assert mcpb("validate", str(file)).returncode != 0


def test_it_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    """`mcpb unpack` opens it, what is inside is the source, and the bytes do not depend on when."""
    made = bundle.bundle(tmp_path)
    first = made.read_bytes()
    assert bundle.bundle(tmp_path).read_bytes() == first
    done = mcpb("unpack", str(made), str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    started = subprocess.run(
        [sys.executable, "-m", "gonogo", "--version"],
        cwd=tmp_path / "out" / "src",
        env={"PYTHONPATH": str(tmp_path / "out" / "src"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.stdout == f"gonogo {bundle.manifest()['version']}\n", started.stderr
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
    assert (ROOT / "src" / "gonogo" / "py.typed").is_file()
    assert {"manifest.json", "pyproject.toml", "src/gonogo/py.typed"} < set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
