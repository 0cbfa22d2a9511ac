"""One table of an observation's fields: what each may hold, its schema, and the way in.

Every way in (files, the tool, the library) ends here. The checks are written by hand and not in
pydantic because bulk ingest is measured against the store's own insert rate. Bounds are those of
the contract, and where it names none, what the store's 64-bit fixed-point sums can hold.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, fields, make_dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Literal, cast

from gonogo.errors import plain
from gonogo.ingest import field_checks as checked
from gonogo.ingest.error_codes import error_code
from gonogo.ingest.field_checks import KINDS, RefusedError, got
from gonogo.records import DAY_MS, HISTORY_AFTER_MS, Observation, Rejection

__all__ = ["FIELDS", "Field", "observation_schema", "parse_observation"]

PROBLEM_CHARS_MAX = 300
Form = Literal["text", "number", "outcome", "time", "list", "texts", "numbers"]

_FORM_WORDS: dict[Form, str] = {
    "text": "text",
    "time": "time",
    "number": "number",
    "list": "numbers",
    "texts": "text by name",
    "numbers": "number by name",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name on the way in, the record's attribute, its check, and what tells of it.

    `schema`: of its own; fields without one are named in one line, at a fifth of the tokens.
    """

    name: str
    attribute: str
    check: Callable[[object], object]
    form: Form
    description: str = ""
    schema: Mapping[str, object] | None = None


_DEPENDENCY: Mapping[str, object] = {"type": "string"}
_OUTCOME: Mapping[str, object] = {"type": "number", "minimum": 0, "maximum": 1}

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field(
            "dependency", "dependency", checked.checked_name, "text", "what was called", _DEPENDENCY
        ),
        Field("ts", "ts_ms", checked.time_ms, "time", "RFC 3339, Unix"),
        Field("id", "id", checked.identifier, "text", "again: late outcome"),
        Field("kind", "kind", checked.kind, "text", "|".join(KINDS)),
        Field("provider", "provider", checked.optional_name, "text"),
        Field("version", "version", checked.identifier, "text"),
        Field("outcome", "outcome", checked.outcome, "outcome", "1 right, 0 wrong", _OUTCOME),
        Field("outcome_ts", "outcome_ts_ms", checked.time_ms, "time"),
        Field("error", "error", error_code, "text", "code, as timeout or http_500"),
        Field("confidence", "confidence", checked.fraction, "number", "0 to 1"),
        Field("latency_ms", "latency_ms", checked.latency, "number"),
        Field("cost_usd", "cost_micro_usd", checked.money, "number"),
        Field("input_tokens", "input_tokens", checked.tokens, "number"),
        Field("output_tokens", "output_tokens", checked.tokens, "number"),
        Field("item", "item", checked.identifier, "text", "golden set"),
        Field("budget", "budget", checked.optional_name, "text"),
        Field("reservation", "reservation", checked.identifier, "text"),
        Field("prediction", "prediction", checked.answer, "text"),
        Field("label", "label", checked.answer, "text", "true one"),
        Field("input_hash", "input_hash", checked.identifier, "text"),
        Field("output_hash", "output_hash", checked.identifier, "text"),
        Field("embedding", "embedding", checked.embedding, "list"),
        Field("segments", "segments", checked.segments, "texts"),
        Field("metrics", "metrics", checked.metrics, "numbers"),
        Field("output", "output", checked.output, "text", "not kept"),
    )
}

# What was checked lies in a list in the order of Observation: quicker than a mapping.
_PLACE = {slot.name: place for place, slot in enumerate(fields(Observation))}
_DEPENDENCY_AT, _TS, _OUTCOME_AT, _OUTCOME_TS, _PREDICTION, _LABEL, _ASSUMED = itemgetter(
    "dependency", "ts_ms", "outcome", "outcome_ts_ms", "prediction", "label", "outcome_ts_assumed"
)(_PLACE)
_CHECKS = {field.name: (_PLACE[field.attribute], field.check) for field in FIELDS.values()}


