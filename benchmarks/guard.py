"""What a client's hook costs: a process that reads an event and answers, each time anew.

    python benchmarks/guard.py [--rounds 30]

Wall and processor time of the whole process, medians: of a call that is none of ours, of one whose
standing verdict is fresh (go, and no_go with its reason), beside an interpreter that does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wire import Row, print_rows

GONOGO = str(Path(sys.executable).with_name("gonogo"))
HOOK = [GONOGO, "guard", "hook", "claude-code"]
COLD_MS_MAX = 250


def filled(folder: Path) -> dict[str, str]:
    """An environment whose store has one tool that works and one that has not for a day."""
    now, data = time.time(), folder / "calls.jsonl"
    with data.open("w") as file:
        for name, bad_from in (("github/list", 1500), ("github/search", 1420)):
            for at in range(1500):
                call = {
                    "dependency": name,
                    "ts": now - (1500 - at) * 1200,
                    "outcome": at < bad_from,
                }
                file.write(json.dumps(call) + "\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    environ["GONOGO_STORE"] = str(folder / "store.db")
    subprocess.run(
        [GONOGO, "ingest", str(data)], env=environ, check=True, stdout=subprocess.DEVNULL
    )
    for name in ("list", "search"):
        subprocess.run(HOOK, input=event(name), env=environ, check=True, stdout=subprocess.DEVNULL)
    return environ


def event(tool: str) -> bytes:
    """An event of the hook before a call of a server's tool."""
    return json.dumps({"tool_name": f"mcp__github__{tool}", "tool_input": {}}).encode()


def took(command: list[str], given: bytes, environ: dict[str, str]) -> tuple[float, float]:
    """Wall and processor milliseconds of one process."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, input=given, env=environ, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * wall, 1000 * cpu


def rows(rounds: int) -> list[Row]:
    """Each case in turns, so that a busy machine slows all of them."""
    with tempfile.TemporaryDirectory() as folder:
        environ = filled(Path(folder))
        cases = {
            "an interpreter that does nothing": ([sys.executable, "-c", "pass"], b""),
            "a tool that is none of ours": (HOOK, b'{"tool_name": "Bash"}'),
            "a fresh go": (HOOK, event("list")),
            "a fresh no_go, with its reason": (HOOK, event("search")),
        }
        found: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case, (command, given) in cases.items():
                found[case].append(took(command, given, environ))
    told = []
    for case, each in found.items():
        wall, cpu = (statistics.median(part) for part in zip(*each, strict=True))
        goal = "" if "interpreter" in case else f"<= {COLD_MS_MAX}"
        told += [Row(f"{case}: wall, ms", wall, goal), Row("  processor, ms", cpu)]
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    print_rows(rows(parser.parse_args().rounds))
