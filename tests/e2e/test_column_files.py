"""Parquet and Arrow by the command: the answers are those of the same records as lines."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from product import lines, typed
from pyarrow import parquet

HOUR_S = 3600
BINS = {str(17_350 + k): 5 for k in range(4)}


def cells() -> list[dict[str, Any]]:
    """Ten days of one model, twenty calls an hour."""
    counts = {"n": 20, "errors": 1, "slo_met": 20, "good": 17, "ok": 19, "ok_labels": 19}
    total = sum(5 * round(2 ** ((int(k) - 17_216) / 16 + 1 / 32) * 1e6) for k in BINS)
    return [
        {"cell_version": 1, "dependency": "m", "hour": hour, "first_ts": hour, **counts}
        | {"newest_ts": hour + 3000, "ok_good": 17, "segments": {"tier": "free"}}
        | {"latency_ms_sum": total, "latency_ms_bins": BINS}
        | {"outcome_sum": 17_000_000, "outcome_bins": {"140": 17, "-141": 3}}
        for hour in range(1_790_000_000 // HOUR_S * HOUR_S - 240 * HOUR_S, 1_790_000_000, HOUR_S)
    ]


def calls() -> list[dict[str, Any]]:
    """Calls as a data frame has them; nothing is a NaN there."""
    return [
        {
            "dependency": "m",
            "ts": 1_789_000_000.0 + 3000 * n,
            "outcome": float(n % 7 > 0),
            "latency_ms": None if n % 5 == 0 else 100.0 + n,
            "segments": {"tier": "free" if n % 2 else "paid"},
            "input_tokens": 12 + n,
        }
        for n in range(300)
    ]


def as_map(of: Any) -> Any:  # noqa: ANN401 - pyarrow's own
    """The type that DuckDB and Spark give to an object of counts."""
    return pa.map_(pa.string(), of)


@pytest.mark.parametrize("container", ["parquet", "arrow"])
@pytest.mark.parametrize("kind", ["cells", "calls"])
def test_columns_give_the_answers_of_lines(tmp_path: Path, kind: str, container: str) -> None:
    """Hour cells with their bins as maps, and calls with structs, times and NaN."""
    rows = cells() if kind == "cells" else calls()
    table = pa.Table.from_pylist(rows)
    if kind == "cells":
        for name in ("latency_ms_bins", "outcome_bins"):
            column = pa.array([list(row[name].items()) for row in rows], as_map(pa.int64()))
            table = table.set_column(table.schema.get_field_index(name), name, column)
    else:
        seconds = [round(row["ts"] * 1e6) for row in rows]
        nan = [float("nan") if row["latency_ms"] is None else row["latency_ms"] for row in rows]
        for name, column in (
            ("ts", pa.array(seconds, pa.timestamp("us", tz="UTC"))),
            ("latency_ms", pa.array(nan, pa.float64())),
        ):
            table = table.set_column(table.schema.get_field_index(name), name, column)
    source = tmp_path / f"rows.{container}"
    if container == "arrow":
        with pa.OSFile(str(source), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, source)
    (tmp_path / "rows.jsonl").write_text(lines(rows))
    found = []
    for path in (source, tmp_path / "rows.jsonl"):
        store = tmp_path / f"{path.suffix[1:]}.db"
        taken = typed("ingest", str(path), store=store)
        assert taken.stdout.startswith(f"{len(rows)} accepted, 0 duplicates, 0 updated, 0 refused")
        for metric in ("outcome", "latency_ms"):
            asked = ("check", "drift", "m", "--metric", metric, "--until", "2026-09-21", "--json")
            report = json.loads(typed(*asked, store=store).stdout)
            found.append(
                {k: v for k, v in report.items() if k not in ("as_of", "data_age_s", "decision_id")}
            )
    assert found[:2] == found[2:]
    assert found[0]["baseline"]["n"] > 50


def broken_columns() -> dict[str, Any]:
    """Columns that are well formed as Parquet has them, and nothing that Python can hold."""
    deep: Any = pa.int32()
    value: Any = 1
    for _ in range(60):
        deep, value = pa.list_(deep), [value]
    ends = b"".join(at.to_bytes(4, "little") for at in (0, 2))
    no_text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(b"\xff\xfe")]
    )
    return {
        "no text": no_text,
        "a time beyond all": pa.array([2**62], pa.timestamp("us")),
        "lists in lists": pa.array([value], deep),
    }


@pytest.mark.parametrize("kind", ["no text", "a time beyond all", "lists in lists", "torn"])
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    """Whatever the library raises of it."""
    path = tmp_path / "calls.parquet"
    columns = {"dependency": ["m"], "outcome": [1.0]}
    parquet.write_table(pa.table({**columns, "ts": broken_columns().get(kind, [1])}), path)
    if kind == "torn":
        content = path.read_bytes()
        path.write_bytes(content[:60] + b"\xff" * 30 + content[90:])
    done = typed("ingest", str(path), store=tmp_path / "store.db")
    assert (done.returncode, len(done.stderr.splitlines())) == (65, 1), done
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("suffix", ["parquet", "json"])
@pytest.mark.parametrize("kind", ["cut off", "changed"])
def test_a_broken_packed_file_is_refused_in_one_line(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    """A download that broke off, and one whose checksum does not fit: nothing of it is taken."""
    plainly, path = tmp_path / f"calls.{suffix}", tmp_path / f"calls.{suffix}.gz"
    rows = [{"dependency": "m", "id": hashlib.sha256(b"%d" % k).hexdigest()} for k in range(4000)]
    if suffix == "json":
        plainly.write_text(json.dumps({"rows": rows}, indent=1))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), plainly)
    packed = bytearray(gzip.compress(plainly.read_bytes()))
    packed[-6] ^= 0xFF  # of its checksum
    path.write_bytes(packed if kind == "changed" else packed[: len(packed) // 2])
    done = typed("ingest", str(path), store=tmp_path / "store.db")
    assert (done.returncode, len(done.stderr.splitlines())) == (65, 1), done
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_text_that_stands_once_for_many_rows_does_not_fill_memory(
    tmp_path: Path, kind: str
) -> None:
    """A few kilobytes that stand for 16 GB are refused in one line, and short texts are read as ever."""
    rows = pa.array([0] * 1000, pa.int32())
    path, store = tmp_path / f"calls.{kind}", tmp_path / "s.db"
    for text, code in (("x" * (16 << 20), 65), ("timeout", 0)):
        errors = pa.DictionaryArray.from_arrays(rows, pa.array([text]))
        table = pa.table({"dependency": pa.array(["m"] * 1000), "error": errors})
        if kind == "parquet":
            parquet.write_table(table, path, compression="zstd")
        else:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_file(str(path), table.schema, options=options) as file:
                file.write_table(table)
        told = typed("ingest", str(path), store=store)
        assert told.returncode == code
        assert told.stderr.count("\n") == (code != 0)
    assert "1,000 errors" in told.stdout
