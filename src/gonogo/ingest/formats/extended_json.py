"""MongoDB's Extended JSON, as mongoexport and Compass write it: `{"$numberDouble": "1.5"}` is 1.5.

Source: mongodb.com, "MongoDB Extended JSON (v2)".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gonogo.border.foreign import number
from gonogo.ingest.numbered_lines import Row
from gonogo.records import Rejection

_NUMBERS = frozenset({"$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"})
_AS_THEY_ARE = frozenset({"$oid", "$uuid", "$symbol"})


def is_extended(record: object, depth: int = 3) -> bool:
    """Whether a value in a record says its type."""
    if not isinstance(record, Mapping) or not depth:
        return False
    if len(record) == 1 and record.keys() <= _NUMBERS | _AS_THEY_ARE | {"$date"}:
        return True
    return any(is_extended(value, depth - 1) for value in record.values())


def plain_rows(rows: Iterable[Row | Rejection]) -> Iterator[Row | Rejection]:
    """The records with plain values, each with its bytes as they stood."""
    for row in rows:
        yield row if isinstance(row, Rejection) else (row[0], plain_value(row[1]), *row[2:])


def plain_value(value: object) -> object:
    """A value without its types; a number that is none (NaN, Infinity) is absent."""
    if isinstance(value, list):
        return [plain_value(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value)) if len(value) == 1 else ""
    if kind in _AS_THEY_ARE:
        return value[kind]
    if kind in _NUMBERS:
        return number(value[kind])
    if kind == "$date":
        told = plain_value(value[kind])  # milliseconds, or a text
        return told / 1000 if isinstance(told, int | float) else told
    return {key: plain_value(entry) for key, entry in value.items()}
