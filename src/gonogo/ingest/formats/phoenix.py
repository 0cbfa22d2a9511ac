"""Phoenix's spans, and annotations of them: its data frames as CSV, JSON or Parquet, and its REST API.

Source: Arize Phoenix, "Exporting traces"; OpenInference semantic conventions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.cell_words import outcome_of_word
from gonogo.ingest.column_names import flat
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
from gonogo.ingest.otlp.names import SLOTS, Scalar
from gonogo.ingest.otlp.spans import call_fields


def _entries(record: Record) -> Iterator[Record]:
    listed = record.get("data")
    for entry in listed if isinstance(listed, list) else [record]:
        if isinstance(entry, Mapping):
            yield entry


def _observations(record: Record, file: File) -> Iterator[Fields]:
    for entry in _entries(record):
        found = _attributes(entry)
        fields = call_fields(found, "")
        if fields is None:
            file.leave_out("spans that are no calls")
            continue
        start, end = first(entry, "start_time", "startTime"), first(entry, "end_time", "endTime")
        span = first(entry, "context.span_id", "span_id", "spanId", "id")
        fields |= {
            "id": short_id(span),
            "ts": unix_s(start),
            "latency_ms": elapsed_ms(start, end),
        }
        if trace := first(entry, "context.trace_id", "trace_id", "traceId"):
            fields["alias"] = short_id(trace)
        if str(first(entry, "status_code", "statusCode") or "").upper() == "ERROR":
            fields["error"] = first(entry, "status_message", "statusMessage") or "error"
        yield fields | _judged(entry)


def _attributes(entry: Record) -> dict[str, Scalar]:
    """Attributes by slot, from dotted columns `attributes.llm.model_name` or from a nested object."""
    nested = dict(flat(json_object(entry.get("attributes"))))
    nested |= {
        key.removeprefix("attributes."): value
        for key, value in flat(entry)
        if key.startswith("attributes.")
    }
    if kind := first(entry, "span_kind", "spanKind"):
        nested.setdefault("openinference.span.kind", str(kind))
    found: dict[str, Scalar] = {}
    for key, value in nested.items():
        slot = SLOTS.get(key)
        if slot is not None and isinstance(value, str | int | float | bool) and value != "":
            found.setdefault(slot, value)
    return found


def _judged(entry: Record) -> Fields:
    """The first annotation whose label says right or wrong: columns `eval.NAME.label`."""
    for key, value in flat(entry):
        if key.endswith(".label") and key.startswith(("eval.", "annotations.", "evals.")):
            said = outcome_of_word(str(value))
            if said is not None:
                return {"outcome": said}
    return {}


def _recognises(record: Record) -> bool:
    entry = next(_entries(record), {})
    kind = first(entry, "span_kind", "spanKind", "attributes.openinference.span.kind")
    return kind is not None and first(entry, "start_time", "startTime") is not None


def _is_annotation(record: Record) -> bool:
    entry = next(_entries(record), {})
    named = first(entry, *_NAMES)
    return named is not None and "annotator_kind" in entry and "span_id" in entry


def _annotations(record: Record, file: File) -> Iterator[Fields]:
    """A label that says right or wrong is the outcome, with who said so; a bare score only a metric of its name."""
    for entry in _entries(record):
        result = dict(flat(entry))
        label = first(result, "result.label", "label")
        name = key_of(first(entry, *_NAMES) or "score", 190)
        said = outcome_of_word(str(label)) if label is not None else None
        score = number(first(result, "result.score", "score"))
        fields: Fields = {"id": short_id(entry.get("span_id"))}
        if said is not None:
            kind = str(entry.get("annotator_kind") or "").upper()
            fields |= {
                "outcome": said,
                "outcome_by": f"judge:{name}" if kind == "LLM" else _SAID_BY.get(kind),
                "outcome_ts": unix_s(first(entry, "created_at", "updated_at")),
            }
        elif score is not None:
            fields["metrics"] = {name: score}
        else:
            file.leave_out("annotations that are neither right or wrong nor a score", is_lost=True)
            continue
        yield fields


_NAMES = ("annotation_name", "name")
_SAID_BY = {"HUMAN": "human", "CODE": "rule"}

ANNOTATIONS = ForeignFormat(
    name="phoenix-annotations",
    title="annotations of Phoenix",
    recognises=_is_annotation,
    observations=_annotations,
    understood=(
        "of spans that are stored: outcome: labels that say right or wrong, by whom (annotator_kind); other "
        "scores are metrics by their names"
    ),
)
FORMAT = ForeignFormat(
    name="phoenix",
    title="spans of Phoenix",
    recognises=_recognises,
    observations=_observations,
    understood=(
        "dependency: the model or tool of a span; error: status ERROR; outcome: the first annotation whose "
        "label is right or wrong"
    ),
)
