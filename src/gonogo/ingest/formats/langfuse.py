"""Langfuse's observations and scores: exports of its tables, its API, and its blob storage.

Source: langfuse.com, "Blob Storage Export Field Reference" and "Export from UI"; API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.cell_words import outcome_of_word
from gonogo.ingest.field_checks import key_of
from gonogo.ingest.formats.foreign_format import (
    Fields,
    File,
    ForeignFormat,
    Record,
    elapsed_ms,
    first,
    json_object,
    short_id,
    unix_s,
)
from gonogo.ingest.token_usage import named_counts, token_fields

_CALLS = frozenset({"GENERATION", "EMBEDDING", "TOOL"})


def _entries(record: Record) -> Iterator[Record]:
    """The API gives pages: a list under `data`."""
    listed = record.get("data")
    for entry in listed if isinstance(listed, list) else [record]:
        if isinstance(entry, Mapping):
            yield entry


def _observations(record: Record, file: File) -> Iterator[Fields]:
    for entry in _entries(record):
        kind = str(first(entry, "type") or "GENERATION").upper()
        if kind not in _CALLS:
            file.leave_out(f"observations of type {kind}: they stand around calls")
            continue
        yield _call(entry, is_tool=kind == "TOOL")


def _call(entry: Record, *, is_tool: bool) -> Fields:
    model = first(entry, "model", "provided_model_name", "providedModelName", "internalModelId")
    name = first(entry, "name")
    usage = json_object(first(entry, "usage_details", "usageDetails", "usage"))
    cost = json_object(first(entry, "cost_details", "costDetails"))
    start, end = first(entry, "start_time", "startTime"), first(entry, "end_time", "endTime")
    fields: Fields = {
        "id": short_id(first(entry, "id")),
        "dependency": str((name if is_tool else model) or name or "langfuse"),
        "kind": "tool" if is_tool else "model",
        "version": first(entry, "version"),
        "ts": unix_s(start),
        "latency_ms": elapsed_ms(start, end),
        "cost_usd": number(
            first(entry, "total_cost", "totalCost", "calculatedTotalCost")
            if cost.get("total") is None
            else cost["total"]
        ),
        **token_fields(usage, named_counts(entry), apart=True),
    }
    if str(first(entry, "level") or "").upper() == "ERROR":
        fields["error"] = first(entry, "status_message", "statusMessage") or "error"
    if trace := first(entry, "trace_id", "traceId"):
        fields["alias"] = short_id(trace)
    return fields


def _is_score(record: Record) -> bool:
    entry = next(_entries(record), {})
    named = first(entry, "trace_id", "traceId", "observation_id", "observationId")
    typed = first(entry, "data_type", "dataType", "source")
    return named is not None and "name" in entry and "value" in entry and typed is not None


def _is_observation(record: Record) -> bool:
    entry = next(_entries(record), {})
    timed = first(entry, "start_time", "startTime") is not None
    of_trace = first(entry, "trace_id", "traceId") is not None
    return timed and of_trace and ("type" in entry or "level" in entry) and "context" not in entry


def _scores(record: Record, file: File) -> Iterator[Fields]:
    for entry in _entries(record):
        about = first(entry, "observation_id", "observationId", "trace_id", "traceId")
        if about is None:
            file.leave_out("scores of sessions or datasets", is_lost=True)
        elif said := _said(entry):
            yield {"id": short_id(about), **said}
        else:
            file.leave_out("scores in words that say neither yes nor no", is_lost=True)


def _said(entry: Record) -> Fields:
    """A score is the outcome where it is a yes or no; a bare number only a metric of its name."""
    name = key_of(first(entry, "name") or "score")
    typed = str(first(entry, "data_type", "dataType") or "").upper()
    value = number(first(entry, "value"))
    word = first(entry, "string_value", "stringValue")
    said = outcome_of_word(str(word)) if word is not None else None
    if typed == "BOOLEAN" and said is None and value in (0, 1):
        said = value
    if said is None:
        return {} if value is None else {"metrics": {name: value}}
    fields: Fields = {"outcome": float(said)}
    when = unix_s(first(entry, "timestamp", "created_at", "createdAt"))
    return fields if when is None else {**fields, "outcome_ts": when}


OBSERVATIONS = ForeignFormat(
    name="langfuse",
    title="observations of Langfuse",
    recognises=_is_observation,
    observations=_observations,
    understood=(
        "dependency: the model of a generation, or the tool; error: level ERROR; bring the scores next "
        "(gonogo ingest scores.csv), which are the outcomes"
    ),
)
SCORES = ForeignFormat(
    name="langfuse-scores",
    title="scores of Langfuse",
    recognises=_is_score,
    observations=_scores,
    understood=(
        "of calls that are stored, by observation or trace: outcome: scores that are yes or no; numeric ones "
        "are metrics by their names"
    ),
)
