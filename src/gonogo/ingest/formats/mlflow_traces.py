"""MLflow's traces with their assessments, as `Trace.to_json` and `search_traces` give them.

Source: mlflow 3, `mlflow.entities.Trace`; "Assessments".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.cell_words import outcome_of_word
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

# As `Trace.to_json` writes it, as protobuf does, as MLflow 2 did.
_DURATIONS = ("execution_duration_ms", "execution_duration", "execution_time_ms")
_CALLS = {"CHAT_MODEL": "model", "LLM": "model", "EMBEDDING": "model", "TOOL": "tool"}


def _observations(record: Record, file: File) -> Iterator[Fields]:
    """The whole trace under its name, and each call of a model or tool in it."""
    trace = record if "info" in record else json_object(record.get("trace"))
    info = json_object(trace.get("info"))
    identity = str(first(info, "trace_id", "request_id") or "")
    tags = json_object(info.get("tags"))
    name = first(tags, "mlflow.traceName") or "mlflow"
    started = first(info, "request_time", "timestamp_ms")
    yield {
        "id": short_id(identity),
        "dependency": str(name),
        "kind": "skill",
        "ts": unix_s(started),
        "latency_ms": _milliseconds(first(info, *_DURATIONS)),
        "error": "error" if first(info, "state", "status") == "ERROR" else None,
        **_assessed(info.get("assessments")),
    }
    spans = json_object(trace.get("data")).get("spans")
    for span in spans if isinstance(spans, list) else []:
        if isinstance(span, Mapping):
            yield from _call(span, identity, file)


def _call(span: Record, trace: str, file: File) -> Iterator[Fields]:
    attributes = {
        key: _decoded(value) for key, value in json_object(span.get("attributes")).items()
    }
    kind = _CALLS.get(str(attributes.get("mlflow.spanType")))
    model = first(attributes, "mlflow.llm.model", "mlflow.chat.model")
    if kind is None or (kind == "model" and model is None):
        file.leave_out("spans that name no model or tool", is_lost=kind is not None)
        return
    usage = json_object(attributes.get("mlflow.chat.tokenUsage"))
    start = number(first(span, "start_time_unix_nano", "start_time"))
    end = number(first(span, "end_time_unix_nano", "end_time"))
    failed = first(span, "status.code", "status_code") in ("STATUS_CODE_ERROR", "ERROR", 2)
    yield {
        "id": short_id(trace, first(span, "span_id")),
        "dependency": str(model if kind == "model" else span.get("name")),
        "kind": kind,
        "ts": unix_s(start),
        "latency_ms": None if start is None or end is None or end < start else (end - start) / 1e6,
        "cost_usd": number(json_object(attributes.get("mlflow.llm.cost")).get("total_cost")),
        **token_fields(usage),
        "error": (first(span, "status.message") or "error") if failed else None,
    }


def _decoded(value: object) -> object:
    """MLflow keeps attributes as JSON in text."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _milliseconds(value: object) -> float | None:
    """A duration in milliseconds, or as protobuf writes it: `1.5s`."""
    if isinstance(value, str) and value.endswith("s"):
        seconds = number(value[:-1])
        return None if seconds is None else seconds * 1000
    return number(value)


def _assessed(assessments: object) -> Fields:
    metrics: dict[str, float] = {}
    fields: Fields = {"metrics": metrics}
    for one in assessments if isinstance(assessments, list) else []:
        value = first(one, "feedback.value", "value")
        said = float(value) if isinstance(value, bool) else outcome_of_word(str(value))
        if said is not None:
            fields.setdefault("outcome", said)
        elif (told := number(value)) is not None:
            metrics[str(first(one, "assessment_name", "name") or "assessment")[:200]] = told
    return fields


FORMAT = ForeignFormat(
    name="mlflow",
    title="traces of MLflow",
    recognises=lambda record: (
        (isinstance(record.get("info"), Mapping) and "data" in record)
        or ("trace" in record and "trace_id" in record)
    ),
    observations=_observations,
    understood=(
        "dependency: the trace's name, and each model and tool in it; outcome: the first assessment that is "
        "yes or no; numeric ones are metrics"
    ),
)
