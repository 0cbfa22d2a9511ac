"""Counts calls with DuckDB: the calls' file, the query's file, the file of cells."""

import sys
from pathlib import Path

import duckdb

calls, query, cells = sys.argv[1:]
engine = duckdb.connect()
# Times without a zone are UTC in gonogo, wherever DuckDB runs.
engine.execute("SET TimeZone = 'America/New_York'")
engine.execute(f"CREATE VIEW calls AS SELECT * FROM read_json('{calls}', sample_size = -1)")  # noqa: S608 - the test's own file
kind = "parquet" if cells.endswith(".parquet") else "json"
engine.execute(f"COPY ({Path(query).read_text()}) TO '{cells}' (FORMAT {kind})")
