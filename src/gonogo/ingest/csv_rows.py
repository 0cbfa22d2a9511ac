"""CSV with a header. Every cell is text here; `mapping` gives it the type of its field."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from gonogo.errors import DataError, plain
from gonogo.ingest.column_names import recognised
from gonogo.ingest.numbered_lines import LINE_BYTES_MAX, LineText, Row
from gonogo.records import Rejection

_STATED = re.compile(rb'"?sep=([,;|\t])"?', re.IGNORECASE)
# Where it is not UTF-8: in Western countries, and in others.
_SPREADSHEETS_WRITE = ["cp1252", "cp1250", "cp1251", "gb18030", "cp932", "cp949", "cp1256"]
# A report's title stands alone in a line that is as wide as the table below it.
_CELLS_OF_A_TITLE = 2


class _BadLineError(Exception):
    """A physical line that cannot be part of a record."""


class _LineSource:
    """Physical lines as text, remembered until the record that they make up is whole."""

    def __init__(self, lines: Iterator[tuple[int, bytes | str]], text: LineText) -> None:
        self._lines, self._text = lines, text
        self.encoding = _SPREADSHEETS_WRITE[0]
        self._again: deque[tuple[int, bytes | str]] = deque()
        self.taken: list[tuple[int, bytes | str]] = []
        self._bytes = 0

    def __iter__(self) -> _LineSource:
        return self

    def __next__(self) -> str:
        number, line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append((number, line))
        if isinstance(line, str):
            raise _BadLineError(line)
        self._bytes += len(line)
        if self._bytes > LINE_BYTES_MAX:
            raise _BadLineError("is a record of over 1 MiB; is a quote left open?")
        return self._text.of(line, self.encoding)

    def begin(self) -> None:
        """Forget the record that was read."""
        self.taken.clear()
        self._bytes = 0

    def give_back(self) -> None:
        """Read all but the first line of a bad record again: an open quote costs one line."""
        self._again.extendleft(reversed(self.taken[1:]))

    def content(self) -> bytes:
        """The record's bytes as they stood."""
        return b"".join(line for _, line in self.taken if isinstance(line, bytes)).strip()


class Table(NamedTuple):
    """A CSV file: its columns, the records that follow, and how its numbers are written."""

    header: list[str]
    rows: Iterator[Row | Rejection]
    decimal_comma: bool


def _stated_delimiter(first: bytes) -> str:
    """The delimiter that a first line names, as Excel writes it; "" where it is a header."""
    stated = _STATED.fullmatch(first.strip(b"\r\n"))
    return stated[1].decode() if stated else ""


def _delimiter_of(first: bytes) -> str:
    """A comma, or what spreadsheets write instead where no comma stands in the header."""
    if b"," not in first:
        for other in (";", "\t", "|"):
            if other.encode() in first:
                return other
    return ";" if first.count(b";") > first.count(b",") else ","


def _encoding_of(header: bytes, delimiter: str) -> str:
    """The encoding of what is not UTF-8: the one in which most columns have names that are known."""

    def known(encoding: str) -> int:
        return recognised(dict.fromkeys(header.decode(encoding, "replace").split(delimiter), ""))

    return max(_SPREADSHEETS_WRITE, key=known)


def read_csv(lines: Iterator[tuple[int, bytes | str]], path: str, text: LineText) -> Table:
    """The header's names, and the records that follow; an empty cell is absent.

    A file whose columns stand apart by semicolons is of a place that writes decimal commas. A column may
    stand twice, as pandas writes an index that is a column, too; a row where the two differ is refused.

    Raises:
        DataError: there is no header that could be read.
    """
    first = next(lines, None)
    content = first[1] if first is not None and isinstance(first[1], bytes) else b""
    if delimiter := _stated_delimiter(content):
        first = None
    delimiter = delimiter or _delimiter_of(content)
    feed = _LineSource(lines if first is None else chain([first], lines), text)
    if not content.isascii():
        feed.encoding = _encoding_of(content, delimiter)
    try:
        reader = csv.reader(feed, strict=True, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
    except (csv.Error, _BadLineError) as error:
        at = feed.taken[0][0] if feed.taken else 1
        raise DataError(f"'{plain(path, 200)}' has no CSV header: line {at} {error}.") from None
    if len(header) > _CELLS_OF_A_TITLE and not any(header[1:]):
        raise DataError(
            f"'{plain(path, 150)}' begins with a title: line 1 has one cell of {len(header)}. Remove the lines above "
            "the header."
        )
    # Spreadsheets end a table with columns that have neither a name nor a cell.
    while header and not header[-1]:
        header.pop()
    return Table(list(dict.fromkeys(header)), _records(feed, header, delimiter), delimiter == ";")


def _records(feed: _LineSource, header: list[str], delimiter: str) -> Iterator[Row | Rejection]:
    reader = csv.reader(feed, strict=True, delimiter=delimiter)
    names_twice = len(set(header)) < len(header)
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _BadLineError) as error:
            # csv.Error tells of the form alone; a content is never part of it.
            yield Rejection(feed.taken[0][0], "line", plain(str(error), 300))
            feed.give_back()
            reader = csv.reader(feed, strict=True, delimiter=delimiter)
            continue
        number = feed.taken[0][0]
        if len(cells) > len(header) and not any(cells[len(header) :]):
            del cells[len(header) :]
        if not any(cells) or cells == header:
            continue  # no cell is filled, or files were joined with their headers
        if len(cells) != len(header):
            yield Rejection(number, "line", f"has {len(cells)} cells, the header {len(header)}")
            continue
        values = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
        differing = _differing(header, cells, values) if names_twice else None
        if differing is None:
            yield number, values, feed.content()
        else:
            yield Rejection(
                number, "line", f"has two values in the columns '{plain(differing, 60)}'"
            )


def _differing(header: list[str], cells: list[str], values: dict[str, str]) -> str | None:
    """The first column that stands twice with two values."""
    for name, cell in zip(header, cells, strict=True):
        if cell and values[name] != cell:
            return name
    return None
