"""One table of an observation's fields: what each may hold, and the way in.

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
from typing import Any, cast

from gonogo.errors import plain
from gonogo.ingest import field_checks as checked
from gonogo.ingest.cell_words import Form
from gonogo.ingest.column_names import MAP_ADVICE
from gonogo.ingest.error_codes import error_code
from gonogo.ingest.field_checks import RefusedError, got
from gonogo.records import (
    DAY_MS,
    HISTORY_AFTER_MS,
    MICRO,
    NANO_A_MICRO,
    Observation,
    Rejection,
)

PROBLEM_CHARS_MAX = 300
NANO = 1e9
# What is dearer is kept to the micro-dollar: a float has no more digits.
FINE_USD_MAX = 1e6


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name on the way in, the record's attribute, its check, and what tells of it."""

    name: str
    attribute: str
    check: Callable[[object], object]
    form: Form
    description: str


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("dependency", "dependency", checked.checked_name, "text", "name of what was called"),
        Field(
            "ts",
            "ts_ms",
            checked.time_ms,
            "time",
            "when: RFC 3339, as 2026-05-01T12:00:00Z; default now",
        ),
        Field(
            "id",
            "id",
            checked.call_id,
            "text",
            "your id of the call; send it again to add an outcome",
        ),
        Field("kind", "kind", checked.kind, "text", "sort of dependency"),
        Field("provider", "provider", checked.optional_name, "text", "who serves it"),
        Field("version", "version", checked.identifier, "text", "model or release that answered"),
        Field("outcome", "outcome", checked.outcome, "outcome", "how good: 1 right, 0 wrong"),
        Field(
            "outcome_ts", "outcome_ts_ms", checked.time_ms, "time", "when the outcome became known"
        ),
        Field(
            "outcome_by",
            "outcome_by",
            checked.grader,
            "text",
            "who gave it: human, rule, user or judge:NAME",
        ),
        Field(
            "error", "error", error_code, "text", "code where the call failed, as timeout, http_500"
        ),
        Field("confidence", "confidence", checked.fraction, "number", "its own, 0 to 1"),
        Field("latency_ms", "latency_ms", checked.latency, "number", "how long it took"),
        Field("cost_usd", "cost_micro_usd", checked.money, "number", "what it cost"),
        Field("input_tokens", "input_tokens", checked.tokens, "count", "tokens sent"),
        Field("output_tokens", "output_tokens", checked.tokens, "count", "tokens received"),
        Field(
            "cache_read_tokens",
            "cache_read_tokens",
            checked.tokens,
            "count",
            "of those sent, read from a cache",
        ),
        Field(
            "cache_write_tokens",
            "cache_write_tokens",
            checked.tokens,
            "count",
            "of those sent, written to a cache",
        ),
        Field(
            "reasoning_tokens",
            "reasoning_tokens",
            checked.tokens,
            "count",
            "of those received, spent on thinking",
        ),
        Field(
            "input_audio_tokens",
            "input_audio_tokens",
            checked.tokens,
            "count",
            "of those sent, audio",
        ),
        Field(
            "output_audio_tokens",
            "output_audio_tokens",
            checked.tokens,
            "count",
            "of those received, audio",
        ),
        Field("tier", "tier", checked.optional_name, "text", "service tier, as batch or priority"),
        Field(
            "weight",
            "weight",
            checked.weight,
            "number",
            "1 over the chance of being recorded, as 100 of a sample of 1 %",
        ),
        Field("item", "item", checked.identifier, "text", "question of a fixed test set"),
        Field("budget", "budget", checked.optional_name, "text", "budget that pays"),
        Field("reservation", "reservation", checked.identifier, "text", "id of the hold that pays"),
        Field("prediction", "prediction", checked.answer, "text", "category it answered"),
        Field("label", "label", checked.answer, "text", "category that is right"),
        Field("input_hash", "input_hash", checked.identifier, "text", "same input, same hash"),
        Field("output_hash", "output_hash", checked.identifier, "text", "same output, same hash"),
        Field("embedding", "embedding", checked.embedding, "list", "vector of the output"),
        Field("segments", "segments", checked.segments, "texts", "slices, as tier=new,region=eu"),
        Field("metrics", "metrics", checked.metrics, "numbers", "further measures, as length=312"),
        Field("output", "output", checked.output, "text", "its text; measured, not stored"),
    )
}

# What was checked lies in a list in the order of Observation: quicker than a mapping.
_PLACE = {slot.name: place for place, slot in enumerate(fields(Observation))}
_DEPENDENCY_AT, _TS, _PREDICTION, _LABEL, _TS_ASSUMED, _RUN, _ALIAS = itemgetter(
    "dependency", "ts_ms", "prediction", "label", "ts_assumed", "run", "alias"
)(_PLACE)
_COST, _COST_NANO = itemgetter("cost_micro_usd", "cost_nano_usd")(_PLACE)
_OUTCOME_AT, _OUTCOME_TS, _OUTCOME_BY, _ASSUMED = itemgetter(
    "outcome", "outcome_ts_ms", "outcome_by", "outcome_ts_assumed"
)(_PLACE)
_CHECKS = {field.name: (_PLACE[field.attribute], field.check) for field in FIELDS.values()}


