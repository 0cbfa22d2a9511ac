"""Braintrust's spans, of experiments and logs, as its API and its export write them: a span a line, or a page of them.

Source: braintrust.dev, "How to read a trace": a trace's root has its scores, and llm and tool spans are its calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from gonogo.border.foreign import number
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
from gonogo.ingest.token_usage import token_fields

_CALLS = {"llm": "model", "tool": "tool"}
_METRICS_MAX = 16


def _entries(record: Record) -> Iterator[Record]:
    """The API gives pages: a list under `events`, or `data`."""
    listed = record.get("events", record.get("data"))
    for entry in listed if isinstance(listed, list) else [record]:
        if isinstance(entry, Mapping):
            yield entry


class _Traces:
    """The first call of each trace, and the roots of those of which no call has come."""

    def __init__(self) -> None:
        self.calls: dict[str, Fields] = {}
        self.roots: dict[str, Fields] = {}


def _traces(file: File) -> _Traces:
    return cast("_Traces", file.memory.setdefault("traces", _Traces()))


def _observations(record: Record, file: File) -> Iterator[Fields]:
    traces = _traces(file)
    for span in _entries(record):
        said, trace = json_object(span.get("span_attributes")), str(span.get("root_span_id"))
        kind = _CALLS.get(str(said.get("type")).lower())
        if kind is not None:
            call = _call(span, said, kind)
            yield call
            first_call = traces.calls.setdefault(
                trace, {"id": call["id"], "dependency": call["dependency"]}
            )
            if root := traces.roots.pop(trace, None):
                yield {**first_call, "metrics": root["metrics"]}
        elif span.get("span_id") != span.get("root_span_id"):
            file.leave_out(f"spans of type {said.get('type')}: they stand around calls")
        elif trace in traces.calls:
            yield {**traces.calls[trace], "metrics": _call(span, said, "model")["metrics"]}
        else:
            traces.roots[trace] = _call(span, said, "model")


def _finish(file: File) -> Iterator[Fields]:
    """Traces of which only the root was traced: it is the call."""
    yield from _traces(file).roots.values()


def _call(span: Record, said: Record, kind: str) -> Fields:
    about, measured = json_object(span.get("metadata")), json_object(span.get("metrics"))
    model, name = first(about, "model"), first(said, "name")
    scores = [
        (key_of(key), score)
        for key, value in sorted(json_object(span.get("scores")).items())
        if (score := number(value)) is not None
    ]
    return {
        "id": short_id(first(span, "span_id")),
        "dependency": str((name if kind == "tool" else model) or name or "braintrust"),
        "kind": kind,
        "ts": unix_s(first(measured, "start") or first(span, "created")),
        "latency_ms": elapsed_ms(measured.get("start"), measured.get("end")),
        "error": first(span, "error"),
        "metrics": dict(scores[:_METRICS_MAX]),
        **token_fields(measured),
    }


def _recognises(record: Record) -> bool:
    span = next(_entries(record), {})
    return "root_span_id" in span and ("span_attributes" in span or "scores" in span)


FORMAT = ForeignFormat(
    name="braintrust",
    title="spans of Braintrust",
    recognises=_recognises,
    observations=_observations,
    understood=(
        "dependency: the model of an llm span, or the tool, and where a trace has neither its root; scores are metrics "
        "of the trace's first call: how good is good they do not say"
    ),
    finish=_finish,
)
