"""A DataFrame of calls as a DataFrame of hour cells, on any Spark cluster.

Only the driver needs gonogo: what runs on the cluster is one SQL query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gonogo.ingest.hour_cells.cell_dialects import CallTable, columns_of
from gonogo.ingest.hour_cells.cell_sql import cells_query
from gonogo.settings import Settings


def hour_cells(
    calls: Any,  # noqa: ANN401 - a pyspark DataFrame; the package does not need pyspark
    *,
    segments: Sequence[str] = (),
    metrics: Sequence[str] = (),
    fields: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    source: str = "",
    revision: int = 0,
) -> Any:  # noqa: ANN401 - the same
    """Count calls by the hour, as docs/cells.md has the table; write the rows anywhere, and ingest them.

    Args:
        calls: A pyspark DataFrame; columns with the names of fields are those fields, `ts` a timestamp.
        segments: Columns that are segments.
        metrics: Columns that are metrics of your own.
        fields: Expressions of fields in Spark SQL, where a column has another name.
        settings: Whose quality bars and latency objectives count; absent: those of gonogo.toml.
        source: Who counts, where several do.
        revision: Higher for hours that are counted again.

    Returns:
        A DataFrame with a row a cell.

    Raises:
        ParameterError: `dependency` or `ts` is missing, or a field is not counted by the hour.
    """
    if settings is None:
        import os

        from gonogo.config import load_settings

        settings = load_settings(None, None, os.environ)
    view = f"gonogo_calls_{id(calls):x}"
    calls.createOrReplaceTempView(view)
    table = CallTable(
        view,
        {**columns_of(calls.columns), **(fields or {})},
        segments={name: f"`{name}`" for name in segments},
        metrics={name: f"`{name}`" for name in metrics},
        counted_by=source,
        revision=revision,
    )
    query = cells_query("spark", table, settings)
    return calls.sparkSession.sql(query)
