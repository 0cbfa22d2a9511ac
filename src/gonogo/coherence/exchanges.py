"""An answer as it reached whoever asked: the object, the words, and the question."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

from gonogo.answers import Answer

A_co = TypeVar("A_co", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True)
class Exchange(Generic[A_co]):
    """One answer and its question.

    Attributes:
        answer: The object.
        text: The words beside it; empty where only the object went out.
        tool: Which tool, or which tool's command, was asked.
        asked: Its arguments, as far as they are known.
        exit_status: Of the command; None where no command answered.
        wire: The object as it was received; None where it never left the process.
    """

    answer: A_co
    text: str = ""
    tool: str = ""
    asked: Mapping[str, object] = field(default_factory=dict)
    exit_status: int | None = None
    wire: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The words in their parts: lines that say something, the cells of tables, offered calls."""

    lines: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    calls: tuple[str, ...]


def text_of(said: Exchange[Answer]) -> Text:
    """Take the words apart; where only an object went out, its summary is all of them."""
    if not said.text:
        return Text((said.answer.summary,), (), ())
    lines: list[str] = []
    rows: list[tuple[str, ...]] = []
    calls: list[str] = []
    in_table = False
    body = said.text.splitlines()[:-1]  # the last line says when it was asked
    for line, following in pairwise([*body, ""]):
        if line.startswith("next: "):
            calls.append(line)
        elif _NAME.fullmatch(line) and _HEADER.fullmatch(following):
            in_table = True
        elif in_table:
            rows += [tuple(row) for row in csv.reader([line])]
        else:
            lines.append(line)
    return Text(tuple(lines), tuple(rows), tuple(calls))


_NAME = re.compile(r"[a-z_]+:")
_HEADER = re.compile(r"[a-z_0-9]+(?:,[a-z_0-9]+)+")


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every plain value inside a told object, with the way to it, as in "change.interval95[0]"."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from leaves(part, f"{path}[{place}]")
    else:
        yield path, value


def pairs(value: object, path: str = "") -> Iterator[tuple[str, tuple[float, float]]]:
    """Every interval inside a told object, with the way to it."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            whole = f"{path}.{name}" if path else str(name)
            if "interval" in str(name) and isinstance(part, list | tuple):
                low, high = part
                yield whole, (float(low), float(high))
            else:
                yield from pairs(part, whole)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from pairs(part, f"{path}[{place}]")
