"""The format of a file, its records as rows of fields, and three lines on how they were understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import chain, islice
from pathlib import Path
from shlex import quote
from typing import cast

from gonogo.answers import rfc3339
from gonogo.errors import DataError, plain
from gonogo.ingest.column_names import recognised, suggestion
from gonogo.ingest.containers import Contents, content_of, contents_of
from gonogo.ingest.formats import format_of, named_format
from gonogo.ingest.formats.foreign_format import File, ForeignFormat, foreign_rows
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.numbered_lines import STDIN, LineText, Row, Source
from gonogo.ingest.observation import FIELDS
from gonogo.ingest.times import is_day_first
from gonogo.records import DAY_MS, Observation, Rejection
from gonogo.text.forms import counted, number

SHOWN = 3
_QUANTITIES = ("latency_ms", "cost_usd", "output_tokens", "input_tokens", "confidence")
COLUMNS_SHOWN, COLUMNS_MAX = 8, 1_000
# Records of each batch that are looked at for the fields that they have.
LOOKED_AT = 100
_MADE_ID = re.compile(r"[0-9a-f]{32}(-\d+)?")
STALE_MS = 7 * DAY_MS
# A baseline is learned over three days: of less no drift can be told, but two versions can be compared.
BASELINE_MS = 3 * DAY_MS

CELLS = "cells"
# Every row of a table of hour cells says of which version of the table it is.
_MARK = "cell_version"
# Broken lines that may stand before the first record.
LOOKED_AT_MAX = 1_000
_TITLES = {"jsonl": "JSON lines", "json": "JSON", "csv": "CSV", "eval": "JSON"}


def _has(observation: Observation, name: str) -> bool:
    """Whether a record said a field by itself."""
    if name == "id" and _MADE_ID.fullmatch(observation.id or ""):
        return False
    if name == "ts":
        return not observation.ts_assumed
    if name == "outcome_ts" and observation.outcome_ts_assumed:
        return False
    return getattr(observation, FIELDS[name].attribute) not in (None, {})


def _quoted(name: str) -> str:
    return (
        name if name.replace("-", "").replace(".", "").replace("_", "").isalnum() else f"'{name}'"
    )


class Understanding:
    """Counts what a file holds while it is read.

    Args:
        title: What its records are written as.
        file: The file, with what its format left out.
        text: Its lines as text, with how many were no UTF-8.
        understood: What became of its columns; None where they are fields, which are named as found.
        without_unit: The column that is taken for milliseconds though nothing says so.
    """

    def __init__(
        self,
        title: str,
        file: File,
        text: LineText,
        understood: str | None = None,
        *,
        without_unit: str | None = None,
    ) -> None:
        self._title, self._file, self._text, self._understood = title, file, text, understood
        self._name = "stdin" if file.path == STDIN else plain(Path(file.path).name, 80)
        self._without_unit = without_unit
        self._latencies: list[float] = []
        self._fields: set[str] = set()
        self._dependencies: Counter[str] = Counter()
        self._versions: dict[str, dict[str, None]] = {}
        self._times: list[int] = []
        self.outcomes = self.errors = 0
        self._metrics: list[str] = []
        self._columns: set[str] = set()
        self._filled: set[str] = set()
        self._weights: dict[str, tuple[float, float]] = {}

    def note(self, observations: Sequence[Observation]) -> None:
        """Take a batch in."""
        self._dependencies.update([one.dependency for one in observations])
        for one in observations:
            if one.version is not None:
                self._versions.setdefault(one.dependency, {})[one.version] = None
        times = [one.ts_ms for one in observations if not one.ts_assumed] + self._times
        self._times = [min(times), max(times)] if times else []
        self.outcomes += sum(one.outcome is not None for one in observations)
        self.errors += sum(one.error is not None for one in observations)
        for name, weight in {(one.dependency, one.weight or 1.0) for one in observations}:
            low, high = self._weights.get(name, (weight, weight))
            self._weights[name] = min(low, weight), max(high, weight)
        if self._without_unit is not None and not self._latencies:
            some = observations[:LOOKED_AT]
            self._latencies = sorted(o.latency_ms for o in some if o.latency_ms is not None)
        for one in [] if self._metrics else observations[:LOOKED_AT]:
            self._metrics = [name for name in _QUANTITIES if _has(one, name)]
            self._metrics += [f"metrics.{name}" for name in one.metrics]
            if self._metrics:
                break
        if self._understood is None:
            for one in observations[:LOOKED_AT]:
                self._fields.update(name for name in FIELDS if _has(one, name))

    def leave_out(self, columns: set[str], filled: set[str]) -> None:
        """Take in the columns of a record that became nothing, and what has a value."""
        if not columns <= self._columns and len(self._columns) < COLUMNS_MAX:
            self._columns |= columns
        self._filled |= filled

    def lines(self, now_ms: int, read: dict[str, dict[str, None]]) -> list[str]:
        """The three lines.

        Args:
            now_ms: The time, epoch milliseconds.
            read: Versions by dependency of the files before, in their order; this one's are added.
        """
        for name, versions in self._versions.items():
            read.setdefault(name, {}).update(versions)
        if not self._dependencies:
            return [f"{self._name}: {self._title}; nothing of it was taken.", *self._left_out()]
        others = len(self._dependencies) - 1
        rest = f", and gonogo list for the other{'s' if others > 1 else ''}" if others else ""
        return [self._what(), self._became(), self._next(now_ms, read) + rest]

    def _what(self) -> str:
        calls = sum(self._dependencies.values())
        named = [
            f"{plain(name, 60)} ({number(n)})" for name, n in self._dependencies.most_common(SHOWN)
        ]
        if len(self._dependencies) > SHOWN:
            named.append(f"{len(self._dependencies) - SHOWN} more")
        told = f"{self._name}: {self._title}; {counted(calls, 'record')} of "
        told += ", ".join(named) or "nothing"
        if self._versions:
            told += f"; {counted(sum(map(len, self._versions.values())), 'version')}"
        if self._times:
            first, last = (rfc3339(ts_ms // 1000 * 1000) for ts_ms in self._times)
            told += f"; {first}" if first == last else f"; {first} to {last}"
        else:
            told += "; without times, so dated now"
        return f"{told}; {counted(self.outcomes, 'outcome')}, {counted(self.errors, 'error')}."

    def _became(self) -> str:
        counts = {"outcome": self.outcomes, "error": self.errors}
        seen = self._fields | {name for name, n in counts.items() if n}
        fields = [name for name in FIELDS if name in seen]
        told = f"Understood as {self._understood or 'fields: ' + ', '.join(fields)}."
        told += self._unit()
        if others := self._text.others:
            are = "line is" if others == 1 else "lines are"
            told += f" {number(others)} {are} not UTF-8 text: look at names with accents."
        differing = [name for name, (low, high) in self._weights.items() if low < high]
        if differing:
            told += (
                f" Weights of {plain(differing[0], 60)} differ: its rates are of a sample in which all calls "
                "have one chance, its money is of all."
            )
        return " ".join([told, *self._left_out()])

    def _unit(self) -> str:
        """The unit that a latency was taken in, where its column names none."""
        if not self._latencies or self._without_unit is None:
            return ""
        column, usual = plain(self._without_unit, 60), self._latencies[len(self._latencies) // 2]
        return (
            f" '{column}' states no unit and is taken for milliseconds, as {usual:.3g} ms; if it is in seconds, "
            f"take it back (gonogo forget) and say --map {quote(f'latency_ms={column}*1000')}."
        )

    def _left_out(self) -> list[str]:
        left = [f"{what} ({number(n)})" for what, n in sorted(self._file.left_out.items())]
        if self._columns:
            names = sorted(self._columns)
            named = ", ".join(f"'{plain(name, 40)}'" for name in names[:COLUMNS_SHOWN])
            more = len(names) - COLUMNS_SHOWN
            word = "column" if len(names) == 1 else "columns"
            left.append(f"{word} {named}" + (f" and {more} more" if more > 0 else ""))
        told = [f"Left out: {'; '.join(left)}."] if left else []
        could = suggestion(sorted(self._columns), {"dependency", *self._filled})
        could = could.removesuffix("--ignore-unknown").strip()
        return [*told, f"Perhaps wanted: {plain(could, 300)}"] if could else told

    def _next(self, now_ms: int, read: dict[str, dict[str, None]]) -> str:
        name = self._dependencies.most_common(1)[0][0]
        quoted = _quoted(name)
        is_old = bool(self._times) and self._times[1] < now_ms - STALE_MS
        check = f"gonogo check drift {quoted}"
        if not self.outcomes and not self.errors and self._metrics:
            check += f" --metric {_quoted(self._metrics[0])}"
        elif not self.outcomes:
            # Trust is of now: of what is old it cannot be asked.
            check = f"{check} --metric error" if is_old else f"gonogo check trust {quoted}"
        first, last = self._times or (now_ms, now_ms)
        if self.outcomes and last - first < BASELINE_MS:
            versions = list(read.get(name, ()))
            if len(versions) > 1:
                old, new = _quoted(versions[0]), _quoted(versions[-1])
                return f"Next: {check} --baseline-version {old} --version {new}"
            if last >= now_ms - STALE_MS:
                return (
                    f"Next: gonogo check trust {quoted}, and {check} once there are some days of it"
                )
        if is_old:
            # Of what is that old no verdict about now is given; one as of its last day is.
            check += f" --until {rfc3339(self._times[1])[:10]}"
        return f"Next: {check}"


_TITLES |= {"parquet": "Parquet", "arrow": "Arrow"}


@dataclass(frozen=True, slots=True)
class OpenedRows:
    """The records of a source as rows of fields, and what is to be understood of them."""

    rows: Iterator[Row | Rejection]
    mapping: ColumnMap
    understanding: Understanding | None
    is_foreign: bool = False
    is_cells: bool = False


def opened_rows(
    source: Source, mapping: ColumnMap, stated: str | None, zone: tzinfo | None = None
) -> OpenedRows:
    """The rows of a source of a stated format, and the mapping for them; `zone`: of times that state none.

    Raises:
        DataError: a header does not fit, or the file is not of the format that was stated.
        ParameterError: an extra is missing.
    """
    contents = contents_of(source, stated)
    head: list[Row | Rejection] = []
    first: object = None
    for row in contents.records:
        head.append(row)
        if not isinstance(row, Rejection):
            first = row[1]
            break
        if len(head) == LOOKED_AT_MAX:
            break
    rows: Iterator[Row | Rejection] = chain(head, contents.records)
    if stated == CELLS or (stated is None and isinstance(first, Mapping) and _MARK in first):
        return OpenedRows(rows, mapping, None, is_cells=True)
    found = _format(source, mapping, stated, first)
    if found is None and contents.container != "csv" and (key := _list_of_rows(first)) is not None:
        rows = _entries(rows, key)
        first = cast("Mapping[str, list[object]]", first)[key][0]
        found = _format(source, mapping, stated, first)
    if found is not None:
        file = File(source.path)
        understanding = Understanding(found.title, file, source.text, found.understood)
        return OpenedRows(foreign_rows(rows, found, file), mapping, understanding, is_foreign=True)
    record = first if isinstance(first, Mapping) else {}
    if contents.header:
        mapping, rows = _table(source, contents, rows, mapping, record, has_zone=zone is not None)
    own = Understanding(
        _TITLES[contents.container],
        File(source.path),
        source.text,
        without_unit=mapping.latency_without_unit(record),
    )
    if mapping.ignore_unknown:
        rows = _seen_by(own, rows, mapping)
    return OpenedRows(rows, mapping, own)


def _list_of_rows(first: object) -> str | None:
    """The key under which a document, as a page of an API's answer, holds its records.

    Lists of objects stand in records too, such as a call's messages: what holds more of an observation
    than its own entries do is one.
    """
    if not isinstance(first, Mapping):
        return None
    own = recognised(first) + len(first.keys() & FIELDS.keys())
    listed = {
        key: recognised(value[0])
        for key, value in first.items()
        if isinstance(value, list) and value and isinstance(value[0], Mapping)
    }
    key = max(listed, key=lambda key: listed[key], default=None)
    return key if key is not None and listed[key] > own else None


def _entries(rows: Iterable[Row | Rejection], key: str) -> Iterator[Row | Rejection]:
    """The entries of a list in each row, numbered through."""
    place = 0
    for row in rows:
        listed = (
            row[1].get(key)
            if not isinstance(row, Rejection) and isinstance(row[1], Mapping)
            else None
        )
        if not isinstance(listed, list):
            yield row
            continue
        for entry in listed:
            place += 1
            yield place, entry, content_of(entry)


def _table(
    source: Source,
    contents: Contents,
    rows: Iterator[Row | Rejection],
    mapping: ColumnMap,
    first: Mapping[str, object],
    *,
    has_zone: bool,
) -> tuple[ColumnMap, Iterator[Row | Rejection]]:
    """The mapping of a CSV file, and its rows."""
    mapping = mapping.with_header(
        contents.header or (),
        source.path,
        decimal_comma=contents.decimal_comma,
        first=first,
        has_zone=has_zone,
    )
    # A stream is not waited for.
    if source.name is None:
        return mapping, rows
    seen = list(islice(rows, LOOKED_AT_MAX))
    told = [row[1] for row in seen if not isinstance(row, Rejection)]
    records = [record for record in told if isinstance(record, Mapping)]
    if mapping.day_first is None:
        mapping = replace(mapping, day_first=_day_first(records, mapping.columns_of("ts")))
    if mapping.decimal_comma:
        mapping = replace(mapping, thousands_dot=mapping.has_decimal_comma(records))
    return mapping, chain(seen, rows)


def _day_first(records: Iterable[Mapping[str, object]], columns: Iterable[str]) -> bool | None:
    """Whether a file writes the day before the month: of a column no one line says it."""
    return is_day_first(
        str(record.get(part) or "")
        for record in records
        for column in columns
        for part in column.split("+")
    )


def _seen_by(
    understanding: Understanding, rows: Iterator[Row | Rejection], mapping: ColumnMap
) -> Iterator[Row | Rejection]:
    """The rows, with the columns noted that become nothing."""
    for row in rows:
        if not isinstance(row, Rejection) and isinstance(row[1], Mapping):
            understanding.leave_out(mapping.left_out(row[1]), mapping.filled | row[1].keys())
        yield row


def _format(
    source: Source, mapping: ColumnMap, stated: str | None, first: object
) -> ForeignFormat | None:
    """The format of another tool that a file is in; None where its columns are fields, or mapped."""
    record = first if isinstance(first, Mapping) else {}
    named = named_format(stated or "")
    if named is not None:
        if first is not None and not named.recognises(record):
            raise DataError(_not_of(named, record, source.path))
        return named
    if stated in ("jsonl", "csv") or mapping.names_columns or "dependency" in record:
        return None
    return format_of(record)


def _not_of(named: ForeignFormat, record: Mapping[str, object], path: str) -> str:
    missing = sorted(set(named.needs) - record.keys())
    if missing:
        return f"'{plain(path, 150)}' has no column {', '.join(missing)}: no {named.title}."
    return (
        f"'{plain(path, 150)}' is no {named.title}; leave --format out to have it recognised by what "
        "it holds."
    )
