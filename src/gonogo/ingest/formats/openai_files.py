"""OpenAI's batch output and error files, the output items of its evals, and usage reports.

Source: OpenAI API reference, "Batch" (request output object), "Evals" (output item object) and "Usage";
Anthropic API reference, "Usage report".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.formats.foreign_format import (
    Fields,
    File,
    ForeignFormat,
    Record,
    at,
    first,
    short_id,
    unix_s,
)
from gonogo.ingest.token_usage import token_fields

UNNAMED = "openai-batch"
_ERRORS_FROM = 400


def _batch(record: Record, file: File) -> Iterator[Fields]:
    body = first(record, "response.body")
    model = first(body, "model")
    status = number(at(record, "response.status_code"))
    fields: Fields = {
        "id": short_id(first(record, "id", "custom_id")),
        "kind": "model",
        "provider": "openai",
        "ts": unix_s(first(body, "created", "created_at")),
        **token_fields(at(body, "usage")),
        # A batch costs half, whatever `service_tier` its body says.
        "tier": "batch",
        "segments": {"tier": "batch"},
    }
    if record.get("error"):
        fields["error"] = record["error"]
    elif status is not None and status >= _ERRORS_FROM:
        fields["error"] = int(status)
    if model is None:
        # A failed request does not say its model; the others of its batch asked the same.
        waiting = file.memory.setdefault("waiting", [])
        known = file.memory.get("model")
        if known is None and isinstance(waiting, list):
            waiting.append(fields)
            return
        model = known
    file.memory["model"] = model
    yield {**fields, "dependency": str(model)}
    yield from _waiting(file, model)


def _waiting(file: File, model: object) -> Iterator[Fields]:
    waiting = file.memory.pop("waiting", [])
    for fields in waiting if isinstance(waiting, list) else ():
        yield {**fields, "dependency": str(model)}


BATCH = ForeignFormat(
    name="openai-batch",
    title="output of an OpenAI batch",
    # Google's batches have a `custom_id` too, and their errors elsewhere.
    recognises=lambda record: (
        record.keys() >= {"custom_id", "response"}
        and ("error" in record or at(record, "response.body") is not None)
    ),
    observations=_batch,
    understood=(
        "dependency: the model that answered (of a failed request, that of its batch); error: the status or "
        "code; no outcome, since a batch is not judged"
    ),
    finish=lambda file: _waiting(file, UNNAMED),
)


def _evals(record: Record, file: File) -> Iterator[Fields]:
    del file
    listed = record.get("data")
    for item in listed if isinstance(listed, list) else [record]:
        if isinstance(item, Mapping):
            yield _output_item(item)


def _output_item(item: Record) -> Fields:
    results = item.get("results")
    scores = {
        str(result.get("name") or "score")[:200]: value
        for result in (results if isinstance(results, list) else [])
        if isinstance(result, Mapping) and (value := number(result.get("score"))) is not None
    }
    fields: Fields = {
        "id": short_id(item.get("id")),
        "dependency": str(first(item, "sample.model") or "openai-eval"),
        "kind": "model",
        "provider": "openai",
        "ts": unix_s(item.get("created_at")),
        "item": f"{first(item, 'eval_id') or 'eval'}/{item.get('datasource_item_id')}"[:200],
        **token_fields(at(item, "sample.usage")),
        "metrics": dict(list(scores.items())[:16]),
    }
    if error := first(item, "sample.error"):
        fields["error"] = error
    if item.get("status") in ("pass", "fail"):
        fields["outcome"] = item["status"] == "pass"
    return fields


def _is_evals(record: Record) -> bool:
    listed = record.get("data")
    item = listed[0] if isinstance(listed, list) and listed else record
    return isinstance(item, Mapping) and item.get("object") == "eval.run.output_item"


EVALS = ForeignFormat(
    name="openai-evals",
    title="output items of an OpenAI eval",
    recognises=_is_evals,
    observations=_evals,
    understood="dependency: the model; item: the datasource's; outcome: the item's status",
)


def _usage(record: Record, file: File) -> Iterator[Fields]:
    del record
    file.leave_out("pages of sums over many calls: bring the calls themselves, and their costs")
    yield from ()


def _is_usage(record: Record) -> bool:
    listed = record.get("data")
    bucket = listed[0] if isinstance(listed, list) and listed else record
    return (
        isinstance(bucket, Mapping)
        and isinstance(bucket.get("results"), list)
        and ("start_time" in bucket or "starting_at" in bucket)
        and ("end_time" in bucket or "ending_at" in bucket)
    )


USAGE = ForeignFormat(
    name="usage-report",
    title="a usage report of OpenAI or Anthropic",
    recognises=_is_usage,
    observations=_usage,
    understood="sums of hours or days, in which no call can be told from another",
)
