"""Each recipe, run by its real engine, counts what plain Python counts call by call."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from environments import ROOT, program, python_environment
from postgres_server import Server

from counted_cells import counted_cells
from gonogo.ingest.hour_cells.cell_dialects import CallTable
from gonogo.ingest.hour_cells.cell_sql import cells_query
from gonogo.ingest.hour_cells.cell_table import parse_cell
from gonogo.ports.hour_cells import HourCell
from gonogo.settings import DependencySettings, Settings

START_S = 1_780_012_800
NOW_MS = (START_S + 20 * 86_400) * 1000
CLIENTS = Path(__file__).parent / "clients"
SETTINGS = Settings(
    store="",
    dependencies={"search": DependencySettings("search", latency_slo_ms=900.0, quality_bar=0.6)},
)
FIELDS = (
    *("dependency", "version", "item", "kind", "outcome", "error", "confidence", "latency_ms"),
    *("cost_usd", "input_tokens", "prediction", "label", "weight"),
)
# Half a stored unit, the edges of bins, nothing, and what is far out.
LATENCIES = (
    *(0.0, 0.0005, 0.0015, 1.0, 2.0, 1024.0, 900.0, 900.0004, 900.0006, 1e9),
    *(float(2 ** (k / 16)) for k in range(-30, 30)),
)
FRACTIONS = (0.0, 1e-7, 5e-7, 1e-6, 0.25, 0.5, 0.5000005, 0.6, 0.731058, 0.731059, 0.999999, 1.0)
SCORES = (0.0, -2.5, 1.0, -1.0, 7e11, 1e-9, -3e-7, 5e-7)


def history() -> list[dict[str, Any]]:
    """Calls of two names with every field there or not, edges among them."""
    rng = np.random.default_rng(5)
    made = []
    for i in range(900):
        ts = START_S + int(rng.integers(0, 5 * 86_400_000)) / 1000

        def some(values: tuple[Any, ...], at: int = i) -> Any:  # noqa: ANN401 - of several types
            return values[(at * 7 + len(values)) % len(values)]

        row = {
            "dependency": ("search", "it's")[i % 2],
            "ts": ts,
            "kind": "model",
            "version": some((None, "v1", "v2")),
            "item": f"q{i % 3}" if i % 10 == 0 else None,
            "outcome": some((None, *FRACTIONS)),
            "outcome_ts": ts + int(rng.integers(-5, 90_000)) / 1000 if i % 4 else None,
            "error": some((None, None, None, "timeout", 'a "quoted" one')),
            "confidence": float(rng.random()) if i % 3 else some((None, *FRACTIONS)),
            "latency_ms": float(rng.lognormal(5, 2)) if i % 2 else some((None, *LATENCIES)),
            "cost_usd": some((None, 0.0, 4e-7, 5e-7, 0.0123456789, 3.0)),
            "input_tokens": some((None, 0, 17, 10**9)),
            "weight": some((None, None, 1.0, 20.0, 2.5)),
            "prediction": some((None, "yes", 'n"o')),
            "label": some((None, "yes", None, "no")),
            "segments": {"tier": some(("free", "paid", "")), "area": f"a{i % 2}"},
            "metrics": {"score": some(SCORES) if i % 5 else float(rng.normal())},
        }
        made.append({key: value for key, value in row.items() if value is not None})
    return made


def wanted(rows: list[dict[str, Any]]) -> list[HourCell]:
    """The cells as plain Python counts them."""
    told = []
    for row in rows:
        kept = {k: v for k, v in row["segments"].items() if v}
        one = {**row, "segments": kept}
        if "outcome" not in one and {"prediction", "label"} <= one.keys():
            one["outcome"] = float(one["prediction"] == one["label"])
        told.append(one)
    table = counted_cells(
        [row for row in told if row["dependency"] == "search"],
        quality_bar=0.6,
        latency_slo_ms=900.0,
    )
    return cells(table + counted_cells([row for row in told if row["dependency"] != "search"]))


def cells(table: list[dict[str, Any]]) -> list[HourCell]:
    """Rows of the table as `gonogo ingest` takes them, in one order."""
    found = [parse_cell(row, now_ms=NOW_MS) for row in table]
    assert [one for one in found if not isinstance(one, HourCell)] == []
    return sorted(
        (one for one in found if isinstance(one, HourCell)),
        key=lambda c: (
            *(c.dependency, c.hour, str(c.version), str(c.item), str(c.segments)),
            c.content.weight_e6,
        ),
    )


def written(rows: list[dict[str, Any]], folder: Path) -> Path:
    """The calls as JSON lines."""
    file = folder / "calls.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def query(dialect: str, *, time: str, path: str) -> str:
    """The recipe over a table `calls` whose times are seconds and whose objects are nested."""
    fields = {name: name for name in FIELDS}
    fields |= {name: time.format(name) for name in ("ts", "outcome_ts")}
    segments = {key: path.format("segments", key) for key in ("tier", "area")}
    table = CallTable("calls", fields, segments, {"score": path.format("metrics", "score")})
    return cells_query(dialect, table, SETTINGS)


def run(*command: str, **environ: str) -> None:
    """Run a client to its end."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_duckdb_counts_the_same(tmp_path: Path) -> None:
    """The printed query, in a zone that is not UTC."""
    rows = history()
    text = tmp_path / "cells.sql"
    text.write_text(query("duckdb", time="to_timestamp({})", path="{}.{}"))
    out = tmp_path / "cells.jsonl"
    python = str(python_environment("duckdb"))
    run(python, str(CLIENTS / "duckdb_cells.py"), str(written(rows, tmp_path)), str(text), str(out))
    assert cells([json.loads(line) for line in out.read_text().splitlines()]) == wanted(rows)


def test_spark_counts_the_same(tmp_path: Path) -> None:
    """`gonogo.spark` on local[2], with nothing else installed beside pyspark."""
    program("java")
    rows, out = history(), tmp_path / "cells.jsonl"
    calls = written(rows, tmp_path)
    python = str(python_environment("spark"))
    client = str(CLIENTS / "spark_cells.py")
    run(
        python,
        client,
        str(calls),
        str(out),
        PYTHONPATH=str(ROOT / "src"),
        SPARK_LOCAL_IP="127.0.0.1",
    )
    assert cells([json.loads(line) for line in out.read_text().splitlines()]) == wanted(rows)


def test_postgresql_counts_the_same(postgres: Server) -> None:
    """Plain SQL, as any warehouse of its kind runs it."""
    rows = history()
    asked = query("postgresql", time="to_timestamp({})", path="{}->>'{}'")
    numbers = ("outcome", "outcome_ts", "ts", "confidence", "latency_ms", "cost_usd")
    kinds = dict.fromkeys(numbers, "double precision") | {"input_tokens": "bigint"}
    kinds |= {"segments": "jsonb", "metrics": "jsonb"}
    columns = [*FIELDS, "ts", "outcome_ts", "segments", "metrics"]
    listed = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in columns)
    with psycopg.connect(postgres.address) as connection:
        connection.execute(f"CREATE TEMP TABLE calls ({listed})")
        connection.execute(
            "INSERT INTO calls SELECT r.* FROM jsonb_populate_recordset(NULL::calls, %s::jsonb) r",
            (json.dumps(rows),),
        )
        found = connection.execute(f"SELECT row_to_json(cell) FROM ({asked}) AS cell").fetchall()  # noqa: S608 - the recipe
    assert cells([row[0] for row in found]) == wanted(rows)
