"""Counts calls with Spark by `gonogo.spark`: the calls' file, the file of cells."""

import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, expr

from gonogo.settings import DependencySettings, Settings
from gonogo.spark import hour_cells

calls, cells = sys.argv[1:]
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "America/New_York")
    .getOrCreate()
)
frame = spark.read.json(calls)
for name in ("ts", "outcome_ts"):
    frame = frame.withColumn(name, expr(f"timestamp_millis(CAST(rint({name} * 1000) AS BIGINT))"))
for path in ("segments.tier", "segments.area", "metrics.score"):
    frame = frame.withColumn(path.partition(".")[2], col(path))
strict = DependencySettings("search", latency_slo_ms=900.0, quality_bar=0.6)
counted = hour_cells(
    frame,
    segments=("tier", "area"),
    metrics=("score",),
    settings=Settings(store="", dependencies={"search": strict}),
)
Path(cells).write_text("\n".join(row for row in counted.toJSON().collect()))
spark.stop()
