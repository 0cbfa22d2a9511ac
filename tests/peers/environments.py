"""Environments of real components, each its own: made once, from hashes, under `.peers/`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MADE = ROOT / ".peers"


def python_environment(name: str) -> Path:
    """The interpreter of a virtual environment that holds `requirements/NAME.lock`, and no more.

    The component and the package never share one: neither can burden the other.
    """
    lock = HERE / "requirements" / f"{name}.lock"
    folder = MADE / f"{name}-{_digest(lock)}"
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(folder))
        quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        # A lock names everything; pip would refuse one that another asks for with an extra.
        _run(str(python), *quiet, "--no-deps", "--require-hashes", "-r", str(lock))
        (folder / "ready").touch()
    return python


def node_environment(name: str) -> Path:
    """A folder with the `node_modules` that `node/NAME/package-lock.json` pins."""
    source = HERE / "node" / name
    lock = source / "package-lock.json"
    folder = MADE / f"{name}-{_digest(lock)}"
    if not (folder / "ready").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, folder)
        _run(program("npm"), "ci", "--no-audit", "--no-fund", "--silent", cwd=folder)
        (folder / "ready").touch()
    return folder


def program(*names: str) -> str:
    """The first of these programs that is installed; `.ci/run` installs what is missing."""
    places = (os.environ["PATH"], "/usr/sbin", *_postgres_places())
    for name in names:
        if found := shutil.which(name, path=os.pathsep.join(places)):
            return found
    pytest.skip(f"{' or '.join(names)} is not installed here; .ci/run installs it")


def _postgres_places() -> list[str]:
    return sorted(str(p) for p in Path("/usr/lib/postgresql").glob("*/bin"))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:12]


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
