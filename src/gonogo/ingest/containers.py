"""The containers that records come in: JSON lines, JSON, CSV, Parquet, Arrow, archives."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Literal

from gonogo.errors import DataError, plain
from gonogo.ingest.column_files import column_rows
from gonogo.ingest.csv_rows import read_csv
from gonogo.ingest.formats.logfmt import is_logfmt, read_logfmt
from gonogo.ingest.jsonl import nan_is_nothing, read_jsonl
from gonogo.ingest.numbered_lines import Row, Source, content_up_to, numbered_lines
from gonogo.records import Rejection

# Every row of a table of hour cells says of which version of the table it is.
CELL_MARK = "cell_version"
DOCUMENT_BYTES_MAX = 512 * 1024 * 1024
_NOT_SPACE = re.compile(r"\S")
_ZIP_ZSTD = 93
# Of an entry: mark, version, flags, packing, time, date, checksum, two sizes, and those of name and extra field.
_ZIP_HEADER = struct.Struct("<4s5H3I2H")
# Of an archive: one entry, whose values take some ten times its bytes, and all of them.
MEMBER_BYTES_MAX = 128 * 1024 * 1024
ARCHIVE_BYTES_MAX = 16 * 1024 * 1024 * 1024
PEEK_BYTES = 1 << 16

Container = Literal["jsonl", "csv", "logfmt", "json", "parquet", "arrow", "eval"]
_MAGIC: tuple[tuple[bytes, Container], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),  # a stream of record batches
    (b"PK\x03\x04", "eval"),
)
Records = Iterator[Row | Rejection]


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
        table = read_csv(numbered_lines(source), source.path, source.text)
        return Contents("csv", table.rows, table.header, decimal_comma=table.decimal_comma)
    if container == "logfmt":
        return Contents("logfmt", read_logfmt(numbered_lines(source), source.text))
    if container == "jsonl":
        return Contents("jsonl", read_jsonl(numbered_lines(source), source.text))
    if container == "json":
        return Contents("json", _entries(_documents(source)))
    if container == "eval":
        return Contents("json", _archive(source))
    rows = column_rows(source, is_parquet=container == "parquet")
    # A cell needs no id made of its content: it is known by what it counts.
    return Contents(
        container,
        ((n, row, b"" if CELL_MARK in row else content_of(row)) for n, row in enumerate(rows, 1)),
    )


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
        line = text.partition(b"\n")[0].decode(errors="replace")
        return "logfmt" if is_logfmt(line) else source.format
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


def _documents(source: Source) -> list[object]:
    """The JSON documents of a source: one, or several after each other as jq and loggers write them.

    Raises:
        DataError: the first is broken, or they are too long.
    """
    content = content_up_to(source, DOCUMENT_BYTES_MAX)
    if len(content) > DOCUMENT_BYTES_MAX:
        raise DataError(
            f"'{plain(source.path, 150)}' is one JSON document of over 512 MiB: write it as JSON lines."
        )
    try:
        return [json.loads(content.removeprefix(b"\xef\xbb\xbf"), parse_constant=nan_is_nothing)]
    except (ValueError, RecursionError) as error:
        said = "it is no JSON text"
        if isinstance(error, json.JSONDecodeError):
            if error.msg == "Extra data":
                return list(_after_each_other(error.doc))
            said = str(error)
        raise DataError(
            f"'{plain(source.path, 150)}' is one JSON document, and broken: {said}."
        ) from None


def _after_each_other(text: str) -> Iterator[object]:
    """The documents of a text up to its end, or to a broken one, which is refused."""
    decoder, at = json.JSONDecoder(parse_constant=nan_is_nothing), 0
    while found := _NOT_SPACE.search(text, at):
        try:
            document, at = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            line = text.count("\n", 0, found.start()) + 1
            yield Rejection(
                line, "line", "begins a JSON document that is broken; the rest is not read"
            )
            return
        yield document


def _entries(documents: Iterable[object]) -> Records:
    place = 0
    for document in documents:
        if isinstance(document, Rejection):
            yield document
            return
        for entry in document if isinstance(document, list) else [document]:
            place += 1
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
            yield from _samples(archive, source.path, packed.getbuffer())
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"'{plain(source.path, 150)}' cannot be unpacked: {plain(str(error), 100)}."
        ) from None


def _samples(archive: zipfile.ZipFile, path: str, packed: memoryview) -> Records:
    """The samples of an open archive, each within bounds; what is not is refused alone."""
    names = archive.namelist()
    header = next((n for n in names if n in ("header.json", "_journal/start.json")), None)
    if header is None:
        raise DataError(
            f"'{plain(path, 150)}' is a zip file, and no Inspect log: unpack it, and bring in what it holds."
        )
    log = _member(archive, header, packed)
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
        sample = _member(archive, name, packed)
        if isinstance(sample, str):
            yield Rejection(place, "record", sample)
        else:
            yield place, {"eval": log.get("eval"), "samples": [sample]}, content_of(sample)


def _member(archive: zipfile.ZipFile, name: str, packed: memoryview) -> object:
    """The JSON object in an entry; a text says what is wrong with it."""
    entry = archive.getinfo(name)
    if entry.file_size > MEMBER_BYTES_MAX:
        return "is over 128 MiB when it is unpacked"
    try:
        # No more than it states is unpacked, and what differs from that is broken.
        is_zstd = entry.compress_type == _ZIP_ZSTD
        value = json.loads(_zstd(entry, packed) if is_zstd else archive.read(name))
    except ImportError:
        return "is packed by Zstandard: install gonogo[parquet], or write it as JSON (inspect log convert --to json)"
    except (ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return f"is broken: {plain(str(error), 100)}"
    return value if isinstance(value, dict) else "is no object"


def _zstd(entry: zipfile.ZipInfo, packed: memoryview) -> bytes:
    """An entry that Inspect packed by Zstandard, which `zipfile` reads since Python 3.14 alone.

    Raises:
        ValueError: it is broken.
        ImportError: the extra that has Zstandard is not installed.
    """
    arrow = import_module("pyarrow")
    # The name and the extra field of the entry's own header may be longer than those of the directory.
    at = entry.header_offset + _ZIP_HEADER.size
    *_, name_bytes, extra_bytes = _ZIP_HEADER.unpack(packed[entry.header_offset : at])
    at += name_bytes + extra_bytes
    raw = arrow.BufferReader(packed[at : at + entry.compress_size])
    with arrow.CompressedInputStream(raw, "zstd") as stream:
        content = bytes(stream.read(entry.file_size + 1))
    if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise ValueError("its checksum differs")
    return content
