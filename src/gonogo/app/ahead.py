"""Questions that were asked lately are answered again, ahead of time, once the store has changed.

What came since the last answer costs a check some milliseconds. A server works it out while nobody
waits, by whichever process wrote it, so that the next to ask finds the answer made.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from gonogo.errors import GonogoError

if TYPE_CHECKING:
    from gonogo.app.memory import Remembering

__all__ = ["Lately", "keep_ready"]

LATELY_S = 600.0
QUESTIONS_MAX = 8
# Of one processor, where the store changes all the time.
SHARE_MAX = 0.05
RETRY_S = 5.0

Again = Callable[[], Awaitable[object]]

logger = logging.getLogger("gonogo.server")


class Lately:
    """The newest questions whose answers are remembered, and how each is answered again."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Hashable, tuple[float, Again]] = OrderedDict()
        self.something = anyio.Event()

    def asked(self, question: Hashable, again: Again) -> None:
        """Note a question that was answered just now."""
        self._asked[question] = time.monotonic(), again
        self._asked.move_to_end(question)
        if len(self._asked) > QUESTIONS_MAX:
            self._asked.popitem(last=False)
        self.something.set()

    def forget(self) -> None:
        """Answer nothing again: the store is being closed."""
        self._asked.clear()
        self.something = anyio.Event()

    def questions(self) -> list[Again]:
        """How those of the last ten minutes are answered, the newest first."""
        while self._asked:
            at, _ = next(iter(self._asked.values()))
            if time.monotonic() - at < LATELY_S:
                return [again for _, again in reversed(self._asked.values())]
            self._asked.popitem(last=False)
        self.forget()
        return []


async def keep_ready(app: Remembering) -> None:
    """Answer again for as long as somebody asked lately, until cancelled; else look at nothing."""
    while True:
        await app.lately.something.wait()
        try:
            with anyio.move_on_after(LATELY_S):
                await _follow(app)
        except GonogoError as error:
            logger.warning("answering ahead: %s", error)
            await anyio.sleep(RETRY_S)
        app.lately.questions()  # forgets those of long ago


async def _follow(app: Remembering) -> None:
    stores = await app.stores()
    async with aclosing(stores.changes.changes()) as changes:
        async for _ in changes:
            began = time.monotonic()
            for again in app.lately.questions():
                if app.lately.something.is_set():
                    await again()
            if not app.lately.something.is_set():
                return  # it was closed; to answer would open it again
            took_s = time.monotonic() - began
            await anyio.sleep(took_s / SHARE_MAX)