def parse_observation(
    raw: object,
    *,
    now_ms: int,
    from_file: bool,
    position: int = 0,
    run: str | None = None,
    alias: str | None = None,
    advice: str = "",
) -> Observation | Rejection:
    """Check one observation and turn it into stored units; a field that is null is absent.

    Args:
        raw: A mapping of field names to JSON values; anything else is refused.
        now_ms: The time of arrival, epoch milliseconds: the default `ts`.
        from_file: The outcome came with its observation: `outcome_ts` defaults to `ts` and not
            to the arrival, as it does for history.
        position: The index or line that a Rejection names.
        run: The run of an import that it comes with.
        alias: Another id by which outcomes may name it.
        advice: Of a file: the options that would take its unknown fields in.

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
                raise RefusedError(_unknown(name, raw, from_file, advice))  # noqa: TRY301
            if value is not None:
                place, check = checks[name]
                values[place] = check(value)
        if values[_DEPENDENCY_AT] is None:
            name = "dependency"
            raise RefusedError("is required")  # noqa: TRY301
        values[_RUN], values[_ALIAS] = run, alias
        _complete(values, now_ms=now_ms, from_file=from_file)
    except _AheadError as ahead:
        name, said = str(ahead), "is more than a day ahead of the clock; is it seconds, and in UTC?"
    except RefusedError as refused:
        said = plain(str(refused), PROBLEM_CHARS_MAX)
    except Exception as error:  # noqa: BLE001 - an object of the caller's own may raise anything
        said = f"cannot be read ({type(error).__name__})"
    else:
        draft = _Draft(*values)
        draft.__class__ = Observation
        return cast("Observation", draft)
    return Rejection(position, plain(str(name), 80), said, named(raw))


def named(raw: Mapping[Any, object]) -> str:
    """The dependency that a refused row is a call of; "" where it names none."""
    try:
        return checked.checked_name(raw.get("dependency"))
    except Exception:  # noqa: BLE001 - as above
        return ""


_NONE: Mapping[str, str] = MappingProxyType({})
_ABSENT: list[Any] = [None] * len(_PLACE)
_ABSENT[_PLACE["segments"]] = _ABSENT[_PLACE["metrics"]] = _NONE
_ABSENT[_ASSUMED] = _ABSENT[_TS_ASSUMED] = False

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
    if (usd := values[_COST]) is not None:
        micro = values[_COST] = round(usd * MICRO)
        nano = round(usd * NANO) if usd < FINE_USD_MAX else micro * NANO_A_MICRO
        values[_COST_NANO] = None if nano == micro * NANO_A_MICRO else nano
    ts_ms, outcome_ts_ms = values[_TS], values[_OUTCOME_TS]
    if ts_ms is None:
        ts_ms = values[_TS] = now_ms
        values[_TS_ASSUMED] = True
    elif ts_ms > now_ms + DAY_MS:
        raise _AheadError("ts")
    if values[_OUTCOME_AT] is None:
        prediction, label = values[_PREDICTION], values[_LABEL]
        if prediction is None or label is None:
            values[_OUTCOME_TS] = values[_OUTCOME_BY] = None
            return
        values[_OUTCOME_AT] = float(prediction == label)
    if outcome_ts_ms is None:
        values[_ASSUMED] = from_file or now_ms - ts_ms > HISTORY_AFTER_MS
        values[_OUTCOME_TS] = ts_ms if values[_ASSUMED] else now_ms
    elif outcome_ts_ms > now_ms + DAY_MS:
        raise _AheadError("outcome_ts")


def _unless_meant(name: str) -> str:
    """Say how to map, keep or leave out a column that looks like a field and may be none."""
    if not name.isidentifier():
        return MAP_ADVICE
    return (
        f"If one is meant: --map FIELD={name}; to keep it beside the call: "
        f"--map segments.{name}={name}; --ignore-unknown leaves it out"
    )


def _unknown(name: object, raw: Mapping[Any, object], from_file: bool, advice: str) -> str:  # noqa: FBT001
    """The reason for an unknown field: of a file, whose columns can be mapped, about all of them at once."""
    unknown = [str(key) for key in raw if key not in FIELDS]
    near = [] if advice else difflib.get_close_matches(str(name)[:80], FIELDS, n=3)
    if near or not from_file:
        said = f"unknown field; {'nearest' if near else 'known'}: {', '.join(near or FIELDS)}"
        return f"{said}. {_unless_meant(str(name))}" if from_file else said
    if advice:
        more = len(unknown) - 1
        others = f", as {'is' if more == 1 else 'are'} {more} more" if more else ""
        return f"unknown field{others}. Perhaps: {advice}"
    others = ", ".join(plain(key, 40) for key in unknown if key != name)
    return f"unknown field{f', as are {plain(others, 40)}' if others else ''}. {MAP_ADVICE}"
