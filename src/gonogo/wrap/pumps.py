"""The bytes between a client and a server: carried on as they come, and looked at beside."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress

from gonogo.errors import plain
from gonogo.wrap.tool_calls import Calls

__all__ = ["Inspection", "pump", "read_chunk", "write_all"]

CHUNK_BYTES = 65_536


class Inspection:
    """Looks at what passes; whatever goes wrong with that ends the looking, not the passing."""

    def __init__(self, calls: Calls) -> None:
        self._calls: Calls | None = calls

    def ask(self, chunk: bytes) -> None:
        """What the client sent."""
        now_ns, ts = time.perf_counter_ns(), time.time()
        self._safely(lambda calls: calls.ask(chunk, now_ns=now_ns, ts=ts))

    def answer(self, chunk: bytes, read_ns: int) -> None:
        """What the server sent."""
        self._safely(lambda calls: calls.answer(chunk, now_ns=read_ns))

    def left(self) -> None:
        """The client asks nothing more."""
        self._safely(Calls.leave)

    def end(self) -> None:
        """The server has gone."""
        now_ns = time.perf_counter_ns()
        self._safely(lambda calls: calls.end(now_ns=now_ns))

    def _safely(self, look: Callable[[Calls], None]) -> None:
        if self._calls is None:
            return
        try:
            look(self._calls)
        except Exception as error:  # noqa: BLE001 - an entry point: the bytes go on
            self._calls = None
            said = plain(f"gonogo wrap: records no more: {error!r}", 300)
            with suppress(OSError):
                os.write(2, f"{said}\n".encode())


def pump(
    source: int,
    target: int,
    before: Callable[[bytes], None] | None,
    after: Callable[[bytes, int], None] | None,
    at_end: Callable[[], None] = lambda: None,
) -> None:
    """Carry bytes until either side is closed, then close the other."""
    with suppress(OSError):
        while chunk := read_chunk(source):
            read_ns = time.perf_counter_ns()
            if before is not None:
                before(chunk)
            write_all(target, chunk)
            if after is not None:
                after(chunk, read_ns)
    at_end()
    for descriptor in (source, target):
        # Of this process's own output, the end of the process is told by its exit.
        if descriptor != 1:
            with suppress(OSError):
                os.close(descriptor)


def read_chunk(source: int) -> bytes:
    """The next bytes; none at the end."""
    while True:
        try:
            return os.read(source, CHUNK_BYTES)
        except BlockingIOError:  # a client may hand over descriptors that do not block
            select.select([source], [], [])


def write_all(target: int, chunk: bytes) -> None:
    """Every byte, however slowly the other side reads."""
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            select.select([], [target], [])
