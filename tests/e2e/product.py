"""The product as a user starts it: its command, its server, its stores."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

from gonogo.__main__ import run
from oracle import overhear

ERAS = ("legacy", "auto")
PROTOCOLS = {"legacy": "2025-11-25", "auto": "2026-07-28"}
GONOGO = str(Path(sys.executable).with_name("gonogo"))
TRACEBACK = "Traceback"


def gonogo(
    *arguments: str, store: Path, stdin: str | bytes = b"", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in an environment of its own."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [GONOGO, *arguments],
        input=given,
        capture_output=True,
        check=False,
        env=environment(store) | (environ or {}),
        timeout=120,
    )
    assert TRACEBACK not in done.stderr.decode()
    overhear(arguments, done.stdout.decode(), done.returncode)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def typed(
    *arguments: str, store: Path, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, as its entry point would."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(arguments, environment(store) | (environ or {}))
    assert TRACEBACK not in err.getvalue()
    overhear(arguments, out.getvalue(), status)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def environment(store: Path) -> dict[str, str]:
    """What a command sees: a store of its own, and no configuration of who runs the tests."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(store.parent),
        "GONOGO_STORE": str(store),
        "OMP_NUM_THREADS": "1",
    }


def server(store: Path, *arguments: str) -> StdioServerParameters:
    """A real server over standard input and output."""
    return StdioServerParameters(command=GONOGO, args=["serve", *arguments], env=environment(store))


def client(store: Path, era: str, *arguments: str, **options: Any) -> Client:  # noqa: ANN401
    """A client of an era, connected to a real server."""
    return Client(server(store, *arguments), mode=era, read_timeout_seconds=60, **options)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The object that `--json` printed: one line, and nothing else."""
    [line] = done.stdout.splitlines()
    whole = json.loads(line)
    assert isinstance(whole, dict)
    return whole


def lines(items: Sequence[Mapping[str, object]]) -> str:
    """Observations as JSONL."""
    return "".join(json.dumps(item) + "\n" for item in items)