def observation_schema() -> dict[str, object]:
    """JSON Schema of one observation as the tool shows it; a new object at each call.

    It names every field and its type: two with a schema, the others in a line.
    """
    properties: dict[str, object] = {}
    others: dict[Form, list[str]] = {form: [] for form in _FORM_WORDS}
    for field in FIELDS.values():
        if field.schema is not None:
            properties[field.name] = {**field.schema, "description": field.description}
        else:
            more = f" ({field.description})" if field.description else ""
            others[field.form].append(f"{field.name}{more}")
    return {
        "type": "object",
        "description": "also "
        + "; ".join(f"{words}: {', '.join(others[form])}" for form, words in _FORM_WORDS.items()),
        "properties": properties,
        "required": ["dependency"],
    }


def parse_observation(
    raw: object, *, now_ms: int, from_file: bool, position: int = 0
) -> Observation | Rejection:
    """Check one observation and turn it into stored units; a field that is null is absent.

    Args:
        raw: A mapping of field names to JSON values; anything else is refused.
        now_ms: The time of arrival, epoch milliseconds: the default `ts`.
        from_file: The outcome came with its observation: `outcome_ts` defaults to `ts` and not
            to the arrival, as it does for history.
        position: The index or line that a Rejection names.

    Returns:
        The observation, or the first problem that was found. Never raises.
    """
    if not isinstance(raw, (dict, Mapping)):
        return Rejection(position, "observation", f"must be an object, got {got(raw)}")
    values = _ABSENT.copy()
    name, checks = "dependency", _CHECKS
    try:
        for name, value in raw.items():
            if name not in checks:
                raise RefusedError(_unknown(name))  # noqa: TRY301
            if value is not None:
                place, check = checks[name]
                values[place] = check(value)
        if values[_DEPENDENCY_AT] is None:
            name = "dependency"
            raise RefusedError("is required")  # noqa: TRY301
        _complete(values, now_ms=now_ms, from_file=from_file)
    except _AheadError as ahead:
        return Rejection(position, str(ahead), "is more than a day ahead; seconds, and UTC?")
    except RefusedError as refused:
        return Rejection(position, plain(str(name), 80), plain(str(refused), PROBLEM_CHARS_MAX))
    draft = _Draft(*values)
    draft.__class__ = Observation
    return cast("Observation", draft)


_NONE: Mapping[str, str] = MappingProxyType({})
_ABSENT: list[Any] = [None] * len(_PLACE)
_ABSENT[_PLACE["segments"]] = _ABSENT[_PLACE["metrics"]] = _NONE
_ABSENT[_ASSUMED] = False

# A frozen class sets each of its 27 slots by a call, which took as long as checking a call's
# fields. The draft has the same slots and sets them directly, before it becomes an Observation.
_Draft: Any = make_dataclass(
    "_Draft",
    [(slot.name, object, copy(slot)) for slot in fields(Observation)],
    slots=True,
)


class _AheadError(RefusedError):
    """The field whose time lies more than a day ahead."""


def _complete(values: list[Any], *, now_ms: int, from_file: bool) -> None:
    """Fill in what follows from other fields, and check the times against now."""
    ts_ms, outcome_ts_ms = values[_TS], values[_OUTCOME_TS]
    if ts_ms is None:
        ts_ms = values[_TS] = now_ms
    elif ts_ms > now_ms + DAY_MS:
        raise _AheadError("ts")
    if values[_OUTCOME_AT] is None:
        prediction, label = values[_PREDICTION], values[_LABEL]
        if prediction is None or label is None:
            values[_OUTCOME_TS] = None
            return
        values[_OUTCOME_AT] = float(prediction == label)
    if outcome_ts_ms is None:
        values[_ASSUMED] = from_file or now_ms - ts_ms > HISTORY_AFTER_MS
        values[_OUTCOME_TS] = ts_ms if values[_ASSUMED] else now_ms
    elif outcome_ts_ms > now_ms + DAY_MS:
        raise _AheadError("outcome_ts")


def _unknown(name: object) -> str:
    near = difflib.get_close_matches(str(name)[:80], FIELDS, n=3)
    return f"unknown field; {'nearest' if near else 'known'}: {', '.join(near or FIELDS)}"
