"""The records of a file as rows of fields: the format that it is in, and the mapping for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import chain, islice
from typing import cast

from gonogo.errors import DataError, plain
from gonogo.ingest.column_names import note_values, recognised, suggestion
from gonogo.ingest.containers import CELL_MARK, Contents, content_of, contents_of
from gonogo.ingest.formats import format_of, named_format
from gonogo.ingest.formats.extended_json import is_extended, plain_rows, plain_value
from gonogo.ingest.formats.foreign_format import File, ForeignFormat, at, foreign_rows
from gonogo.ingest.mapping import ColumnMap
from gonogo.ingest.numbered_lines import Row, Source
from gonogo.ingest.observation import FIELDS
from gonogo.ingest.times import is_day_first
from gonogo.ingest.understanding import Understanding
from gonogo.records import Rejection

CELLS = "cells"
# Broken lines that may stand before the first record.
LOOKED_AT_MAX = 1_000
# An object of objects is a table where its columns, or those of its rows, have so many names that are known.
_NAMES_OF_A_TABLE = 2
_ROWS_OF_A_TABLE = 3
# An answer may hold its list one level down.
_DEPTH_OF_A_LIST = 1
# Records that say what the columns of JSON hold.
LOOKED_AT = 100
_TITLES = {
    "jsonl": "JSON lines",
    "json": "JSON",
    "csv": "CSV",
    "logfmt": "logfmt",
    "eval": "JSON",
    "parquet": "Parquet",
    "arrow": "Arrow",
}


@dataclass(frozen=True, slots=True)
class OpenedRows:
    """The records of a source as rows of fields, and what is to be understood of them.

    `advice`: the options that would take in the columns of JSON, or Parquet, that are no fields.
    """

    rows: Iterator[Row | Rejection]
    mapping: ColumnMap
    understanding: Understanding | None
    is_foreign: bool = False
    is_cells: bool = False
    advice: str = ""


def opened_rows(
    source: Source, mapping: ColumnMap, stated: str | None, zone: tzinfo | None = None
) -> OpenedRows:
    """The rows of a source of a stated format, and the mapping for them; `zone`: of times that state none.

    Raises:
        DataError: a header does not fit, or the file is not of the format that was stated.
        ParameterError: an extra is missing.
    """
    contents = contents_of(source, stated)
    rows, first, looked_at = _with_first(contents.records)
    if stated == CELLS or (stated is None and isinstance(first, Mapping) and CELL_MARK in first):
        return OpenedRows(rows, mapping, None, is_cells=True)
    found = _format(source, mapping, stated, first)
    if found is None and contents.container != "csv":
        rows, inner = _records_within(rows, first, is_file=source.name is not None)
        if inner is not first:
            first, found = inner, _format(source, mapping, stated, inner)
    if found is not None:
        file = File(source.path)
        understanding = Understanding(found.title, file, source.text, found.understood)
        return OpenedRows(foreign_rows(rows, found, file), mapping, understanding, is_foreign=True)
    record = first if isinstance(first, Mapping) else {}
    has_zone, advice = zone is not None, ""
    if contents.header:
        mapping, rows = _table(source, contents, rows, mapping, record, has_zone=has_zone)
    else:
        # A stream is not waited for.
        seen = list(islice(rows, LOOKED_AT if source.name else looked_at))
        rows, advice = chain(seen, rows), _advice(seen, mapping, has_zone=has_zone)
    own = Understanding(
        _TITLES[contents.container],
        File(source.path),
        source.text,
        without_unit=mapping.latency_without_unit(record),
    )
    if mapping.ignore_unknown:
        rows = _seen_by(own, rows, mapping)
    return OpenedRows(rows, mapping, own, advice=advice)


def _with_first(
    records: Iterator[Row | Rejection],
) -> tuple[Iterator[Row | Rejection], object, int]:
    """The rows, the first record of them, and how many were looked at for it."""
    head: list[Row | Rejection] = []
    first: object = None
    for row in records:
        head.append(row)
        if not isinstance(row, Rejection):
            first = row[1]
            break
        if len(head) == LOOKED_AT_MAX:
            break
    rows: Iterator[Row | Rejection] = chain(head, records)
    if is_extended(first):
        return plain_rows(rows), plain_value(first), len(head)
    return rows, first, len(head)


def _advice(rows: Iterable[Row | Rejection], mapping: ColumnMap, *, has_zone: bool) -> str:
    """The options that would take in what is no field in the first rows; "" where all are fields.

    Of several rows: what failed in one has no value in the others.
    """
    values, filled = dict[str, object](), set[str]()
    for row in rows:
        if not isinstance(row, Rejection) and isinstance(row[1], dict):
            fields = row[1] if mapping.is_empty else mapping.apply(row[1])
            filled |= fields.keys() & FIELDS.keys()
            note_values(values, {key: fields[key] for key in fields if key not in FIELDS})
    return suggestion(list(values), filled, values, has_zone=has_zone)


def _lists(
    record: Mapping[str, object], depth: int = _DEPTH_OF_A_LIST
) -> Iterator[tuple[str, list[object]]]:
    """The lists in an object by their paths: `items`, or `hits.hits` as a search answers."""
    for key, value in record.items():
        if isinstance(value, list) and "." not in key:
            yield key, value
        elif isinstance(value, Mapping) and depth and "." not in key:
            for path, inner in _lists(value, depth - 1):
                yield f"{key}.{path}", inner


def _list_of_rows(first: object) -> str | None:
    """The path under which a document, as a page of an API's answer, holds its records.

    Lists of objects stand in records too, such as a call's messages: what holds more of an observation
    than its own entries do is one.
    """
    if not isinstance(first, Mapping):
        return None
    own = recognised(first) + len(first.keys() & FIELDS.keys())
    listed = {
        key: recognised(value[0])
        for key, value in _lists(first)
        if value and isinstance(value[0], Mapping)
    }
    key = max(listed, key=lambda key: listed[key], default=None)
    return key if key is not None and listed[key] > own else None


def _records_within(
    rows: Iterator[Row | Rejection], first: object, *, is_file: bool
) -> tuple[Iterator[Row | Rejection], object]:
    """The records that lie in those of a file, or in its only one, and the first of them; else its own."""
    key = _list_of_rows(first)
    if key is not None:
        return _entries(rows, key), cast("list[object]", at(first, key))[0]
    table = _table_of(first) if is_file and isinstance(first, Mapping) else []
    if not table:
        return rows, first
    two = list(islice(rows, 2))
    if len(two) > 1:
        return chain(two, rows), first
    return ((n, row, content_of(row)) for n, row in enumerate(table, 1)), table[0]


def _table_of(only: Mapping[str, object]) -> list[dict[str, object]]:
    """The rows of an object that is a table; [] where it is none.

    As programs write one: an object of rows by their keys, or as pandas' `to_json` does, of columns, or of the names
    of columns and rows of values (`orient="split"`).
    """
    names, data = only.get("columns"), only.get("data")
    if isinstance(names, list) and isinstance(data, list):
        listed = [row for row in data if isinstance(row, list) and len(row) == len(names)]
        return [dict(zip(map(str, names), row, strict=True)) for row in listed]
    inner = [value for value in only.values() if isinstance(value, Mapping)]
    # One call may be an object of objects too, whose parts have names of their own.
    if not inner or len(inner) < len(only) or any(one.keys() != inner[0].keys() for one in inner):
        return []
    if recognised(dict.fromkeys(only, "")) >= _NAMES_OF_A_TABLE:
        return [
            {name: column[key] for name, column in zip(only, inner, strict=True)}
            for key in inner[0]
        ]
    is_rows = len(inner) >= _ROWS_OF_A_TABLE and recognised(inner[0]) >= _NAMES_OF_A_TABLE
    return [dict(row) for row in inner] if is_rows else []


def _entries(rows: Iterable[Row | Rejection], key: str) -> Iterator[Row | Rejection]:
    """The entries of a list in each row, numbered through."""
    place = 0
    for row in rows:
        listed = None if isinstance(row, Rejection) else at(row[1], key)
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
            understanding.leave_out(row[1], mapping)
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
