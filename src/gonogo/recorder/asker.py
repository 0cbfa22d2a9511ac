"""The application in a thread of its own, for code that does not live in its event loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from gonogo.app import Gonogo
from gonogo.settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Future

R = TypeVar("R")

CLOSE_TIMEOUT_S = 2.0


class Asker:
    """The application of this process, its event loop, and the thread that both live in.

    The store is opened by the first question, and closed at the interpreter's end.
    """

    def __init__(self, settings: Settings, *, actor: str = "agent") -> None:
        self.pid = os.getpid()
        self._app = Gonogo(settings, actor=actor)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="gonogo check", daemon=True).start()
        atexit.register(self._close)

    def ask(self, question: Callable[[Gonogo], Coroutine[object, object, R]]) -> R:
        """Ask in that thread, and wait for the answer in this one."""
        return self.submit(question).result()

    def submit(self, question: Callable[[Gonogo], Coroutine[object, object, R]]) -> Future[R]:
        """Ask in that thread; the answer is waited for later, or not at all."""
        return asyncio.run_coroutine_threadsafe(question(self._app), self._loop)

    def _close(self) -> None:
        # A forked child has the object and not its thread.
        if self.pid != os.getpid():
            return
        closing = asyncio.run_coroutine_threadsafe(self._app.close(), self._loop)
        with suppress(TimeoutError):
            closing.result(CLOSE_TIMEOUT_S)
