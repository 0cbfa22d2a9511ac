"""A stream of messages in which some calls are answered in the server's stead."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gonogo.wrap.enforcement import whole_lines
from gonogo.wrap.pumps import read_chunk, write_all

if TYPE_CHECKING:
    from gonogo.wrap.enforcement import Enforcement
    from gonogo.wrap.pumps import Inspection

__all__ = ["GatedLines"]

# How often calls that hang are looked for.
LOOK_S = 0.2


class GatedLines:
    """Both directions of one connection; a line is written whole, whoever writes it.

    Args:
        server: Descriptor of the server's input.
        client: Descriptor of the client's input.
        looking: What records the calls that pass.
        enforcement: What refuses calls.
    """

    def __init__(
        self, server: int, client: int, looking: Inspection, enforcement: Enforcement
    ) -> None:
        self._server, self._client = server, client
        self._looking, self._enforcement = looking, enforcement
        self._to_server, self._to_client = threading.Lock(), threading.Lock()
        self._ended = threading.Event()

    def up(self, source: int, target: int) -> None:
        """Carry the client's lines to the server, but for calls that are refused."""
        held = bytearray()
        with suppress(OSError):
            while chunk := read_chunk(source):
                for line in whole_lines(held, chunk):
                    self._ask(line)
            self._ask(bytes(held))
        self._looking.left()
        for descriptor in (source, target):
            with suppress(OSError):
                os.close(descriptor)

    def _ask(self, line: bytes) -> None:
        refusal = self._enforcement.refusal(line)
        if refusal is not None:
            self._tell(refusal)
            return
        self._looking.ask(line)
        with self._to_server:
            write_all(self._server, line)

    def down(self, source: int) -> None:
        """Carry the server's lines to the client, but for answers of calls that were given up."""
        held = bytearray()
        with suppress(OSError):
            while chunk := read_chunk(source):
                read_ns = time.perf_counter_ns()
                for line in whole_lines(held, chunk):
                    if self._enforcement.may_pass(line):
                        self._tell(line)
                        self._looking.answer(line, read_ns)
            self._tell(bytes(held))
        self._ended.set()
        with suppress(OSError):
            os.close(source)

    def _tell(self, line: bytes) -> None:
        with self._to_client:
            write_all(self._client, line)

    def give_up_in_time(self) -> None:
        """Answer calls that hang, and tell the server that nobody waits for them any more."""
        with suppress(OSError):
            while not self._ended.wait(LOOK_S):
                for told, cancelled in self._enforcement.overdue(time.monotonic()):
                    self._tell(told)
                    self._looking.ask(cancelled)
                    with self._to_server:
                        write_all(self._server, cancelled)
