"""The containers that records come in: JSON lines, JSON, CSV, Parquet, Arrow, archives."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from gonogo.errors import DataError, plain
from gonogo.ingest.csv_rows import read_csv
from gonogo.ingest.jsonl import read_jsonl
from gonogo.ingest.numbered_lines import Row, Source, content_up_to, numbered_lines
from gonogo.records import Rejection

DOCUMENT_BYTES_MAX = 512 * 1024 * 1024
# Of an archive: one entry, whose values take some ten times its bytes, and all of them.
MEMBER_BYTES_MAX = 128 * 1024 * 1024
ARCHIVE_BYTES_MAX = 16 * 1024 * 1024 * 1024
PEEK_BYTES = 1 << 16

Container = Literal["jsonl", "csv", "json", "parquet", "arrow", "eval"]
_MAGIC: tuple[tuple[bytes, Container], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),  # a stream of record batches
    (b"PK\x03\x04", "eval"),
)
Records = Iterator[Row | Rejection]

ROWS_A_BATCH = 4096
# Of one column and batch. A text that stands in its file once, and in each row by its place, takes that much again.
TEXTS_BYTES_MAX = 256 << 20
# As what is no file of its kind is told by the language itself.
_BROKEN = OSError, ValueError, OverflowError, RecursionError, MemoryError
UNPACKED_BYTES_MAX = 256 << 20


class Contents:
    """The records of one file.

    Attributes:
        container: What they lie in.
        header: The columns of a CSV file.
        decimal_comma: How a CSV file writes numbers.
        records: A record each: its line (or place from 1), its values, its bytes.
    """

    def __init__(
        self,
        container: Container,
        records: Records,
        header: list[str] | None = None,
        *,
        decimal_comma: bool = False,
    ) -> None:
        self.container, self.records = container, records
        self.header, self.decimal_comma = header, decimal_comma


def contents_of(source: Source, stated: str | None) -> Contents:
    """The records of a source.

    Raises:
        DataError: a CSV file has no header, a document is none, or an extra is missing.
    """
    container = _container(source, stated)
    if container == "csv":
        table = read_csv(numbered_lines(source), source.path)
        return Contents("csv", table.rows, table.header, decimal_comma=table.decimal_comma)
    if container == "jsonl":
        return Contents("jsonl", read_jsonl(numbered_lines(source)))
    if container == "json":
        return Contents("json", _entries(_document(source)))
    if container == "eval":
        return Contents("json", _archive(source))
    rows = column_rows(source, is_parquet=container == "parquet")
    return Contents(container, ((n, row, content_of(row)) for n, row in enumerate(rows, 1)))


def _container(source: Source, stated: str | None) -> Container:
    if stated in {"csv", "jsonl"}:
        return "csv" if stated == "csv" else "jsonl"
    try:
        start = source.stream.peek(PEEK_BYTES)
    except (EOFError, zlib.error, OSError):
        return "jsonl"  # reading will say what is broken
    suffix = Path(source.path.removesuffix(".gz")).suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".csv"):
        return source.format
    for magic, container in _MAGIC:
        if start.startswith(magic):
            return container
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"["):
        return source.format
    return "json" if _is_document(text, suffix, is_whole=len(start) < PEEK_BYTES) else "jsonl"


def _is_document(text: bytes, suffix: str, *, is_whole: bool) -> bool:
    """Whether JSON begins that does not end with its first line."""
    line, newline, _ = text.partition(b"\n")
    if text[:1] == b"[":
        return suffix == ".json" or line.strip() == b"[" or not newline
    if not newline:
        return suffix == ".json" and not is_whole
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return line.strip() == b"{" or suffix == ".json"
    return False


def _document(source: Source) -> object:
    content = content_up_to(source, DOCUMENT_BYTES_MAX)
    if len(content) > DOCUMENT_BYTES_MAX:
        raise DataError(
            f"'{plain(source.path, 150)}' is one JSON document of over 512 MiB: write it as JSON lines."
        )
    try:
        return json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, json.JSONDecodeError) else "it is no JSON text"
        raise DataError(
            f"'{plain(source.path, 150)}' is one JSON document, and broken: {said}."
        ) from None


def _entries(document: object) -> Records:
    listed = document if isinstance(document, list) else [document]
    for place, entry in enumerate(listed, 1):
        yield place, entry, content_of(entry)


def content_of(entry: object) -> bytes:
    """The bytes of a record's content, from which an id is made where it has none."""
    return json.dumps(entry, sort_keys=True, default=str).encode(errors="surrogatepass")


def _archive(source: Source) -> Records:
    """An Inspect `.eval`: a zip of a header and a file a sample; told as one document."""
    packed = io.BytesIO(source.stream.read(DOCUMENT_BYTES_MAX + 1))
    if packed.getbuffer().nbytes > DOCUMENT_BYTES_MAX:
        raise DataError(
            f"'{plain(source.path, 150)}' is an archive of over 512 MiB: split it, or write it as JSON "
            "lines."
        )
    try:
        with zipfile.ZipFile(packed) as archive:
            yield from _samples(archive, source.path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"'{plain(source.path, 150)}' cannot be unpacked: {plain(str(error), 100)}."
        ) from None


def _samples(archive: zipfile.ZipFile, path: str) -> Records:
    """The samples of an open archive, each within bounds; what is not is refused alone."""
    names = archive.namelist()
    header = next((n for n in names if n in ("header.json", "_journal/start.json")), None)
    if header is None:
        raise DataError(
            f"'{plain(path, 150)}' is a zip file, and no Inspect log: unpack it, and bring in what it holds."
        )
    log = _member(archive, header)
    if not isinstance(log, dict):
        said = log if isinstance(log, str) else "is no object"
        raise DataError(f"'{plain(path, 150)}' cannot be read: its {header} {said}.")
    unpacked = 0
    samples = sorted(n for n in names if n.startswith("samples/") and n.endswith(".json"))
    for place, name in enumerate(samples, 1):
        # Entries may share their packed bytes: a small file of many large ones has no other bound.
        unpacked += archive.getinfo(name).file_size
        if unpacked > ARCHIVE_BYTES_MAX:
            raise DataError(
                f"'{plain(path, 150)}' holds over 16 GiB when it is unpacked: split it. What came "
                f"before sample {place:,} is stored."
            )
        sample = _member(archive, name)
        if isinstance(sample, str):
            yield Rejection(place, "record", sample)
        else:
            yield place, {"eval": log.get("eval"), "samples": [sample]}, content_of(sample)


def _member(archive: zipfile.ZipFile, name: str) -> object:
    """The JSON object in an entry; a text says what is wrong with it."""
    if archive.getinfo(name).file_size > MEMBER_BYTES_MAX:
        return "is over 128 MiB when it is unpacked"
    try:
        # No more than it states is unpacked, and what differs from that is broken.
        value = json.loads(archive.read(name))
    except (ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return f"is broken: {plain(str(error), 100)}"
    return value if isinstance(value, dict) else "is no object"


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
