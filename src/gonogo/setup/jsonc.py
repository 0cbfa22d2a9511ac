"""JSON with comments and trailing commas, changed at one place: all else keeps every byte.

Source: VS Code and Zed read their settings so (jsonc-parser's grammar).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEPTH_MAX = 64
_BLANK = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ATOM = re.compile(r"[^\s,\[\]{}/\"]+")


@dataclass(frozen=True, slots=True)
class Member:
    """The position of a value in the text, of the start of its object and of the end of its last value."""

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
        """Find the next position that is neither blank nor comment."""
        found = _BLANK.match(self.text, at)
        return found.end() if found else at

    def at(self, path: Sequence[str]) -> object:
        """The value at a path of keys; None where something on the way is no object."""
        value = self.value
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

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
        """Find where the next part begins, or the closing bracket stands."""
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
        before = found.at(path)
        if (
            isinstance(before, Mapping)
            and isinstance(value, Mapping)
            and before.keys() <= value.keys()
        ):
            # Key by key: comments among those that stay are a person's.
            for key, inner in value.items():
                if key not in before or before[key] != inner:
                    text = with_value(text, (*path, key), inner, indent=indent)
            return text
        return text[: place.start] + _written(value, indent, len(path)) + text[place.end :]
    there = len(path) - 1
    while tuple(path[:there]) not in found.places:
        there -= 1
    made = value
    for key in reversed(path[there + 1 :]):
        made = {key: made}
    return _inserted(found, path[: there + 1], made, indent)


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
    depth = len(path) + 1
    last = items[-1].end if items else None
    return _appended(found, place, last, _written(value, indent, depth), indent, depth)


def without_item(text: str, path: Sequence[str], index: int) -> str:
    """The text without one item of a list, and without the comma that parted it.

    Raises:
        ValueError: The text is no JSON, or there is no such item.
    """
    found = Document(text)
    items = _items(found, path)
    if not index < len(items):
        raise ValueError("no such item")
    start, end = items[index].start, items[index].end
    comma = found.skip(end)
    if text[comma : comma + 1] == ",":
        end = comma + 1
    elif index:
        # Strict JSON knows no comma after the last.
        comma = found.skip(items[index - 1].end)
        text = text[:comma] + text[comma + 1 :]
        start, end = start - 1, end - 1
    before, after = text[:start].rstrip(" \t"), text[end:].lstrip(" \t")
    alone = before.endswith("\n") and after.startswith("\n")
    return before.removesuffix("\n") + after if alone else text[:start] + after


def _items(found: Document, path: Sequence[str]) -> list[Member]:
    """The positions of the items of a list.

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


def _inserted(found: Document, path: Sequence[str], value: object, indent: str) -> str:
    """The text with a new last member in the object that the path leads into."""
    parent = tuple(path[:-1])
    inside = found.at(parent)
    if not isinstance(inside, Mapping):
        raise ValueError("no object")  # noqa: TRY004 - what the text says is wrong, not a type
    depth = len(path)
    member = f"{_text(path[-1])}: {_written(value, indent, depth)}"
    last = found.places[(*parent, list(inside)[-1])].end if inside else None
    return _appended(found, found.places[parent], last, member, indent, depth)


def _appended(
    found: Document, place: Member, last: int | None, part: str, indent: str, depth: int
) -> str:
    """The text with a last part in an object or list; comments that stand there stay.

    Args:
        found: The text.
        place: Where the object or list stands.
        last: Where its last value ends; None where it is empty.
        part: What is added.
        indent: Of each level.
        depth: Levels above the part.
    """
    text, close = found.text, place.end - 1
    comma = "" if last is None or text[found.skip(last) :][:1] == "," else ","
    end = place.start + 1 if last is None else last
    line = text.rfind("\n", end, close) + 1
    if line:  # the bracket closes on a line of its own
        return f"{text[:end]}{comma}{text[end:line]}{indent * depth}{part}\n{text[line:]}"
    between = f"{comma}{text[end:close]}".rstrip()
    return f"{text[:end]}{between}\n{indent * depth}{part}\n{indent * (depth - 1)}{text[close:]}"


def _written(value: object, indent: str, depth: int) -> str:
    lines = _text(value, indent).split("\n")
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
