"""Results of Anthropic's message batches.

Source: Anthropic API reference, "Retrieve Message Batch results".
"""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.ingest.formats.foreign_format import (
    Fields,
    File,
    ForeignFormat,
    Record,
    at,
    first,
    short_id,
)
from gonogo.ingest.token_usage import token_fields

UNNAMED = "anthropic-batch"


def _observations(record: Record, file: File) -> Iterator[Fields]:
    became = str(at(record, "result.type"))
    if became in ("canceled", "expired"):
        # It never ran: no call of the model, and no failure of it.
        file.leave_out(f"requests that were {became} before they ran")
        return
    message = at(record, "result.message")
    fields: Fields = {
        "id": short_id(first(message, "id") or record.get("custom_id")),
        "kind": "model",
        "provider": "anthropic",
        "tier": "batch",
        **token_fields(at(message, "usage")),
    }
    if became == "errored":
        fields["error"] = first(record, "result.error.error.type", "result.error.type") or "error"
    model = first(message, "model")
    if model is None:
        file.memory.setdefault("waiting", [])
        waiting = file.memory["waiting"]
        if isinstance(waiting, list):
            waiting.append(fields)
        return
    file.memory.setdefault("model", model)
    yield {**fields, "dependency": str(model)}


def _failed(file: File) -> Iterator[Fields]:
    """Failed requests, which do not say their model: the others of their batch asked the same."""
    waiting = file.memory.pop("waiting", [])
    for fields in waiting if isinstance(waiting, list) else ():
        yield {**fields, "dependency": str(file.memory.get("model", UNNAMED))}


FORMAT = ForeignFormat(
    name="anthropic-batch",
    title="results of an Anthropic message batch",
    recognises=lambda record: "custom_id" in record and at(record, "result.type") is not None,
    observations=_observations,
    understood=(
        "dependency: the model that answered (of a failed request, that of its batch); error: its type; "
        "time: that of reading, since results state none; no outcome, since a batch is not judged"
    ),
    finish=_failed,
)
