"""What a `CallGate` adds to a call: milliseconds on the caller's own thread, by p50 and p99.

    python benchmarks/gate.py [--calls 2000] [--call-ms 5] [--store postgresql://…]

Time to enter the gate and to leave it, warm: with and without a budget; one process, and two at once on the
same store and budget; calls that take a while, and calls that do nothing at all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wire import Row, print_rows

P50_MS_MAX, P99_MS_MAX = 1, 5
WARM_CALLS = 200
TOML = """
[dependencies.model]
kind = "model"

[dependencies.tool]
kind = "tool"

[budgets.day]
limit_usd = 100000
dependencies = ["model"]
"""


def timed(store: str, config: str, *, budget: str | None, calls: int, call_s: float) -> list[float]:
    """Milliseconds that each call was longer by."""
    from gonogo.guard.call_gate import CallGate

    gate = CallGate(budget=budget, call_usd=0.001 if budget else None, store=store, config=config)
    name, added = "model" if budget else "tool", []
    for _ in range(WARM_CALLS + calls):
        call = gate.call(name)
        begun = time.perf_counter()
        call.__enter__()
        entered = time.perf_counter()
        if call_s:
            time.sleep(call_s)
        left = time.perf_counter()
        call.__exit__(None, None, None)
        added.append(1000 * (entered - begun + time.perf_counter() - left))
    gate.flush(60)
    return added[WARM_CALLS:]


def of_processes(n: int, arguments: list[str]) -> list[float]:
    """The same in so many processes at once."""
    command = [sys.executable, __file__, "--worker", *arguments]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(n)]
    return [ms for each in running for ms in json.loads(each.communicate()[0])]


def rows(calls: int, call_ms: float, store: str | None) -> list[Row]:
    """Each case in processes of its own."""
    told = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "gonogo.toml"
        config.write_text(TOML)
        named = ["--store", store or f"{folder}/gate.db", "--config", str(config)]
        for budget in (False, True):
            for ms in (call_ms, 0.0):
                for n in (1, 2):
                    given = [*named, "--calls", str(calls), "--call-ms", str(ms)]
                    added = sorted(of_processes(n, given + ["--budget"] * budget))
                    case = f"{'a budget' if budget else 'no budget'}, calls of {ms:g} ms"
                    case += f", {n} process{'es' * (n - 1)}"
                    p50, p99 = (added[round(p * (len(added) - 1))] for p in (0.5, 0.99))
                    # A loop that does nothing else leaves its interpreter no time to book.
                    goals = (f"<= {P50_MS_MAX}", f"<= {P99_MS_MAX}" if ms else "")
                    told.append(Row(f"{case}: p50, ms", p50, goals[0]))
                    told.append(Row("  p99, ms", p99, goals[1]))
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--call-ms", type=float, default=5.0)
    parser.add_argument("--store")
    parser.add_argument("--config", help=argparse.SUPPRESS)
    parser.add_argument("--budget", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        budget = "day" if asked.budget else None
        print(
            json.dumps(
                timed(
                    asked.store,
                    asked.config,
                    budget=budget,
                    calls=asked.calls,
                    call_s=asked.call_ms / 1000,
                )
            )
        )
    else:
        print_rows(rows(asked.calls, asked.call_ms, asked.store))
