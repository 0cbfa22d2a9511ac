"""Work in a forked process, for programs that start no thread before."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Awaitable, Callable

import anyio

ALIVE_S_MAX = 300


def forked(work: Callable[[], Awaitable[object]]) -> int:
    """Run `work` in a process of its own; the parent gets its id."""
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(ALIVE_S_MAX)  # its partner may have died
        try:
            anyio.run(work)
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    return child


def exit_of(child: int) -> int:
    """How it ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
