"""Hours counted where calls lie: Parquet to cells by DuckDB, a file by `ingest --hours-only`, and cells into a store.

    python benchmarks/hour_cells.py [--calls 10_000_000] [--dependencies 1000] [--days 2]

DuckDB has an environment of its own under `.peers`, made once (tests/peers/environments.py). A year of 1,000
dependencies is 8.76 M hours: the time for it is calculated from those that were brought in.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "peers"))

from environments import python_environment  # noqa: E402 - its folder is named above

from gonogo.app.parts import open_stores  # noqa: E402 - as above
from gonogo.cli.ingest import GARBAGE_LOOKED_FOR_AFTER  # noqa: E402 - as above
from gonogo.ingest.hour_cells.cell_dialects import CallTable  # noqa: E402 - as above
from gonogo.ingest.hour_cells.cell_sql import cells_query  # noqa: E402 - as above
from gonogo.ingest.hour_cells.cell_table import parse_cells  # noqa: E402 - as above
from gonogo.ports.hour_cells import HourCell  # noqa: E402 - as above
from gonogo.settings import Settings  # noqa: E402 - as above

GONOGO = str(Path(sys.executable).with_name("gonogo"))
NOW_MS = 1_790_000_000_000
FIELDS = (
    *("dependency", "ts", "version", "outcome", "error", "confidence", "latency_ms"),
    *("cost_usd", "input_tokens", "output_tokens"),
)
YEAR_HOURS = 8_760_000
# A hundred models over ten days, in time's order, as a lake has them.
CALLS = """
COPY (SELECT 'model-' || (i % 100) AS dependency,
  to_timestamp(1780000000 + (i * 864000) // {n} + random()) AS ts,
  'v' || (1 + i * 2 // {n}) AS version, CASE WHEN random() < .02 THEN 'timeout' END AS error,
  CASE WHEN random() < .5 THEN (random() < .93)::INT::DOUBLE END AS outcome,
  random() AS confidence, exp(5.5 + 0.6 * (random() + random() + random() - 1.5)) AS latency_ms,
  round(random() * .01, 7) AS cost_usd, (random() * 2000)::INT AS input_tokens,
  (random() * 500)::INT AS output_tokens, ['free', 'paid'][1 + i % 2] AS tier
FROM range({n}) t(i)) TO '{folder}/calls.parquet' (FORMAT parquet)
"""
COUNT = """
import duckdb, resource, sys, time
engine = duckdb.connect()
engine.execute("SET threads = 2; SET preserve_insertion_order = false; SET enable_progress_bar = false")
engine.execute(open(sys.argv[1]).read())
start, used = time.monotonic(), time.process_time()
engine.execute(open(sys.argv[2]).read())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(time.monotonic() - start, time.process_time() - used, peak)
"""


def counted(n: int, folder: Path) -> None:
    """Print how long DuckDB takes from Parquet to a file of cells."""
    fields = {name: name for name in FIELDS}
    source = f"'{folder}/calls.parquet'"
    query = cells_query("duckdb", CallTable(source, fields, {"tier": "tier"}), Settings(store=""))
    made, asked, nothing = (folder / name for name in ("calls.sql", "cells.sql", "none.sql"))
    made.write_text(CALLS.format(n=n, folder=folder))
    asked.write_text(f"COPY ({query}) TO '{folder}/cells.parquet' (FORMAT parquet)")
    nothing.write_text("SELECT 1")
    python = str(python_environment("duckdb"))
    for script in (made, asked):
        command = [python, "-c", COUNT, str(nothing), str(script)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wall, cpu, peak = (float(part) for part in told.split())
    print(f"{n:,} calls to cells: {wall:.1f} s, {cpu:.1f} s of CPU, {peak:,.0f} MB at most")


def hours_only(n: int, folder: Path) -> None:
    """Print how long `gonogo ingest --hours-only` takes with the same file, store included."""
    file, store = folder / "calls.parquet", folder / "hours.db"
    options = ["--map", "segments.tier=tier", "--hours-only", "--store", str(store)]
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([GONOGO, "ingest", str(file), *options], check=True, capture_output=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(
        f"{n:,} calls by ingest --hours-only: {wall:.1f} s, {cpu:.1f} s of CPU, {n / wall:,.0f}/s"
    )


async def brought_in(dependencies: int, days: int, folder: Path) -> None:
    """Print how long cells take into a store, rollups of hours and days included."""
    bins = {str(17_300 + k): 1 for k in range(20)}
    start = NOW_MS // 3_600_000 - days * 24
    row: dict[str, object] = {"cell_version": 1, "n": 20, "ok": 20, "slo_met": 20, "good": 18}
    row |= {"ok_labels": 20, "ok_good": 18, "errors": 0, "latency_ms_bins": bins}
    row |= {"outcome_sum": 18_000_000, "outcome_bins": {"140": 18, "-141": 2}}
    row["latency_ms_sum"] = sum(round(2 ** ((int(b) - 17_216) / 16 + 1 / 32) * 1e6) for b in bins)
    lines = []
    for name in range(dependencies):
        for hour in range(start, start + days * 24):
            times = {"hour": hour * 3600, "first_ts": hour * 3600, "newest_ts": hour * 3600 + 3000}
            lines.append(json.dumps({**row, **times, "dependency": f"model-{name}"}))
    settings = Settings(store=str(folder / "store.db"))
    stores = await open_stores(settings, actor="benchmark", clock=lambda: NOW_MS)
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)  # as `gonogo ingest` does
    began, used = time.monotonic(), time.process_time()
    for at in range(0, len(lines), 5000):
        rows = [(0, json.loads(line)) for line in lines[at : at + 5000]]
        read = parse_cells(rows, now_ms=NOW_MS)
        cells = [cell for cell in read if isinstance(cell, HourCell)]
        if len(cells) != len(read):
            raise SystemExit(f"refused: {read[0]}")
        await stores.telemetry.record_cells(cells, NOW_MS)
    wall, cpu = time.monotonic() - began, time.process_time() - used
    await stores.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rate = len(lines) / wall
    print(
        f"{len(lines):,} cells into a store: {wall:.1f} s, {cpu:.1f} s of CPU, {rate:,.0f}/s, "
        f"{peak:,} MB at most; a year of 1,000 dependencies: {YEAR_HOURS * cpu / len(lines) / 60:.0f} min of CPU"
    )


def rows_alone(store: Path) -> None:
    """Print how long SQLite takes to write the rows of a store's largest tables, sorted, and nothing else."""
    with closing(sqlite3.connect(store)) as filled, closing(sqlite3.connect(":memory:")) as empty:
        cells = filled.execute("SELECT count(*) FROM hour_cell").fetchone()[0]
        used = 0.0
        for table in ("rollup", "histogram", "hour_cell", "used"):
            made = filled.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
            empty.execute(made.fetchone()[0])
            rows = filled.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - constant names
            marks = ", ".join("?" * len(rows[0]))
            began = time.process_time()
            empty.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - as above
            empty.commit()
            used += time.process_time() - began
    print(f"their rows by executemany alone, in memory: {used * 1e6 / cells:.1f} us of CPU a cell")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--dependencies", type=int, default=1000)
    parser.add_argument("--days", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.calls:
            counted(asked.calls, Path(folder))
            hours_only(asked.calls, Path(folder))
        asyncio.run(brought_in(asked.dependencies, asked.days, Path(folder)))
        rows_alone(Path(folder) / "store.db")


if __name__ == "__main__":
    main()
