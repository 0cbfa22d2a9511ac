"""LiteLLM's SpendLogs table as a format that is recognised; what a row means is in `spend_logs.py`."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.ingest.formats.foreign_format import Fields, File, ForeignFormat, Record
from gonogo.ingest.formats.spend_logs import NEEDED, row_fields


def _observations(record: Record, file: File) -> Iterator[Fields]:
    del file
    yield row_fields(record)


FORMAT = ForeignFormat(
    name="litellm-spend",
    title="LiteLLM SpendLogs",
    recognises=lambda record: {*NEEDED, "spend"} <= record.keys(),
    observations=_observations,
    needs=NEEDED,
    understood="dependency: the model or MCP tool; error: the HTTP status or class; cost: LiteLLM's own",
)
