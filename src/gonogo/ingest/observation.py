"""One table of an observation's fields: what each may hold, its schema, and the way in.

Every way in (files, the tool, the library) ends here. The checks are written by hand and not in
pydantic because bulk ingest is measured against the store's own insert rate. Bounds are those of
the contract, and where it names none, what the store's 64-bit fixed-point sums can hold.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, fields, make_dataclass
from datetime import datetime
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Literal, cast

from gonogo.errors import plain
from gonogo.records import DAY_MS, HISTORY_AFTER_MS, MICRO, Observation, Rejection

__all__ = ["FIELDS", "Field", "error_code_of", "observation_schema", "parse_observation"]

NAME_CHARS_MAX = 200
OUTPUT_BYTES_MAX = 64 * 1024
EMBEDDING_NUMBERS_MAX = 4096
SEGMENTS_MAX = 8
METRICS_MAX = 16
COST_USD_MAX = 1e9
LATENCY_MS_MAX = 1e10
TOKENS_MAX = 10**9
NUMBER_ABS_MAX = 1e12
SECONDS_MAX = 10**11
TS_MS_MIN = 946_684_800_000  # 2000-01-01
# As floats: comparing one with an integer takes longer.
_SECONDS_MIN, _SECONDS_MAX = TS_MS_MIN / 1000, float(SECONDS_MAX)
PROBLEM_CHARS_MAX = 300
KINDS = ("model", "skill", "tool", "api", "prompt")

_ERROR = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NO_CODE = re.compile(r"[^A-Za-z0-9_.:-]+")
_HTTP_STATUS = re.compile(r"[1-5]\d\d", re.ASCII)
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class _RefusedError(Exception):
    """What is wrong with one value; never leaves this module."""


def _got(value: object) -> str:
    for types, words in (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
    ):
        if isinstance(value, types):
            return words
    return "null" if value is None else "another type"


def _category(value: object) -> str:
    if not isinstance(value, str):
        raise _RefusedError(f"must be text, got {_got(value)}")
    if len(value) > NAME_CHARS_MAX:
        raise _RefusedError(f"is {len(value)} characters long; at most {NAME_CHARS_MAX}")
    # A name comes out of every answer as it went in, and answers strip what is not printable.
    if not value.isprintable():
        raise _RefusedError("has a control or invisible character")
    return value


def _name(value: object) -> str:
    # What is common comes first here and below: a call less for each field of each row.
    if type(value) is str and 0 < len(value) <= NAME_CHARS_MAX and value.isprintable():
        return value
    if value == "":
        raise _RefusedError("is empty; leave it out")
    return _category(value)


def _kind(value: object) -> str:
    if value not in KINDS:
        raise _RefusedError(f"must be one of {', '.join(KINDS)}")
    return str(value)


def _error(value: object) -> str:
    if not isinstance(value, str):
        raise _RefusedError(f"must be text, got {_got(value)}")
    if _ERROR.fullmatch(value) is None:
        raise _RefusedError("must be a code of 1 to 64 characters of A-Z a-z 0-9 _ . : -")
    return value


def error_code_of(text: str) -> str:
    """A word or the name of a class as an error code; an HTTP status as `http_NNN`."""
    code = _NO_CODE.sub("_", text)[:64]
    return f"http_{code}" if _HTTP_STATUS.fullmatch(code) else code or "error"


def _number(value: object, low: float, high: float) -> int | float:
    if not isinstance(value, (float, int)) or value is True or value is False:
        raise _RefusedError(f"must be a number, got {_got(value)}")
    if low <= value <= high:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise _RefusedError("must be finite")
    # An integer may have 400 digits: clip before it meets a float.
    shown = float(max(min(value, 10**18), -(10**18)))
    if value < low == 0:
        raise _RefusedError(f"must not be negative, got {shown:.6g}")
    raise _RefusedError(f"must be between {low:g} and {high:g}, got {shown:.6g}")


def _fraction(value: object) -> float:
    if type(value) is float and 0.0 <= value <= 1.0:
        return value
    return float(_number(value, 0, 1))


def _outcome(value: object) -> float:
    if type(value) is float and 0.0 <= value <= 1.0:
        return value
    return float(value) if isinstance(value, bool) else float(_number(value, 0, 1))


def _latency(value: object) -> float:
    if type(value) is float and 0.0 <= value <= LATENCY_MS_MAX:
        return value
    return float(_number(value, 0, LATENCY_MS_MAX))


def _any_number(value: object) -> float:
    return float(_number(value, -NUMBER_ABS_MAX, NUMBER_ABS_MAX))


def _money(value: object) -> int:
    if type(value) is float and 0.0 <= value <= COST_USD_MAX:
        return round(value * MICRO)
    return round(_number(value, 0, COST_USD_MAX) * MICRO)


def _tokens(value: object) -> int:
    if type(value) is int and 0 <= value <= TOKENS_MAX:
        return value
    number = _number(value, 0, TOKENS_MAX)
    whole = int(number)
    if whole != number:
        raise _RefusedError(f"must be a whole number, got {number:.6g}")
    return whole


def _time(value: object) -> int:
    """Epoch milliseconds, rounded; how far ahead it may lie is checked where now is known."""
    if type(value) is float and _SECONDS_MIN <= value <= _SECONDS_MAX:
        return round(value * 1000)
    if isinstance(value, str):
        if _RFC3339.fullmatch(value) is None:
            raise _RefusedError("must be a time like 2026-04-01T12:00:00Z or Unix seconds")
        try:
            ts_ms = round(datetime.fromisoformat(value.upper()).timestamp() * 1000)
        except (ValueError, OverflowError):
            raise _RefusedError("is no time that exists") from None
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _RefusedError(f"must be RFC 3339 text or Unix seconds, got {_got(value)}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _RefusedError("must be finite")
    else:
        ts_ms = round(max(0, min(value, SECONDS_MAX)) * 1000)
    if ts_ms < TS_MS_MIN:
        raise _RefusedError("is before 2000")
    return ts_ms


def _output(value: object) -> str:
    if not isinstance(value, str):
        raise _RefusedError(f"must be text, got {_got(value)}")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise _RefusedError("has a lone surrogate: it is not Unicode text") from None
    if size > OUTPUT_BYTES_MAX:
        raise _RefusedError(f"is {size} bytes long; at most {OUTPUT_BYTES_MAX}")
    return value


def _embedding(value: object) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)):
        raise _RefusedError(f"must be a list of numbers, got {_got(value)}")
    if not 0 < len(value) <= EMBEDDING_NUMBERS_MAX:
        raise _RefusedError(f"has {len(value)} numbers; 1 to {EMBEDDING_NUMBERS_MAX} are allowed")
    return tuple([_any_number(number) for number in value])


def _segments(value: object) -> dict[str, object]:
    return _entries(value, SEGMENTS_MAX, _name)


def _metrics(value: object) -> dict[str, object]:
    return _entries(value, METRICS_MAX, _any_number)


def _entries(
    value: object, entries_max: int, check: Callable[[object], object]
) -> dict[str, object]:
    # `dict` first: asking an abstract class costs as much as five fields.
    if not isinstance(value, (dict, Mapping)):
        raise _RefusedError(f"must be an object, got {_got(value)}")
    if len(value) > entries_max:
        raise _RefusedError(f"has {len(value)} entries; at most {entries_max}")
    checked: dict[str, object] = {}
    key: object = None
    try:
        for key, entry in value.items():
            name = _name(key)
            checked[name] = check(entry)
            if "=" in name or "," in name:
                raise _RefusedError("a key has no '=' and no ','")  # noqa: TRY301
    except _RefusedError as refused:
        raise _RefusedError(f"at '{plain(str(key), 60)}': {refused}") from None
    return checked


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
        Field("dependency", "dependency", _name, "text", "what was called", _DEPENDENCY),
        Field("ts", "ts_ms", _time, "time", "RFC 3339, Unix"),
        Field("id", "id", _name, "text", "again: late outcome"),
        Field("kind", "kind", _kind, "text", "|".join(KINDS)),
        Field("provider", "provider", _name, "text"),
        Field("version", "version", _name, "text"),
        Field("outcome", "outcome", _outcome, "outcome", "1 right, 0 wrong", _OUTCOME),
        Field("outcome_ts", "outcome_ts_ms", _time, "time"),
        Field("error", "error", _error, "text", "code, as timeout or http_500"),
        Field("confidence", "confidence", _fraction, "number", "0 to 1"),
        Field("latency_ms", "latency_ms", _latency, "number"),
        Field("cost_usd", "cost_micro_usd", _money, "number"),
        Field("input_tokens", "input_tokens", _tokens, "number"),
        Field("output_tokens", "output_tokens", _tokens, "number"),
        Field("item", "item", _name, "text", "golden set"),
        Field("budget", "budget", _name, "text"),
        Field("reservation", "reservation", _name, "text"),
        Field("prediction", "prediction", _category, "text"),
        Field("label", "label", _category, "text", "true one"),
        Field("input_hash", "input_hash", _name, "text"),
        Field("output_hash", "output_hash", _name, "text"),
        Field("embedding", "embedding", _embedding, "list"),
        Field("segments", "segments", _segments, "texts"),
        Field("metrics", "metrics", _metrics, "numbers"),
        Field("output", "output", _output, "text", "not kept"),
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
        return Rejection(position, "observation", f"must be an object, got {_got(raw)}")
    values = _ABSENT.copy()
    name, checks = "dependency", _CHECKS
    try:
        for name, value in raw.items():
            if name not in checks:
                raise _RefusedError(_unknown(name))  # noqa: TRY301
            if value is not None:
                place, check = checks[name]
                values[place] = check(value)
        if values[_DEPENDENCY_AT] is None:
            name = "dependency"
            raise _RefusedError("is required")  # noqa: TRY301
        _complete(values, now_ms=now_ms, from_file=from_file)
    except _AheadError as ahead:
        return Rejection(position, str(ahead), "is more than a day ahead; seconds, and UTC?")
    except _RefusedError as refused:
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


class _AheadError(_RefusedError):
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
