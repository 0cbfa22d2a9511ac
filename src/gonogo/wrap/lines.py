"""Lines out of a byte stream, with bounded memory: of a huge one only its two ends are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["LINE_BYTES_MAX", "Line", "Lines"]

LINE_BYTES_MAX = 1024 * 1024
END_BYTES = 4096


class Line(NamedTuple):
    """One line without its end. Of one over 1 MiB, `head` and `tail` are its first and last 4 KiB."""

    head: bytes
    tail: bytes | None = None


class Lines:
    """Cuts what it is fed into lines; a last one without an end is never told."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._tail: bytes | None = None

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that this chunk completes."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._hold(chunk[start:end])
            yield Line(bytes(self._held), self._tail)
            self._held.clear()
            self._tail = None
            start = end + 1
        self._hold(chunk[start:])

    def _hold(self, piece: bytes) -> None:
        if self._tail is not None:
            self._tail = (self._tail + piece)[-END_BYTES:]
            return
        self._held += piece
        if len(self._held) > LINE_BYTES_MAX:
            self._tail = bytes(self._held[-END_BYTES:])
            del self._held[END_BYTES:]
