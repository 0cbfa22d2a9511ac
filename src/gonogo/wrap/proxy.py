"""The process around which `gonogo wrap` stands, and the pumps that carry its bytes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

from gonogo.errors import NoInput, plain
from gonogo.wrap.tool_calls import Calls

__all__ = ["die_as", "run_proxy"]

CHUNK_BYTES = 65_536
DRAIN_S = 1.0
FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)


def run_proxy(command: Sequence[str], calls: Calls) -> int:
    """Run a server to its end between this process's standard input and output.

    Its standard error and its environment are this process's own. Signals go on to it.

    Returns:
        Its exit status; negative is the signal that ended it.

    Raises:
        NoInput: It cannot be started.
    """
    try:
        # Descriptors that were handed to this process are meant for the server.
        child = subprocess.Popen(  # noqa: S603 - what the user's own configuration names
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, close_fds=False
        )
    except OSError as error:
        raise NoInput(
            f"wrap: cannot start '{plain(command[0], 200)}': {error.strerror or error}."
        ) from None
    assert child.stdin is not None  # noqa: S101 - both are pipes
    assert child.stdout is not None  # noqa: S101
    _forward_signals(child)
    looking = _Looking(calls)
    to_server, from_server = child.stdin.fileno(), child.stdout.fileno()
    up = threading.Thread(
        target=_pump, args=(0, to_server, looking.ask, None, looking.left), daemon=True
    )
    down = threading.Thread(target=_pump, args=(from_server, 1, None, looking.answer), daemon=True)
    up.start()
    down.start()
    status = child.wait()
    # What it wrote last is still in the pipe; a grandchild may hold the pipe open for ever.
    down.join(DRAIN_S)
    looking.end()
    with suppress(OSError):
        os.close(1)  # the client learns of the end before anything is written
    return status


def die_as(number: int) -> None:
    """End by the signal that ended the server, as its client would have seen it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the server has left its own
    with suppress(OSError, ValueError):
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _forward_signals(child: subprocess.Popen[bytes]) -> None:
    def forward(number: int, _: FrameType | None) -> None:
        # After the server's end only the last writing is left, which has its own short time-out;
        # clients terminate a server that does not end at once, and would lose the last calls.
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, number)

    for number in FORWARDED:
        signal.signal(number, forward)


class _Looking:
    """Looks at what passes; whatever goes wrong with that ends the looking, not the passing."""

    def __init__(self, calls: Calls) -> None:
        self._calls: Calls | None = calls

    def ask(self, chunk: bytes) -> None:
        now_ns, ts = time.perf_counter_ns(), time.time()
        self._safely(lambda calls: calls.ask(chunk, now_ns=now_ns, ts=ts))

    def answer(self, chunk: bytes, read_ns: int) -> None:
        self._safely(lambda calls: calls.answer(chunk, now_ns=read_ns))

    def left(self) -> None:
        self._safely(Calls.leave)

    def end(self) -> None:
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


def _pump(
    source: int,
    target: int,
    before: Callable[[bytes], None] | None,
    after: Callable[[bytes, int], None] | None,
    at_end: Callable[[], None] = lambda: None,
) -> None:
    """Carry bytes until either side is closed, then close the other."""
    with suppress(OSError):
        while chunk := _read(source):
            read_ns = time.perf_counter_ns()
            if before is not None:
                before(chunk)
            _write(target, chunk)
            if after is not None:
                after(chunk, read_ns)
    at_end()
    for descriptor in (source, target):
        # Of this process's own output, the end of the process is told by its exit.
        if descriptor != 1:
            with suppress(OSError):
                os.close(descriptor)


def _read(source: int) -> bytes:
    while True:
        try:
            return os.read(source, CHUNK_BYTES)
        except BlockingIOError:  # a client may hand over descriptors that do not block
            select.select([source], [], [])


def _write(target: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            select.select([], [target], [])
