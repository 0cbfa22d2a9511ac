"""Rulings at once, for a process that stays: asked again in the background while calls go on."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from gonogo.config.edits import ConfigFile
from gonogo.guard.not_asked import GOES_ON, not_asked, why_not_asked
from gonogo.guard.verdict_read import ruling_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from gonogo.guard.hook_forms import Ruling
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
        settings: Read when the first call comes; what it raises is a failure of every call. Edits of
            its file are followed.
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
        # Why nothing could be asked, as standard error was told last: each reason once.
        self._said: str | None = None

    def __call__(self, name: str) -> Ruling:
        """The ruling for a dependency; only the first one is waited for."""
        found = self._kept.get(name)
        if found is None:
            asking = threading.Thread(target=self._ask, args=(name,), daemon=True)
            asking.start()
            asking.join(FIRST_S)
            found = self._kept.get(name)
            if found is None:
                return self._not_asked("the first check takes too long")
        elif time.monotonic() - found[1] > LOOKED_AT_AGAIN_S:
            with self._lock:
                busy = name in self._asking
                self._asking.add(name)
            if not busy:
                threading.Thread(target=self._ask, args=(name,), daemon=True).start()
        return found[0]

    def _ask(self, name: str) -> None:
        try:
            if self._settings is None:
                self._settings = self._read_settings()
                self._config_file = ConfigFile(self._settings)
            self._settings = self._config_file.edited(self._settings) or self._settings
            ruling = ruling_now(name, self._settings, now_ms=self._clock())
            self._said = None
        except Exception as error:  # noqa: BLE001 - a thread's entry point: the call gets an answer
            ruling = self._not_asked(why_not_asked(error))
        self._kept[name] = ruling, time.monotonic()
        with self._lock:
            self._asking.discard(name)

    def _not_asked(self, why: str) -> Ruling:
        ruling = not_asked(why, closed=self._closed)
        if ruling.what == "allow" and why != self._said:
            self._said = why
            sys.stderr.write(f"{GOES_ON}: {why}\n")
        return ruling
