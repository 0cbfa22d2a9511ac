"""Rows of Parquet and Arrow files, read batch by batch (pyarrow, the extra `parquet`)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from importlib import import_module
from typing import Any

from gonogo.errors import DataError, plain
from gonogo.ingest.numbered_lines import Source, content_up_to

__all__ = ["column_rows"]

ROWS_A_BATCH = 4096
UNPACKED_BYTES_MAX = 256 << 20


def column_rows(source: Source, *, is_parquet: bool) -> Iterator[dict[str, object]]:
    """The rows of a file, values as JSON would have them.

    Raises:
        DataError: the file is broken, or the extra is not installed.
    """
    try:
        arrow = import_module("pyarrow")
        ipc, parquet = import_module("pyarrow.ipc"), import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(
            "Parquet and Arrow need the extra parquet: install gonogo[parquet]."
        ) from None
    packed: Any = source.raw if source.stream is source.raw else _unpacked(source)
    try:
        if is_parquet:
            batches = parquet.ParquetFile(packed).iter_batches(batch_size=ROWS_A_BATCH)
        else:
            batches = _arrow_batches(arrow, ipc, packed)
        for batch in batches:
            names = batch.schema.names
            columns = [_plain_column(arrow, column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values, strict=True))
    # What is no file of its kind is told in the library's own errors and in the language's.
    except (arrow.ArrowException, OSError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(
            f"'{plain(source.path, 150)}' cannot be read: {plain(str(error), 150)}."
        ) from None


def _unpacked(source: Source) -> io.BytesIO:
    """A compressed file's bytes, of which the reader needs the end first."""
    content = content_up_to(source, UNPACKED_BYTES_MAX)
    if len(content) > UNPACKED_BYTES_MAX:
        raise DataError(
            f"'{plain(source.path, 150)}' holds more than {UNPACKED_BYTES_MAX >> 20} MiB: unpack it first."
        )
    return io.BytesIO(content)


def _arrow_batches(arrow: Any, ipc: Any, packed: Any) -> Iterator[Any]:  # noqa: ANN401 - pyarrow's own
    """Batches of an Arrow file or stream, cut to a size that memory can hold."""
    try:
        reader = ipc.open_file(packed)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    except arrow.ArrowInvalid:
        packed.seek(0)
        batches = iter(ipc.open_stream(packed))
    for batch in batches:
        for start in range(0, batch.num_rows, ROWS_A_BATCH):
            yield batch.slice(start, ROWS_A_BATCH)


def _plain_column(arrow: Any, column: Any) -> list[object]:  # noqa: ANN401 - pyarrow's own
    """The values of a column: what is JSON already is not looked at one by one."""
    values: list[object] = column.to_pylist()
    kinds = arrow.types
    if any(is_of(column.type) for is_of in (kinds.is_integer, kinds.is_string, kinds.is_boolean)):
        return values
    return [_plain_value(value) for value in values]


def _plain_value(value: object) -> object:
    """A value as JSON would have it; a NaN, which data frames write for nothing, is absent."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if value != value else value  # noqa: PLR0124 - NaN
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain_value(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return _plain_list(value)
    # Bytes that are no text are told by their characters, which no name may have.
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def _plain_list(entries: list[object]) -> object:
    """A list; a map comes as the list of its pairs."""
    pairs = [entry for entry in entries if isinstance(entry, tuple)]
    if entries and len(pairs) == len(entries):
        return {str(key): _plain_value(value) for key, value in pairs}
    return [_plain_value(entry) for entry in entries]
