"""Datadog's LLM Observability spans, as its Export API gives them.

Source: docs.datadoghq.com, "LLM Observability", "Export API"; costs are in 1e-9 USD, durations in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.formats.foreign_format import (
    Fields,
    File,
    ForeignFormat,
    Record,
    first,
    json_object,
    short_id,
    unix_s,
)
from gonogo.ingest.token_usage import token_fields

_CALLS = {"llm": "model", "embedding": "model", "tool": "tool"}
_NANO = 1e-9


def _entries(record: Record) -> Iterator[tuple[object, Record]]:
    """Spans with their ids: a page of the API, one of its resources, or the attributes alone."""
    listed = record.get("data")
    for entry in listed if isinstance(listed, list) else [record]:
        if isinstance(entry, Mapping):
            yield entry.get("id"), json_object(entry.get("attributes")) or entry


def _observations(record: Record, file: File) -> Iterator[Fields]:
    for identity, span in _entries(record):
        kind = _CALLS.get(str(span.get("span_kind")).lower())
        if kind is None:
            file.leave_out(f"spans of kind {span.get('span_kind')}: they stand around calls")
            continue
        measured = json_object(span.get("metrics"))
        took_ns, nano_usd = (
            number(span.get("duration")),
            number(measured.get("estimated_total_cost")),
        )
        model, name = first(span, "model_name"), first(span, "name")
        yield {
            "id": short_id(first(span, "trace_id"), first(span, "span_id") or identity),
            "dependency": str((model if kind == "model" else name) or name or "datadog"),
            "kind": kind,
            "provider": first(span, "model_provider"),
            "ts": unix_s(span.get("start_ns")),
            "latency_ms": None if took_ns is None else took_ns / 1e6,
            "cost_usd": None if nano_usd is None else nano_usd * _NANO,
            "error": "error" if str(span.get("status")).lower() == "error" else None,
            **token_fields(measured),
        }


def _recognises(record: Record) -> bool:
    _, span = next(_entries(record), (None, {}))
    return "span_kind" in span and "start_ns" in span


FORMAT = ForeignFormat(
    name="datadog",
    title="spans of Datadog LLM Observability",
    recognises=_recognises,
    observations=_observations,
    understood=(
        "dependency: the model of an llm span, or the tool; error: the span's status; cost: Datadog's "
        "estimate; no outcome, since evaluations are not exported with spans"
    ),
)
