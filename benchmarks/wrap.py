"""What `gonogo wrap` adds to a tool call: round trips to a server of the standard library, with and without.

Prints one table: p50 and p99 of both, interleaved in one run, and the difference of the p50s, with
the store writable, where calls are judged (--enforce), and with the store locked; then how much
later the first answer comes.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ASKED_MS = 1.0
GONOGO = str(Path(sys.executable).with_name("gonogo"))
SERVER = """
import json, sys
for line in sys.stdin:
    answer = {"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {"content": []}}
    sys.stdout.write(json.dumps(answer) + "\\n")
    sys.stdout.flush()
"""


class Peer:
    """One server process and the client's side of its pipes."""

    def __init__(self, *before: str) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [*before, sys.executable, "-S", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self.times_ms: list[float] = []
        self.call()
        self.first_ms = (time.perf_counter() - started) * 1000
        self.times_ms.clear()

    def call(self) -> None:
        """One tool call, timed."""
        process = self.process
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        self._number += 1
        start = time.perf_counter()
        os.write(
            process.stdin.fileno(),
            b'{"jsonrpc":"2.0","id":%d,"method":"tools/call",'
            b'"params":{"name":"search","arguments":{"query":"a question of some length"}}}\n'
            % self._number,
        )
        process.stdout.readline()
        self.times_ms.append((time.perf_counter() - start) * 1000)

    def row(self, name: str) -> str:
        """Its line of the table."""
        cuts = statistics.quantiles(self.times_ms, n=100)
        return f"{name:22} {cuts[49]:7.3f} {cuts[98]:7.3f} {self.first_ms:9.0f}"

    def end(self) -> None:
        """Close its input and wait."""
        self.process.communicate(timeout=60)


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """The store's lock, held by this process."""
    with Path(f"{store}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compare(store: Path, calls: int, name: str, *options: str) -> None:
    """Interleave calls to both, and print their lines."""
    direct = Peer()
    through = Peer(GONOGO, "wrap", "--store", str(store), *options, "bench", "--")
    for _ in range(calls):
        direct.call()
        through.call()
        time.sleep(0.001)  # an agent thinks between calls; the outbox writes meanwhile
    direct.end()
    through.end()
    print(direct.row("direct"))
    print(through.row(name))
    added = statistics.median(through.times_ms) - statistics.median(direct.times_ms)
    print(f"{'added at p50':22} {added:7.3f}   (asked: <= {ASKED_MS:g})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls")
    calls = 500 if parser.parse_args().quick else 3_000
    print(f"{'ms a call':22} {'p50':>7} {'p99':>7} {'first':>9}")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "gonogo.db"
        compare(store, calls, "gonogo wrap")
        # The little server gives the same answer to every call.
        compare(store, calls, "wrap --enforce", "--enforce", "--repeats", "0")
        with locked(store):
            compare(store, calls, "gonogo wrap, locked")


if __name__ == "__main__":
    main()
