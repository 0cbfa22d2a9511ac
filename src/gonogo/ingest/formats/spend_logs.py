"""LiteLLM's own records as observations: a row of its SpendLogs table, and what its callbacks get.

Both carry the same id, so that a call which came by the callback and by the table is stored once.

Source: `LiteLLM_SpendLogs` in LiteLLM's schema.prisma; `StandardLoggingPayload` in its types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from gonogo.border.foreign import foreign_json, number
from gonogo.ingest.error_codes import error_code_of
from gonogo.ingest.token_usage import token_fields

NEEDED = ("request_id", "model", "startTime")
_ZONE = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)$")


def row_fields(values: Mapping[str, object]) -> dict[str, object]:
    """The fields of one row of the table, whose cells may be text."""
    tool = values.get("mcp_namespaced_tool_name")
    fields: dict[str, object] = {
        "id": values.get("request_id"),
        "dependency": tool or values.get("model") or values.get("model_group") or None,
        "kind": "tool" if tool else "model",
        "provider": values.get("custom_llm_provider") or None,
        "ts": _rfc3339(values.get("startTime")),
        "latency_ms": _latency_ms(values),
        "cost_usd": _number(values.get("spend")),
        "input_tokens": _number(values.get("prompt_tokens")),
        "output_tokens": _number(values.get("completion_tokens")),
        **_parts(_object(values.get("metadata"))),
    }
    if values.get("status") == "failure":
        fields["error"] = _error(_object(values.get("metadata")).get("error_information"))
    if str(values.get("cache_hit")).lower() == "true":
        fields["segments"] = {"cache": "hit"}
    return fields


def payload_fields(payload: Mapping[str, object]) -> dict[str, object]:
    """The fields of one call, of the `standard_logging_object` that callbacks get."""
    start, end = _number(payload.get("startTime")), _number(payload.get("endTime"))
    fields: dict[str, object] = {
        "id": payload.get("id"),
        "dependency": payload.get("model") or payload.get("model_group"),
        "kind": "model",
        "provider": payload.get("custom_llm_provider") or None,
        "ts": start,
        "cost_usd": _number(payload.get("response_cost")),
        "input_tokens": _number(payload.get("prompt_tokens")),
        "output_tokens": _number(payload.get("completion_tokens")),
        **_parts(_object(payload.get("metadata"))),
    }
    began, ended = number(start), number(end)
    if began is not None and ended is not None:
        fields["latency_ms"] = max(ended - began, 0) * 1000
    if payload.get("status") == "failure":
        fields["error"] = _error(payload.get("error_information"))
    if payload.get("cache_hit") is True:
        fields["segments"] = {"cache": "hit"}
    return fields


def _parts(metadata: Mapping[str, object]) -> dict[str, int | float]:
    """Cached, reasoning and audio tokens, which LiteLLM counts within prompt and completion."""
    stated = token_fields(_object(metadata.get("usage_object")))
    return {name: n for name, n in stated.items() if name not in ("input_tokens", "output_tokens")}


def _error(information: object) -> str:
    """The HTTP status, else the class; never the message, which may quote the request."""
    told = information if isinstance(information, dict) else {}
    return error_code_of(str(told.get("error_code") or told.get("error_class") or "error"))


def _object(value: object) -> Mapping[str, object]:
    if isinstance(value, str):
        try:
            value = foreign_json(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> object:
    """Text of a CSV cell as its number; what is none is refused later, by its field's check."""
    if value == "" or value is None:
        return None
    found = number(value) if isinstance(value, str) else None
    return value if found is None else found


def _rfc3339(value: object) -> object:
    """PostgreSQL's times, which LiteLLM keeps in UTC without saying so."""
    if not isinstance(value, str):
        return value
    zone = _ZONE.search(value.strip())
    if zone is None or "T" not in value.replace(" ", "T"):
        return f"{value.strip()}Z"
    if len(zone[0]) == 3:  # noqa: PLR2004 - "+00"
        return f"{value.strip()}:00"
    return value.strip()


def _latency_ms(values: Mapping[str, object]) -> object:
    measured = _number(values.get("request_duration_ms"))
    if measured is not None:
        return measured
    start, end = _rfc3339(values.get("startTime")), _rfc3339(values.get("endTime"))
    try:
        took = datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))
    except ValueError:
        return None
    return max(took.total_seconds(), 0.0) * 1000
