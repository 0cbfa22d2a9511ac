"""Rulings at once, for a process that stays.

A store's file is looked at before each call, so that a verdict counts from the moment when it is stored. A
database on a network is looked at again once a look is a second old. Where the verdict that stands is older
than `[guard] fresh`, it is asked anew in the background: calls go on by the one that stood, ten seconds at
most, and wait for the answer then.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gonogo.config import ConfigFile
from gonogo.errors import StoreError
from gonogo.guard.hook_forms import Ruling, UnreadableCall, called_name, stopped
from gonogo.guard.ruling import GOES_ON, not_asked, ruling_of, why_not_asked
from gonogo.guard.verdict_read import ANSWER_S, StandingFile, current_verdict
from gonogo.ports.standing_verdicts import CurrentVerdict
from gonogo.settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gonogo.recorder.asker import Asker

# How old a look at a database may be.
LOOK_S = 1.0
# A look takes a few milliseconds, unless the verdict has to be asked anew: who waits, waits so long.
LOOK_MOST_S = 0.1
# By how much a verdict may be older than `fresh` while it is asked anew: as long as asking may take.
GRACE_S = ANSWER_S
# What could not be asked is not asked again for so long: else each call would wait for it.
AWAY_S = 10.0


class Judge:
    """The ruling on each call, by the newest verdict. Safe among threads.

    Args:
        settings: Read when the first call comes; what it raises is a failure of every call. Edits of
            its file are followed.
        asker: What asks where no fresh verdict stands.
        clock: Now in epoch milliseconds.
        closed: What becomes of a call where nothing can be asked: stopped, or passed on.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        asker: Callable[[], Asker],
        *,
        clock: Callable[[], int],
        closed: bool,
    ) -> None:
        self._read_settings, self._asker = settings, asker
        self._clock, self._closed = clock, closed
        self._settings: Settings | None = None
        self._file: StandingFile | None = None
        # The newest verdict of each dependency, and since when it is not known to be fresh any more.
        self._kept: dict[str, tuple[CurrentVerdict, float]] = {}
        # What is asked, and of whom: a forked child has an asker of its own.
        self._asking: dict[str, tuple[Asker, Future[CurrentVerdict]]] = {}
        # What was asked and does not stand in the file: a read-only store's.
        self._asked: dict[str, CurrentVerdict] = {}
        self._lock = threading.Lock()
        # Until when nothing is asked, and why; and what standard error was told last: each reason once.
        self._away: tuple[float, str] = (0.0, "")
        self._said: str | None = None

    def __call__(self, name: str) -> Ruling:
        """The ruling for a dependency."""
        try:
            name = called_name(name)
        except UnreadableCall as error:
            return stopped(error)
        now = time.monotonic()
        if now < self._away[0]:
            return self._not_asked(self._away[1])
        try:
            settings = self._configured()
            verdict = self._verdict(name, settings, now)
        except Exception as error:  # noqa: BLE001 - an entry point: the call gets an answer
            why = why_not_asked(error)
            waited = isinstance(error, (StoreError, TimeoutError)) and time.monotonic() - now > 1
            self._away = (time.monotonic() + AWAY_S, why) if waited else self._away
            return self._not_asked(why)
        self._said = None
        return ruling_of(name, verdict, settings, now_ms=self._clock())

    def _configured(self) -> Settings:
        if self._settings is None:
            found = self._read_settings()
            self._config_file = ConfigFile(found)
            self._file = None if "://" in found.store else StandingFile(found.store)
            self._settings = found
        edited = self._config_file.edited(self._settings)
        if edited is not None:
            self._settings = edited
        return self._settings

    def _verdict(self, name: str, settings: Settings, now: float) -> CurrentVerdict:
        if self._file is not None:
            found = self._file.verdict(name, settings, self._clock())
            if found is None and (asked := self._asked.get(name)) is not None:
                age_ms = self._clock() - (asked.as_of_ms or 0)
                found = asked if 0 <= age_ms <= settings.guard.fresh_s * 1000 else None
            if found is not None:
                self._kept[name] = found, now
                return found
        kept = self._kept.get(name)
        if kept is None or now - kept[1] > GRACE_S:
            found = self._ask(name, ANSWER_S + 1)
        elif self._file is None and now - kept[1] <= LOOK_S:
            return kept[0]
        else:
            try:
                found = self._ask(name, LOOK_MOST_S if self._file is None else 0)
            except TimeoutError:
                return kept[0]
        self._kept[name] = found, now
        return found

    def _ask(self, name: str, wait_s: float) -> CurrentVerdict:
        """Ask in the background, unless that is under way; the answer, where it comes in time."""
        asker = self._asker()
        with self._lock:
            of, asking = self._asking.get(name, (None, None))
            if of is not asker or asking is None:
                asking = asker.submit(lambda app: current_verdict(app, name))
                self._asking[name] = asker, asking
        try:
            found = asking.result(wait_s)
        except TimeoutError:
            if not asking.done():
                raise TimeoutError("the check takes too long") from None
            self._asking.pop(name, None)
            raise
        except BaseException:
            self._asking.pop(name, None)
            raise
        self._asking.pop(name, None)
        self._asked[name] = found
        return found

    def _not_asked(self, why: str) -> Ruling:
        ruling = not_asked(why, closed=self._closed)
        if ruling.what == "allow" and why != self._said:
            self._said = why
            sys.stderr.write(f"{GOES_ON}: {why}\n")
        return ruling
