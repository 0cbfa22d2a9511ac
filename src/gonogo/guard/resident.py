"""Rulings at once, for a process that stays: asked again in the background while calls go on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from gonogo.errors import GonogoError, plain
from gonogo.guard.hook_forms import Ruling
from gonogo.guard.ruling import ruling_of
from gonogo.guard.verdict_read import asked_now, standing_on_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from gonogo.settings import Settings

__all__ = ["Judge"]

# A ruling this old is looked at again after the call that it served: a change is seen within
# seconds while calls go on, and no call waits for it.
LOOKED_AT_AGAIN_S = 2.0
# Who waits for the first ruling of a dependency waits no longer than this.
FIRST_S = 10.0


class Judge:
    """The newest ruling of each dependency that was asked for.

    Args:
        settings: Read when the first call comes; what it raises is a failure of every call.
        clock: Now in epoch milliseconds.
        closed: What becomes of a call where nothing can be asked: stopped, or passed on.
    """

    def __init__(
        self, settings: Callable[[], Settings], *, clock: Callable[[], int], closed: bool
    ) -> None:
        self._read_settings, self._clock, self._closed = settings, clock, closed
        self._settings: Settings | None = None
        self._kept: dict[str, tuple[Ruling, float]] = {}
        self._asking: set[str] = set()
        self._lock = threading.Lock()
        self.problem: str | None = None

    def __call__(self, name: str) -> Ruling:
        """The ruling for a dependency; only the first one is waited for."""
        found = self._kept.get(name)
        if found is None:
            asking = threading.Thread(target=self._ask, args=(name,), daemon=True)
            asking.start()
            asking.join(FIRST_S)
            found = self._kept.get(name)
            if found is None:
                return self._failed("the first check takes too long")
        elif time.monotonic() - found[1] > LOOKED_AT_AGAIN_S:
            with self._lock:
                busy = name in self._asking
                self._asking.add(name)
            if not busy:
                threading.Thread(target=self._ask, args=(name,), daemon=True).start()
        return found[0]

    def _ask(self, name: str) -> None:
        try:
            ruling = self._ruling(name)
        except (GonogoError, OSError) as error:
            ruling = self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a thread's entry point: the call gets an answer
            ruling = self._failed(f"{type(error).__name__}: {error}")
        else:
            self.problem = None
        self._kept[name] = ruling, time.monotonic()
        with self._lock:
            self._asking.discard(name)

    def _ruling(self, name: str) -> Ruling:
        import anyio

        if self._settings is None:
            self._settings = self._read_settings()
        settings, now_ms = self._settings, self._clock()
        now = standing_on_file(name, settings, now_ms=now_ms)
        if now is None:
            now = anyio.run(asked_now, name, settings)
        return ruling_of(name, now, settings.guard, now_ms=now_ms)

    def _failed(self, why: str) -> Ruling:
        self.problem = plain(why, 300)
        if self._closed:
            told = "gonogo cannot be asked, and the gate is closed then"
            return Ruling("deny", f"{told}: {self.problem}")
        return Ruling("allow")
