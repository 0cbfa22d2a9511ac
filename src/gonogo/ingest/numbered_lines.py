"""Files and standard input as numbered lines: unpacked, bounded, in the order they lie there."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from gonogo.errors import DataError, NoInput, plain

if TYPE_CHECKING:
    from typing_extensions import Buffer

LINE_BYTES_MAX = 1024 * 1024
PEEK_BYTES = 512
STDIN = "-"
_CHUNK_BYTES = 1 << 16
_PACKERS = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}
_TAR_AT = 257
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Format = Literal["jsonl", "csv"]
Bytes = io.BufferedReader | gzip.GzipFile

_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
}

# One record of a file: the line where it begins, its named values, and its bytes as they stood.
# A plain tuple: it is made once a line, and a named one takes seven times as long.
Row = tuple[int, object, bytes]


class LineText:
    """Lines as text, and how many of them were no UTF-8.

    Refused, they would cost the failures alone, where only messages have accents or are cut off within a letter.
    """

    def __init__(self) -> None:
        self.others = 0

    def of(self, line: bytes, otherwise: str = "utf-8") -> str:
        """The text of a line; what is no UTF-8 is read as `otherwise`, a byte that is nothing there as U+FFFD."""
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.others += 1
            return line.decode(otherwise, errors="replace")


@dataclass(frozen=True, slots=True)
class Source:
    """An opened input. `name` is what ids are made from; None for standard input."""

    path: str
    name: str | None
    stream: Bytes
    raw: BinaryIO
    total_bytes: int | None
    format: Format
    text: LineText = field(default_factory=LineText)

    def bytes_read(self) -> int | None:
        """The number of bytes read out of `total_bytes`; None where the input has no length."""
        return None if self.total_bytes is None else self.raw.tell()

    def close(self) -> None:
        """Let the file go; standard input stays open."""
        if self.name is not None:
            self.stream.close()
            self.raw.close()


def open_source(path: str, stdin: BinaryIO, stated: Format | None = None) -> Source:
    """Open a file, or standard input for `-`; gzip is told by its first bytes.

    Raises:
        NoInput: it is not there, is a folder, or may not be read.
        DataError: it is packed in another way.
    """
    if path == STDIN:
        stream = _buffered(stdin)
        unpacked = _unpacked(stream)
        return Source(path, None, unpacked, stdin, None, stated or _guess("", unpacked))
    try:
        raw = Path(path).open("rb")  # noqa: SIM115  # the Source closes it
        unpacked = _unpacked(raw)
        name = Path(path).name.removesuffix(".gz")
        chosen = stated or _guess(name, unpacked)
        size = Path(path).stat().st_size if raw.seekable() else None
    except IsADirectoryError:
        raise NoInput(
            f"'{plain(path, 150)}' is a folder: name its files, as {plain(str(Path(path)), 150)}/*.csv does."
        ) from None
    except OSError as error:
        raise NoInput(f"Cannot read '{plain(path, 200)}': {error.strerror or error}.") from None
    if how := _other_packing(unpacked):
        raw.close()
        raise DataError(f"'{plain(path, 150)}' {how.format(plain(path, 150))}")
    return Source(path, name, unpacked, raw, size, chosen)


def _other_packing(stream: Bytes) -> str:
    """The advice about a file packed by another program than gzip; "" where it is not."""
    try:
        start = stream.peek(PEEK_BYTES)[:PEEK_BYTES]
    except (EOFError, zlib.error, OSError):
        return ""  # reading will say what is broken
    for mark, program in _PACKERS.items():
        if start.startswith(mark) and not start[:PEEK_BYTES].isascii():
            return f"is packed: {program} -dc '{{0}}' | gonogo ingest -"
    if start[_TAR_AT:].startswith(b"ustar"):
        return "is a tar archive: unpack it, and bring in what it holds."
    return ""


class _Utf8Stream(io.RawIOBase):
    """UTF-16 text, as Excel's "Unicode text" is, as UTF-8."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        self._ready = b""

    def readable(self) -> bool:
        """True: this stream is read only."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer with what comes next; 0 at the end."""
        view = memoryview(buffer).cast("B")
        while not self._ready:
            chunk = self._stream.read(_CHUNK_BYTES)
            self._ready = self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        taken = self._ready[: len(view)]
        self._ready = self._ready[len(taken) :]
        view[: len(taken)] = taken
        return len(taken)


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    if isinstance(stream, io.BufferedReader):
        return stream
    return io.BufferedReader(cast("io.RawIOBase", stream))


def _unpacked(stream: io.BufferedReader) -> Bytes:
    # Unbuffered beyond gzip's own buffer: what lies before a break must still come out.
    whole = gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == b"\x1f\x8b" else stream
    try:
        start = whole.peek(2)[:2]
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return whole  # reading will say what is broken
    return io.BufferedReader(_Utf8Stream(whole)) if start in _UTF16_MARKS else whole


def _guess(name: str, stream: Bytes) -> Format:
    known = _FORMATS.get(Path(name).suffix.lower())
    if known is not None:
        return known
    try:
        start = stream.peek(PEEK_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return "jsonl"  # reading will say what is broken
    return "jsonl" if start[:1] in b"{[" else "csv"


def content_up_to(source: Source, bytes_max: int) -> bytes:
    """A file that is read whole, and a byte more than `bytes_max` where it is larger.

    Raises:
        DataError: it cannot be read to its end, or not be unpacked.
    """
    try:
        return source.stream.read(bytes_max + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"'{plain(source.path, 150)}' cannot be read: {plain(str(error), 150).rstrip('.')}."
        ) from None


def numbered_lines(source: Source) -> Iterator[tuple[int, bytes | str]]:
    """Each line from 1 with its bytes, or with the problem that makes it unreadable.

    A line over 1 MiB is skipped without being held. A broken gzip or disk ends the file with a
    problem: what came before stands.
    """
    number = 0
    readline = source.stream.readline
    while True:
        number += 1
        try:
            line = readline(LINE_BYTES_MAX + 1)
            if not line:
                return
            if len(line) > LINE_BYTES_MAX:
                while line and not line.endswith(b"\n"):
                    line = readline(LINE_BYTES_MAX)
                yield number, "is over 1 MiB long"
                continue
        except (EOFError, zlib.error, gzip.BadGzipFile):
            yield number, "the gzip file is broken from here on; earlier lines are kept"
            return
        except OSError as error:
            yield number, f"cannot be read on from here: {error.strerror}; earlier lines are kept"
            return
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        yield number, line
