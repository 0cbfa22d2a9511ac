"""Logs in logfmt, a record of `key=value` a line, as Go's and Heroku's programs write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gonogo.ingest.mapping import typed_texts
from gonogo.ingest.numbered_lines import LineText, Row
from gonogo.records import Rejection

_PAIR = re.compile(r'([\w.@/-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ESCAPED = re.compile(r"\\(.)")
_LETTERS = {"n": "\n", "t": "\t"}
# A sentence may hold one pair, and a query of a web address several without blanks.
_PAIRS_MIN = 3


def is_logfmt(line: str) -> bool:
    """Whether a line is such a record, and nothing else."""
    rest, n = _PAIR.subn("", line)
    return n >= _PAIRS_MIN and not rest.strip()


def read_logfmt(
    lines: Iterable[tuple[int, bytes | str]], text: LineText
) -> Iterator[Row | Rejection]:
    """Read one record a line; a key of a field has its type, all else stays text."""
    for number, line in lines:
        if isinstance(line, str):
            yield Rejection(number, "line", line)
        elif content := line.strip():
            told = text.of(content)
            pairs = {key: _unquoted(value) for key, value in _PAIR.findall(told)}
            if pairs and not _PAIR.sub("", told).strip():
                yield number, typed_texts({k: v for k, v in pairs.items() if v}), content
            else:
                yield Rejection(number, "line", "is no line of key=value pairs")


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPED.sub(lambda found: _LETTERS.get(found[1], found[1]), value[1:-1])
