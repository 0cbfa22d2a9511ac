"""A table of a TOML file, or an entry of a YAML mapping, replaced as text: all else stays."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time

__all__ = ["toml_value", "with_table", "with_yaml_entry", "yaml_entry"]

# Of a block in YAML: a key, or one in quotes, or an item of a list.
_ENTRY = re.compile(r"[^\s\-\[{][^:]*:(\s|$)|[\"']|-\s")

_HEADER = re.compile(r"\s*\[")


def with_table(text: str, section: str, name: str, table: Mapping[str, object]) -> str:
    """The TOML text with `[section.name]` as given.

    Raises:
        ValueError: It is no TOML, or the table cannot be told from its text.
    """
    before = tomllib.loads(text)
    heads = {f"[{section}.{name}]", f'[{section}."{name}"]'}
    inner = tuple(head[:-1] + "." for head in heads)
    kept: list[str] = []
    aside: list[str] = []
    dropping, at = False, None
    for line in text.split("\n"):
        if _HEADER.match(line):
            head = line.split("#")[0].strip()
            dropping = head in heads or head.startswith(inner)
            if dropping and at is None:
                at = len(kept)
            kept, aside = [*kept, *aside], []
        if not dropping:
            kept.append(line)
        # What is said before the next table is about that one.
        elif line.strip()[:1] in ("", "#"):
            aside.append(line)
        else:
            aside = []
    kept += aside
    lines = [
        f"[{section}.{name}]",
        *(f"{key} = {toml_value(value)}" for key, value in table.items()),
    ]
    if at is None:
        while kept and not kept[-1].strip():
            kept.pop()
        after = "\n".join([*kept, *([""] if kept else []), *lines]) + "\n"
    else:
        after = "\n".join([*kept[:at], *lines, *(kept[at:] or [""])])
    wanted = {**before, section: {**before.get(section, {}), name: dict(table)}}
    if tomllib.loads(after) != wanted:
        raise ValueError("the table is written in a way that cannot be changed safely")
    return after


def toml_value(value: object) -> str:
    """A value in TOML, in one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, date | time):
        return value.isoformat()
    # JSON's texts, numbers and booleans are TOML's, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def with_yaml_entry(text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """The YAML text with an entry of a top-level mapping as given, values in YAML's flow style.

    Raises:
        ValueError: The text is no mapping, or the section is not written as a block of one.
    """
    block = [f"  {name}:", *(f"    {k}: {json.dumps(v)}" for k, v in entry.items())]
    lines = text.removesuffix("\n").split("\n") if text else []
    _check_mapping(text.lstrip("\ufeff").removeprefix("---\n").split("\n"))
    heads = [i for i, line in enumerate(lines) if re.match(rf"{re.escape(section)}\s*:", line)]
    if not heads:
        return "\n".join([*lines, f"{section}:", *block]) + "\n"
    [head] = heads if len(heads) == 1 else [-1]
    if head < 0 or not re.fullmatch(
        rf"{re.escape(section)}\s*:\s*(\{{\s*\}})?\s*(#.*)?", lines[head]
    ):
        raise ValueError("the section cannot be changed safely")
    lines[head] = f"{section}:"
    end = head + 1
    while end < len(lines) and (not lines[end].strip() or lines[end][:1] in " #"):
        end += 1
    inside = lines[head + 1 : end]
    # A list may stand as far left as the section that it is of.
    _check_mapping([*inside, *(line for line in lines[end : end + 1] if line[:1] == "-")])
    margin = min((_margin(line) for line in _content(inside)), default=2)
    kept: list[str] = []
    dropping = False
    for line in inside:
        if line.strip() and _margin(line) <= margin:
            dropping = bool(re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*:", line))
        if not dropping:
            kept.append(line)
    shift = " " * (margin - 2) if margin > 2 else ""  # noqa: PLR2004 - the block's own margin
    return "\n".join([*lines[: head + 1], *(shift + b for b in block), *kept, *lines[end:]]) + "\n"


def yaml_entry(text: str, section: str, name: str) -> dict[str, object] | None:
    """An entry of a top-level mapping; None where there is none.

    Reads what `with_yaml_entry` writes, and the block style that a client writes back: texts, numbers, and lists and
    mappings of them.

    Raises:
        ValueError: The entry is written in another way.
    """
    lines = [line for line in text.split("\n") if line.strip()[:1] not in ("", "#")]
    value = ""
    for key in (section, name):
        margin = _margin(lines[0]) if lines else 0
        at = next(
            (i for i, line in enumerate(lines) if _key_of(line) == key and _margin(line) == margin),
            None,
        )
        if at is None:
            return None
        ends = (i for i, line in enumerate(lines[at + 1 :], at + 1) if _margin(line) <= margin)
        value = lines[at].partition(":")[2].partition(" #")[0].strip()
        lines = lines[at + 1 : next(ends, len(lines))]
    if value:
        raise ValueError("the entry is no block")
    entry: dict[str, object] = {}
    key = ""
    for line in lines:
        item = line.strip()
        if item.startswith("- "):
            listed = entry.get(key) or []
            if not isinstance(listed, list):
                raise ValueError("a value is written in two ways")
            entry[key] = [*listed, _scalar(item[2:].strip())]
        elif _margin(line) == _margin(lines[0]):
            key, _, value = (part.strip() for part in item.partition(":"))
            entry[key] = _scalar(value) if value else None
        else:
            inner, _, value = (part.strip() for part in item.partition(":"))
            mapped = entry.get(key) or {}
            if not isinstance(mapped, dict):
                raise ValueError("a value is written in two ways")
            entry[key] = {**mapped, inner: _scalar(value)}
    return entry


def _check_mapping(block: Sequence[str]) -> None:
    content = _content(block)
    margin = min(map(_margin, content), default=0)
    entries = [line.strip() for line in content if _margin(line) == margin]
    # A list stands as far left as its key, and never before the first one.
    if not all(map(_ENTRY.match, entries)) or any(line[0] == "-" for line in entries[:1]):
        raise ValueError("this is no mapping")


def _content(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()[:1] not in ("", "#")]


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def _key_of(line: str) -> str:
    return line.strip().partition(":")[0].strip().strip("\"'")


def _scalar(value: str) -> object:
    if value[:1] == "'" and value[-1:] == "'":
        return value[1:-1].replace("''", "'")
    if value[:1] != '"':
        value = value.partition(" #")[0].rstrip()
    if value.lower() in ("true", "false", "null", "~"):
        return json.loads(value.lower().replace("~", "null"))
    try:
        return json.loads(value)
    except ValueError:
        # Anchors, tags, folded texts and flow lists without quotes.
        if value[:1] in tuple('[{&*!|>%@`"'):
            raise
        return value
