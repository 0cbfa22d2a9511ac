"""A stream of messages in which some calls are answered in the server's stead."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

from gonogo.errors import NoInput, plain
from gonogo.wrap.enforcement import Enforcement, whole_lines
from gonogo.wrap.tool_calls import Calls

# How often calls that hang are looked for.
LOOK_S = 0.2
DRAIN_S = 1.0
FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)

CHUNK_BYTES = 65_536


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


def run_proxy(command: Sequence[str], calls: Calls, enforcement: Enforcement | None = None) -> int:
    """Run a server to its end between this process's standard input and output.

    Its standard error and its environment are this process's own. Signals go on to it. Every byte
    passes, but for the calls that the enforcement refuses, where there is one.

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
    looking = Inspection(calls)
    to_server, from_server = child.stdin.fileno(), child.stdout.fileno()
    if enforcement is None:
        up = threading.Thread(
            target=pump, args=(0, to_server, looking.ask, None, looking.left), daemon=True
        )
        down = threading.Thread(
            target=pump, args=(from_server, 1, None, looking.answer), daemon=True
        )
    else:
        gated = GatedLines(to_server, 1, looking, enforcement)
        up = threading.Thread(target=gated.up, args=(0, to_server), daemon=True)
        down = threading.Thread(target=gated.down, args=(from_server,), daemon=True)
        threading.Thread(target=gated.give_up_in_time, daemon=True).start()
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
    if sys.platform == "win32":  # no process ends by one
        return
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


class Inspection:
    """Looks at what passes; whatever goes wrong with that ends the looking, not the passing."""

    def __init__(self, calls: Calls) -> None:
        self._calls: Calls | None = calls

    def ask(self, chunk: bytes) -> None:
        """Take in what the client sent."""
        now_ns, ts = time.perf_counter_ns(), time.time()
        self._safely(lambda calls: calls.ask(chunk, now_ns=now_ns, ts=ts))

    def answer(self, chunk: bytes, read_ns: int) -> None:
        """Take in what the server sent."""
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
