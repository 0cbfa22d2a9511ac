"""Arguments as clients send them: optional ones filled in, numbers as text, one name for a list.

A client in strict mode fills every argument, with null or "" where its model has nothing to say;
others send `"40"` for 40. What is exact is taken for what it says, and what is empty for absent;
anything else stays as it is, to be refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gonogo.border.foreign import foreign_json
from gonogo.ingest.cell_words import Form, typed_cell
from gonogo.ingest.observation import FIELDS

# JSON's own way to write a number: not " 5", "1_000", "0x1F", "nan".
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,30})?([eE][+-]?\d{1,3})?", re.ASCII)
_TRUTH = {"true": True, "false": False}
_WORDS_OF_ENTRIES: tuple[Form, ...] = ("texts", "numbers")


def is_absent(value: object) -> bool:
    """Whether a value of an optional argument says nothing: null, or text that is blank."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_meant(given: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call in the types that the tool is listed with.

    Args:
        given: The arguments as they were sent.
        schema: The tool's input schema as it is listed.

    Returns:
        Without optional arguments that are empty; what cannot be taken exactly is left as it is.
    """
    properties, required = schema["properties"], schema["required"]
    return {
        name: _exact(value, properties[name]) if name in properties else value
        for name, value in given.items()
        if name not in properties or name in required or not is_absent(value)
    }


def _exact(value: Any, wanted: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    match wanted["type"], value:
        case (("integer" | "number"), str()) if _NUMBER.fullmatch(value.strip()):
            number = float(value)
            return int(value) if value.strip().lstrip("-").isdecimal() else number
        case "boolean", str() if value.strip().lower() in _TRUTH:
            return _TRUTH[value.strip().lower()]
        case "array", list():
            return _entries_meant(value, of_names=wanted["items"]["type"] == "string")
        case "array", str():
            return _listed(value)
        case "array", dict():
            return [value]
        case _:
            return value


def _entries_meant(entries: list[Any], *, of_names: bool) -> list[Any]:
    """An empty name says nothing; an observation that is refused keeps its place."""
    if of_names:
        return [entry for entry in entries if not is_absent(entry)]
    return [_object(entry) if isinstance(entry, str) else entry for entry in entries]


def _object(text: str) -> object:
    """An entry that came as the JSON of an object, or the text as it is."""
    try:
        read = foreign_json(text)
    except ValueError:
        return text
    return read if isinstance(read, dict) else text


def _listed(text: str) -> list[Any]:
    """A list that came as text: as JSON, or one name alone."""
    try:
        read = foreign_json(text)
    except ValueError:
        return [text]
    if isinstance(read, list):
        return read
    return [read] if isinstance(read, dict) else [text]


def observations_meant(items: Sequence[object]) -> list[object]:
    """Observations without the fields that are empty, numbers in text read as numbers."""
    return [_observation(item) if isinstance(item, dict) else item for item in items]


def _observation(item: dict[str, object]) -> dict[str, object]:
    return {
        name: _field(value, FIELDS[name].form) if name in FIELDS else value
        for name, value in item.items()
        if not _says_nothing(name, value)
    }


def _says_nothing(name: str, value: object) -> bool:
    known = FIELDS.get(name)
    return known is not None and (is_absent(value) or (known.form == "list" and value in ([], ())))


def _field(value: object, form: Form) -> object:
    if isinstance(value, str) and form != "text":
        if form in _WORDS_OF_ENTRIES and not value.lstrip().startswith("{"):
            return _entries(dict(_pairs(value)), form) if "=" in value else value
        value = typed_cell(form, value)
    if form in _WORDS_OF_ENTRIES and isinstance(value, dict):
        return _entries(value, form)
    return value


def _pairs(text: str) -> list[tuple[str, str]]:
    """Entries written as `tier=new,region=eu`, the way a slice is named."""
    return [
        (key.strip(), entry.strip())
        for key, _, entry in (part.partition("=") for part in text.split(","))
    ]


def _entries(entries: Mapping[str, object], form: Form) -> dict[str, object]:
    inner: Form = "text" if form == "texts" else "number"
    return {
        key: typed_cell(inner, entry) if isinstance(entry, str) else entry
        for key, entry in entries.items()
        if not is_absent(entry)
    }
