"""JSON Lines, strictly: what JSON forbids and what two readers would read differently is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from gonogo.border.foreign import DEPTH_MAX, depth_within
from gonogo.errors import plain
from gonogo.ingest.numbered_lines import LineText, Row
from gonogo.records import Rejection


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"has the key '{plain(key, 60)}' twice")
        seen.add(key)
    return values


def nan_is_nothing(text: str) -> float | None:
    """None for NaN, which Python's programs write for what is not there; else the infinity."""
    return None if text == "NaN" else float(text)


def _no_infinity(text: str) -> None:
    if nan_is_nothing(text) is not None:
        raise ValueError(f"has {text}, which is no JSON number")


_BACKSLASH = ord("\\")
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_infinity)


def strict_json(text: str) -> object:
    """Decode JSON without blanks around it; NaN is null, a duplicate key or Infinity is refused.

    Raises:
        ValueError: the text is not strict JSON; its message is one short line without content.
    """
    try:
        # `decode` spends a sixth of its time on looking for blanks.
        value, end = _DECODER.raw_decode(text)
        value = value if end == len(text) else _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    # There are no more levels than brackets that open one.
    if text.count("[") + text.count("{") > DEPTH_MAX and not depth_within(value, DEPTH_MAX):
        raise ValueError("is nested too deeply")
    return value


def _plain_object(content: bytes, from_json: Callable[..., object]) -> object:
    """An object of which it is sure that no key is there twice; None for all else.

    pydantic's parser takes a third of the time, and keeps the last of two equal keys. So its colons
    are counted: one for each key that was written, and those in texts, none of which is escaped.
    """
    if _BACKSLASH in content:
        return None
    try:
        value = from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return None
    if type(value) is not dict:
        return None
    colons = content.count(b":") - len(value)
    for name in ("segments", "metrics"):
        entries = value.get(name)
        if type(entries) is dict:
            colons -= len(entries)
    if colons:
        colons -= sum(entry.count(":") for entry in value.values() if type(entry) is str)
    return value if colons == 0 else None


def read_jsonl(
    lines: Iterable[tuple[int, bytes | str]], text: LineText
) -> Iterator[Row | Rejection]:
    """Read one value a line; empty lines are passed over."""
    # Once and not a line: an import that is done already still takes a quarter of the parsing.
    from pydantic_core import from_json

    for number, line in lines:
        if isinstance(line, str):
            yield Rejection(number, "line", line)
            continue
        content = line.strip()
        if not content:
            continue
        value = _plain_object(content, from_json)
        if value is not None:
            yield number, value, content
            continue
        try:
            yield number, strict_json(text.of(content)), content
        except ValueError as error:
            yield Rejection(number, "line", plain(str(error), 300))
