"""Helicone's requests, as its dashboard and its API export them.

Source: docs.helicone.ai, "Export data" and "Get Requests".
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
    short_id,
    unix_s,
)
from gonogo.ingest.token_usage import named_counts, token_fields

_ERRORS_FROM = 400


def _observations(record: Record, file: File) -> Iterator[Fields]:
    del file
    listed = record.get("data")
    for entry in listed if isinstance(listed, list) else [record]:
        if isinstance(entry, Mapping):
            yield _request(entry)


def _request(entry: Record) -> Fields:
    status = number(first(entry, "response_status", "status"))
    fields: Fields = {
        "id": short_id(first(entry, "request_id", "response_id")),
        "dependency": str(
            first(entry, "request_model", "response_model", "model", "model_override") or "helicone"
        ),
        "kind": "model",
        "provider": first(entry, "provider"),
        "ts": unix_s(first(entry, "request_created_at", "created_at", "createdAt")),
        "latency_ms": number(first(entry, "delay_ms", "latency_ms", "latency")),
        "cost_usd": number(first(entry, "cost_usd", "costUSD", "cost")),
        **token_fields(named_counts(entry)),
    }
    if status is not None and (status >= _ERRORS_FROM or status < 0):
        fields["error"] = int(status) if status > 0 else "cancelled"
    rating = first(entry, "feedback_rating", "response_feedback", "rating")
    if isinstance(rating, bool) or str(rating).lower() in ("true", "false"):
        fields["outcome"] = str(rating).lower() == "true"
    return fields


def _recognises(record: Record) -> bool:
    listed = record.get("data")
    entry = listed[0] if isinstance(listed, list) and listed else record
    return (
        isinstance(entry, Mapping)
        and "request_id" in entry
        and (
            "request_created_at" in entry or "helicone_user" in entry or "response_status" in entry
        )
    )


FORMAT = ForeignFormat(
    name="helicone",
    title="requests of Helicone",
    recognises=_recognises,
    observations=_observations,
    understood="dependency: the model; error: the HTTP status; outcome: a user's feedback",
)
