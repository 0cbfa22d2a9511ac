"""JSON with comments and trailing commas, changed at one place: all else keeps every byte.

Source: VS Code and Zed read their settings so (jsonc-parser's grammar).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Document", "with_item", "with_value", "without_item"]

DEPTH_MAX = 64
_BLANK = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ATOM = re.compile(r"[^\s,\[\]{}/\"]+")


@dataclass(frozen=True, slots=True)
class Member:
    """Where a value stands in the text, and where its object begins and its last value ends."""

    start: int
    end: int


class Document:
    """A text with its value, and where the value of each path of keys stands.

    Raises:
        ValueError: It is no JSON, comments and trailing commas allowed.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.places: dict[tuple[str, ...], Member] = {}
        at = self.skip(0)
        if at == len(text):
            self.value: object = {}
            self.is_empty = True
            return
        self.is_empty = False
        self.value, at = self._value(at, ())
        if self.skip(at) != len(text):
            raise ValueError("more than one value")

    def skip(self, at: int) -> int:
        """Where the next thing begins that is neither blank nor comment."""
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def _value(self, at: int, path: tuple[str, ...]) -> tuple[object, int]:
        if len(path) > DEPTH_MAX:
            raise ValueError("nested too deeply")
        value: object
        match self.text[at : at + 1]:
            case "{":
                value, end = self._object(at, path)
            case "[":
                value, end = self._list(at, path)
            case '"':
                value, end = self._token(_TEXT, at)
            case _:
                value, end = self._token(_ATOM, at)
        self.places[path] = Member(at, end)
        return value, end

    def _token(self, form: re.Pattern[str], at: int) -> tuple[object, int]:
        found = form.match(self.text, at)
        if found is None:
            raise ValueError("no value")
        return json.loads(found[0], strict=False), found.end()

    def _object(self, at: int, path: tuple[str, ...]) -> tuple[dict[str, object], int]:
        members: dict[str, object] = {}
        at = self.skip(at + 1)
        while self.text[at : at + 1] != "}":
            key, at = self._token(_TEXT, at)
            at = self.skip(at)
            if self.text[at : at + 1] != ":":
                raise ValueError("no colon")
            members[str(key)], at = self._value(self.skip(at + 1), (*path, str(key)))
            at = self._after(at, "}")
        return members, at + 1

    def _list(self, at: int, path: tuple[str, ...]) -> tuple[list[object], int]:
        values: list[object] = []
        at = self.skip(at + 1)
        while self.text[at : at + 1] != "]":
            value, at = self._value(at, (*path, f"[{len(values)}]"))
            values.append(value)
            at = self._after(at, "]")
        return values, at + 1

    def _after(self, at: int, closing: str) -> int:
        """Where the next part begins, or the closing bracket stands."""
        at = self.skip(at)
        if self.text[at : at + 1] == ",":
            return self.skip(at + 1)
        if self.text[at : at + 1] != closing:
            raise ValueError("no comma")
        return at


def with_value(text: str, path: Sequence[str], value: object, *, indent: str) -> str:
    """The text with a value set at a path of keys; missing objects on the way are made.

    Raises:
        ValueError: The text is no JSON, or something on the way is no object.
    """
    found = Document(text)
    if found.is_empty:
        whole: object = value
        for key in reversed(path):
            whole = {key: whole}
        return f"{text.rstrip()}\n{_written(whole, indent, 0)}\n".lstrip("\n")
    place = found.places.get(tuple(path))
    if place is not None:
        return text[: place.start] + _written(value, indent, len(path)) + text[place.end :]
    there = len(path) - 1
    while tuple(path[:there]) not in found.places:
        there -= 1
    made = value
    for key in reversed(path[there + 1 :]):
        made = {key: made}
    return _inserted(text, found, path[: there + 1], made, indent)


def with_item(text: str, path: Sequence[str], value: object, *, indent: str) -> str:
    """The text with a value added at the end of a list; a list that is not there is made.

    Raises:
        ValueError: The text is no JSON, or what the path leads to is no list.
    """
    found = Document(text)
    place = found.places.get(tuple(path))
    if place is None:
        return with_value(text, path, [value], indent=indent)
    items = _items(found, path)
    if not items:
        return with_value(text, path, [value], indent=indent)
    last = items[-1].end
    comma = "" if text[found.skip(last) :][:1] == "," else ","
    after = last if comma else found.skip(last) + 1
    depth = len(path) + 1
    item = f"\n{indent * depth}{_written(value, indent, depth)}"
    return f"{text[:last]}{comma}{text[last:after]}{item}{text[after:]}"


def without_item(text: str, path: Sequence[str], index: int) -> str:
    """The text without one item of a list, and without the comma that parted it.

    Raises:
        ValueError: The text is no JSON, or there is no such item.
    """
    found = Document(text)
    items = _items(found, path)
    if not index < len(items):
        raise ValueError("no such item")
    if len(items) == 1:
        place = found.places[tuple(path)]
        return f"{text[: place.start]}[]{text[place.end :]}"
    if index + 1 < len(items):
        return text[: items[index].start] + text[items[index + 1].start :]
    return text[: items[index - 1].end] + text[items[index].end :]


def _items(found: Document, path: Sequence[str]) -> list[Member]:
    """Where the items of a list stand.

    Raises:
        ValueError: What the path leads to is no list.
    """
    place = found.places.get(tuple(path))
    if place is None or found.text[place.start] != "[":
        raise ValueError("no list")
    items: list[Member] = []
    while (key := (*path, f"[{len(items)}]")) in found.places:
        items.append(found.places[key])
    return items


def _inserted(text: str, found: Document, path: Sequence[str], value: object, indent: str) -> str:
    """The text with a new last member in the object that the path leads into."""
    parent = tuple(path[:-1])
    inside: object = found.value
    for key in parent:
        inside = inside[key] if isinstance(inside, Mapping) else None
    if not isinstance(inside, Mapping):
        raise ValueError("no object")  # noqa: TRY004 - what the text says is wrong, not a type
    depth = len(path)
    member = f"{indent * depth}{_text(path[-1])}: {_written(value, indent, depth)}"
    place = found.places[parent]
    if not inside:
        return f"{text[: place.start]}{{\n{member}\n{indent * (depth - 1)}}}{text[place.end :]}"
    last = found.places[(*parent, list(inside)[-1])].end
    # A comment may follow the last value; a comma may too.
    comma = "" if text[found.skip(last) :][:1] == "," else ","
    close = place.end - 1
    line = text.rfind("\n", 0, close) + 1
    if line <= last:  # all in one line
        return f"{text[:last]}{comma}\n{member}\n{indent * (depth - 1)}{text[close:]}"
    return f"{text[:last]}{comma}{text[last:line]}{member}\n{text[line:]}"


def _written(value: object, indent: str, depth: int) -> str:
    lines = _text(value, indent).splitlines()
    return "\n".join([lines[0], *(indent * depth + line for line in lines[1:])])


def _text(value: object, indent: str | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # What is no Unicode text can only be written escaped.
    return text if text.isascii() or _is_unicode(text) else json.dumps(value, indent=indent)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
