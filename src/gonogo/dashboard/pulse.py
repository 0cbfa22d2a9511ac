"""Word of every change of the store, for any number of open pages: one look serves them all."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from gonogo.errors import GonogoError

if TYPE_CHECKING:
    from gonogo.app import Gonogo

LISTENERS_MAX = 64
RETRY_S = 5.0

logger = logging.getLogger("gonogo.dashboard")


class Pulse:
    """Tells listeners that something was written, by whichever process; never what."""

    def __init__(self) -> None:
        self.beats = 0
        self._listeners = 0
        self._beat = anyio.Event()
        self._over = False

    async def follow(self, app: Gonogo) -> None:
        """Watch an application's store until cancelled; a store that fails is tried again."""
        while True:
            try:
                stores = await app.stores()
                async with aclosing(stores.changes.changes()) as changes:
                    async for _ in changes:
                        self._tell()
            except GonogoError as error:
                logger.warning("listening: %s", error)
                await anyio.sleep(RETRY_S)

    def end(self) -> None:
        """Let every listener go, so that the server can stop."""
        self._over = True
        self._tell()

    def _tell(self) -> None:
        self.beats += 1
        beat, self._beat = self._beat, anyio.Event()
        beat.set()

    @property
    def is_full(self) -> bool:
        """Whether no more pages may listen."""
        return self._listeners >= LISTENERS_MAX

    async def listen(self, *, beat_s: float) -> AsyncGenerator[bool]:
        """Yield True after a change, False where nothing happened for `beat_s` seconds."""
        self._listeners += 1
        try:
            while not self._over:
                beat = self._beat
                with anyio.move_on_after(beat_s):
                    await beat.wait()
                if not self._over:
                    yield beat.is_set()
        finally:
            self._listeners -= 1
