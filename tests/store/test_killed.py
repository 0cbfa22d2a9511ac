"""A process killed in the middle of writing loses nothing that it acknowledged."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from telemetry_worlds import rollups_of

from gonogo.store.rebuild import rebuild_dependency

RECORDER = """
import asyncio, sys
from pathlib import Path
from gonogo.records import Observation
from gonogo.settings import Settings
from gonogo.store.database import Database
from gonogo.store.telemetry import SqliteTelemetry

async def record(telemetry, task):
    for i in range(100_000):
        call = Observation(dependency="model", ts_ms=1_700_000_000_000 + i * 60_000,
                           id=f"{sys.argv[2]}-{task}-{i}", latency_ms=float(i), outcome=i % 2,
                           item="q" if i % 3 == 0 else None)
        await telemetry.record([call], 1_700_000_000_000)
        print(call.id, flush=True)

async def main():
    database = await Database.open(Path(sys.argv[1]))
    telemetry = SqliteTelemetry(database, Settings(store=""))
    await asyncio.gather(*(record(telemetry, task) for task in range(3)))

asyncio.run(main())
"""


def _acknowledged_before_death(path: Path, *, round_number: int, acks_min: int) -> int:
    """Let two processes record at once, kill both without warning, count what they acknowledged."""
    recorders = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDER, str(path), f"{round_number}-{i}"],
            stdout=subprocess.PIPE,
        )
        for i in range(2)
    ]
    acknowledged = 0
    for recorder in recorders:
        assert recorder.stdout is not None
        for _ in range(acks_min):
            assert recorder.stdout.readline()
            acknowledged += 1
    for recorder in recorders:
        recorder.send_signal(signal.SIGKILL)
    for recorder in recorders:
        # Only whole lines: the last one may have been cut by the kill.
        rest, _ = recorder.communicate()
        acknowledged += rest.count(b"\n")
    return acknowledged


def test_kill_9_loses_no_acknowledged_call_and_no_rollup(tmp_path: Path) -> None:
    """Three rounds on one store: every acknowledged row is there, rollups equal a rebuild."""
    path = tmp_path / "store.db"
    acknowledged = 0
    for number, acks_min in enumerate((1, 20, 60)):
        acknowledged += _acknowledged_before_death(path, round_number=number, acks_min=acks_min)
        connection = sqlite3.connect(path, isolation_level=None)
        rows = connection.execute("SELECT count(*) FROM observation").fetchone()[0]
        assert rows >= acknowledged
        assert connection.execute("SELECT count(*) FROM observation_id").fetchone()[0] == rows
        assert connection.execute("SELECT n FROM dependency").fetchone()[0] == rows
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        recorded = rollups_of(connection)
        rebuild_dependency(connection, "model")
        assert rollups_of(connection) == recorded
        connection.close()
