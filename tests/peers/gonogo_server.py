"""gonogo as its peers meet it: a command over stdio, or an address, over a store with some history."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
GONOGO = str(Path(sys.executable).with_name("gonogo"))
START_S = 60
NAMES = tuple(f"peer-{chr(letter)}" for letter in range(ord("a"), ord("z") + 1))


def prepared(folder: Path) -> tuple[str, ...]:
    """The command of a server over a new store: dependencies that a person may move to rules."""
    config, calls = folder / "gonogo.toml", folder / "calls.jsonl"
    config.write_text(
        "".join(f'[dependencies."{name}"]\nfallback = ["rules:basic"]\n' for name in NAMES)
        + "[budgets.sample]\nlimit_usd = 60\n"
    )
    calls.write_text(
        "".join(
            json.dumps({"dependency": name, "outcome": 1, "cost_usd": 0.01, "id": f"{name}{i}"})
            + "\n"
            for name in (*NAMES, "sample")
            for i in range(8)
        )
    )
    # Clients start a server with an environment of their own, and some take options for theirs.
    gonogo = ("env", f"GONOGO_STORE={folder / 'gonogo.db'}", f"GONOGO_CONFIG={config}", GONOGO)
    subprocess.run([*gonogo, "ingest", str(calls)], check=True, capture_output=True)
    return (*gonogo, "serve")


@contextmanager
def served(*command: str) -> Iterator[str]:
    """A command that says on standard error where it serves: its address, while it runs."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"http://\S+/mcp", line)
            assert found is not None, line
            yield found[0]
        finally:
            process.terminate()
            process.communicate(timeout=START_S)


def run(*command: str, path_first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a peer to its end; `path_first` is where its interpreter lies."""
    environ = dict(os.environ)
    if path_first is not None:
        environ["PATH"] = f"{path_first}{os.pathsep}{environ['PATH']}"
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=environ
    )
