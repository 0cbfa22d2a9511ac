"""A table of a TOML file, or an entry of a YAML mapping, replaced as text: all else stays."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

__all__ = ["with_table", "with_yaml_entry"]

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
    dropping = False
    for line in text.splitlines():
        if _HEADER.match(line):
            head = line.split("#")[0].strip()
            dropping = head in heads or head.startswith(inner)
        if not dropping:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    lines = [*kept, *([""] if kept else []), f"[{section}.{name}]"]
    lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    after = "\n".join(lines) + "\n"
    wanted = {**before, section: {**before.get(section, {}), name: dict(table)}}
    if tomllib.loads(after) != wanted:
        raise ValueError("the table is written in a way that cannot be changed safely")
    return after


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's texts, numbers and booleans are TOML's, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def with_yaml_entry(text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """The YAML text with an entry of a top-level mapping as given, values in YAML's flow style.

    Raises:
        ValueError: The section is not written as a block.
    """
    block = [f"  {name}:", *(f"    {k}: {json.dumps(v)}" for k, v in entry.items())]
    lines = text.splitlines()
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
    margins = {
        len(line) - len(line.lstrip()) for line in inside if line.strip()[:1] not in ("", "#")
    }
    margin = min(margins, default=2)
    kept: list[str] = []
    dropping = False
    for line in inside:
        if line.strip() and len(line) - len(line.lstrip()) <= margin:
            dropping = bool(re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*:", line))
        if not dropping:
            kept.append(line)
    shift = " " * (margin - 2) if margin > 2 else ""  # noqa: PLR2004 - the block's own margin
    return "\n".join([*lines[: head + 1], *(shift + b for b in block), *kept, *lines[end:]]) + "\n"
