"""Rows of Parquet and Arrow files, values as JSON would have them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from importlib import import_module
from typing import Any

from gonogo.errors import DataError, plain
from gonogo.ingest.numbered_lines import Source, content_up_to

ROWS_A_BATCH = 4096
# Of one column and batch. A text that stands in its file once, and in each row by its place, takes that much again.
TEXTS_BYTES_MAX = 256 << 20
# As what is no file of its kind is told by the language itself.
_BROKEN = OSError, ValueError, OverflowError, RecursionError, MemoryError
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
            texts = [f.name for f in parquet.read_schema(packed) if arrow.types.is_string(f.type)]
            file = parquet.ParquetFile(packed, read_dictionary=texts)
            batches = file.iter_batches(batch_size=ROWS_A_BATCH)
        else:
            batches = _arrow_batches(arrow, ipc, packed)
        for batch in batches:
            names = batch.schema.names
            columns = [_plain_column(arrow, _written_out(arrow, c)) for c in batch.columns]
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values, strict=True))
    except (arrow.ArrowException, *_BROKEN) as error:
        raise DataError(
            f"'{plain(source.path, 150)}' cannot be read: {plain(str(error), 150)}."
        ) from None


def _written_out(arrow: Any, column: Any) -> Any:  # noqa: ANN401 - pyarrow's own
    """A column of a batch whose texts may stand in its file once for many rows, if it can be written out.

    Raises:
        ValueError: its texts are too long for that, or it is in a form that is not read.
    """
    kinds = arrow.types
    if kinds.is_run_end_encoded(column.type):
        raise ValueError("a column is run-end encoded: write it plainly")
    if kinds.is_string_view(column.type) or kinds.is_binary_view(column.type):
        size = sum(value.as_buffer().size for value in column if value.is_valid)
    elif kinds.is_dictionary(column.type) and not kinds.is_primitive(column.type.value_type):
        compute = import_module("pyarrow.compute")
        sizes = compute.binary_length(column.dictionary).take(column.indices)
        size = compute.sum(sizes).as_py() or 0
    else:
        size = 0
    if size > TEXTS_BYTES_MAX:
        raise ValueError(
            f"{len(column):,} rows of one column hold over {TEXTS_BYTES_MAX >> 20} MiB"
        )
    return column.dictionary_decode() if kinds.is_dictionary(column.type) else column


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
