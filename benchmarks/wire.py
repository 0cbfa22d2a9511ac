"""What the benchmarks share: a server over stdio that is asked line by line, and their table."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast


class Row(NamedTuple):
    """A line of the table: the figure reached beside the figure asked."""

    what: str
    reached: float
    asked: str = ""


class Cost(NamedTuple):
    """Milliseconds on the wire, and of processor time that the server took (0 but on Linux)."""

    wire_ms: float
    process_ms: float


def print_rows(rows: list[Row]) -> None:
    """Print one table."""
    for what, reached, asked in rows:
        print(f"{what:<62}{reached:>12,.2f}  {asked}", flush=True)


class Server:
    """A server over stdio, past its handshake."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._in = cast("IO[bytes]", self._process.stdin)
        self._out = cast("IO[bytes]", self._process.stdout)
        self._number = 0
        client = {"name": "bench", "version": "1"}
        self.ask(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client},
        )
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call_ms(self, tool: str, arguments: Mapping[str, object]) -> float:
        """Milliseconds of one call."""
        begin = time.perf_counter()
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        spent = 1000 * (time.perf_counter() - begin)
        if "error" in answer or answer["result"].get("isError"):
            raise SystemExit(f"{tool} failed: {answer}")
        return spent

    def costs(self, tool: str, arguments: Mapping[str, object]) -> Cost:
        """One call, on the wire and in the process."""
        before = self.process_ms()
        wire_ms = self.call_ms(tool, arguments)
        return Cost(wire_ms, self.process_ms() - before)

    def process_ms(self) -> float:
        """Milliseconds of processor time that it took so far (Linux)."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6

    def ask(self, method: str, params: Mapping[str, object]) -> dict[str, dict[str, object]]:
        """The answer to one request."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while line := self._out.readline():
            answer: dict[str, dict[str, object]] = json.loads(line)
            if "result" in answer or "error" in answer:
                return answer
        raise SystemExit(f"{method}: the server ended.")

    def memory_kib(self) -> float:
        """The memory that the process holds now (Linux)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return float(status.partition("VmRSS:")[2].split()[0])

    def close(self) -> None:
        """End it by the end of its input."""
        self._in.close()
        self._process.wait()
        self._out.close()

    def _send(self, message: Mapping[str, object]) -> None:
        self._in.write(json.dumps(message).encode() + b"\n")
        self._in.flush()
