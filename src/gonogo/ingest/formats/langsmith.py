"""LangSmith's runs: its API, its SDK as JSON lines, and the Parquet of its bulk export.

Source: docs.langchain.com, "Run (span) data format" and "Bulk export trace data".
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

_CALLS = {"llm": "model", "embedding": "model", "tool": "tool"}
_METRICS_MAX = 16


def _entries(record: Record) -> Iterator[Record]:
    """The API gives pages: a list under `runs`."""
    listed = record.get("runs")
    for entry in listed if isinstance(listed, list) else [record]:
        if isinstance(entry, Mapping):
            yield entry


def _observations(record: Record, file: File) -> Iterator[Fields]:
    for run in _entries(record):
        kind = _CALLS.get(str(run.get("run_type")).lower())
        if kind is None:
            file.leave_out(f"runs of type {run.get('run_type')}: they stand around calls")
        else:
            yield _call(run, kind)


def _call(run: Record, kind: str) -> Fields:
    extra = json_object(run.get("extra"))
    said, asked = json_object(extra.get("metadata")), json_object(extra.get("invocation_params"))
    model = first(said, "ls_model_name") or first(asked, "model", "model_name")
    name = first(run, "name")
    start, end = first(run, "start_time"), first(run, "end_time")
    details = {
        key: json_object(run.get(key))
        for key in ("prompt_token_details", "completion_token_details")
    }
    fields: Fields = {
        "id": short_id(first(run, "id")),
        "dependency": str((model if kind == "model" else name) or name or "langsmith"),
        "kind": kind,
        "provider": first(said, "ls_provider"),
        "version": first(said, "revision_id"),
        "ts": unix_s(start),
        "latency_ms": elapsed_ms(start, end),
        "cost_usd": number(run.get("total_cost")),
        **token_fields({**named_counts(run), **details}),
        **_judged(json_object(run.get("feedback_stats"))),
    }
    if error := first(run, "error"):
        fields["error"] = error
    elif str(run.get("status")).lower() == "error":
        fields["error"] = "error"
    if trace := first(run, "trace_id"):
        fields["alias"] = short_id(trace)
    return fields


def _judged(feedback: Mapping[str, object]) -> Fields:
    """Read a feedback: a judgement in words is right or wrong; averages are metrics by their names."""
    metrics: dict[str, float] = {}
    fields: Fields = {"metrics": metrics}
    for key, stats in sorted(feedback.items()):
        words = json_object(first(stats, "values"))
        good = outcome_of_word(str(next(iter(words)))) if len(words) == 1 else None
        average = number(first(stats, "avg"))
        if good is not None:
            fields.setdefault("outcome", good)
        elif average is not None and len(metrics) < _METRICS_MAX:
            metrics[key_of(key)] = average
    return fields


def _recognises(record: Record) -> bool:
    run = next(_entries(record), {})
    return "run_type" in run and "start_time" in run and ("trace_id" in run or "session_id" in run)


FORMAT = ForeignFormat(
    name="langsmith",
    title="runs of LangSmith",
    recognises=_recognises,
    observations=_observations,
    understood=(
        "dependency: the model of an llm run, or the tool; error: the run's; outcome: feedback in words; "
        "feedback in numbers is a metric"
    ),
)
