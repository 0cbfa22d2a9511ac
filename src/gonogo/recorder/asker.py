"""The application in a thread of its own, for code that does not live in its event loop."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from gonogo.app import Gonogo
from gonogo.errors import plain

if TYPE_CHECKING:
    from gonogo.settings import Settings

__all__ = ["Asker"]

R = TypeVar("R")

CLOSE_TIMEOUT_S = 2.0
# How long the end of a program waits for what was begun; as the recorder's outbox.
BEGUN_TIMEOUT_S = 10.0

logger = logging.getLogger("gonogo")


class Asker:
    """The application of this process, its event loop, and the thread that both live in.

    The store is opened by the first question, and closed at the interpreter's end.
    """

    def __init__(self, settings: Settings, *, actor: str = "agent") -> None:
        self.pid = os.getpid()
        self._app = Gonogo(settings, actor=actor)
        self._loop = asyncio.new_event_loop()
        self._begun: set[Future[object]] = set()
        threading.Thread(target=self._loop.run_forever, name="gonogo check", daemon=True).start()
        atexit.register(self._close)

    def ask(self, question: Callable[[Gonogo], Coroutine[object, object, R]]) -> R:
        """Ask in that thread, and wait for the answer in this one."""
        return asyncio.run_coroutine_threadsafe(question(self._app), self._loop).result()

    def begin(self, work: Callable[[Gonogo], Coroutine[object, object, object]]) -> None:
        """Do something in that thread without waiting; a failure is logged."""
        begun = asyncio.run_coroutine_threadsafe(work(self._app), self._loop)
        self._begun.add(begun)
        begun.add_done_callback(self._ended)

    def wait(self, timeout_s: float) -> bool:
        """Wait until all that was begun is done; False where the time-out came first."""
        return not wait(set(self._begun), timeout_s).not_done

    def _ended(self, begun: Future[object]) -> None:
        self._begun.discard(begun)
        if not begun.cancelled() and (error := begun.exception()) is not None:
            logger.warning("gonogo: %s", plain(str(error) or repr(error), 300))

    def _close(self) -> None:
        # A forked child has the object and not its thread.
        if self.pid != os.getpid():
            return
        self.wait(BEGUN_TIMEOUT_S)
        closing = asyncio.run_coroutine_threadsafe(self._app.close(), self._loop)
        with suppress(TimeoutError):
            closing.result(CLOSE_TIMEOUT_S)
