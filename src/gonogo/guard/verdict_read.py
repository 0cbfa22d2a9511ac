"""The verdict on a call: the one that stands in the store while it is fresh, else asked now."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.guard.hook_forms import Ruling
from gonogo.guard.ruling import ruling_of
from gonogo.ports.standing_verdicts import NEVER_ASKED, CurrentVerdict, standing_now
from gonogo.records import StandingVerdict, worst_verdict
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.app import Gonogo
    from gonogo.store.sqlite.connection import FileConnection

# A client gives a hook a minute; who waits for a tool call waits less gladly.
ANSWER_S = 10.0


def ruling_now(name: str, settings: Settings, *, now_ms: int) -> Ruling:
    """Rule on a call of a dependency by its present verdict.

    Raises:
        GonogoError: The store or the configuration cannot be read.
        TimeoutError: The checks took longer than 10 s.
    """
    now = None
    if "://" not in settings.store:
        file = StandingFile(settings.store)
        now = file.verdict(name, settings, now_ms)
        file.close()
    if now is None:
        import anyio

        now = anyio.run(_asked_alone, name, settings)
    return ruling_of(name, now, settings, now_ms=now_ms)


class StandingFile:
    """The standing verdicts as a store's file has them now, by a connection that stays open.

    To look at one row need not open the store, which takes ten times as long. What was read is read
    again once somebody has written: `PRAGMA data_version` tells in a few microseconds. Safe among
    threads; a forked child opens its own.
    """

    def __init__(self, store: str) -> None:
        self._path = Path(store).absolute()
        self._lock = threading.Lock()
        self._connection: FileConnection | None = None
        self._opened_as: tuple[int, int, int] | None = None
        self._version = -1
        self._read: dict[str, StandingVerdict | None] = {}

    def verdict(self, name: str, settings: Settings, now_ms: int) -> CurrentVerdict | None:
        """The standing verdict while it is fresh; None where it has to be asked.

        Of a dependency that the store does not know nothing was ever asked, and nothing can be.
        """
        try:
            with self._lock:
                found = self._standing(name)
        except FileNotFoundError:
            return NEVER_ASKED
        except sqlite3.OperationalError:
            return None  # of an earlier or a later form: who opens it says so
        return NEVER_ASKED if found is None else fresh(settings, name, found, now_ms)

    def _standing(self, name: str) -> StandingVerdict | None:
        from gonogo.records import StandingVerdict
        from gonogo.store.books.verdict_book import read_standing

        connection = self._current()
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or name not in self._read:
            if version != self._version:
                self._version, self._read = version, {}
            known = connection.execute(
                "SELECT 1 FROM dependency WHERE name = ?", (name,)
            ).fetchone()
            found = read_standing(connection, [name]).get(name, StandingVerdict(None, None))
            self._read[name] = None if known is None else found
        return self._read[name]

    def _current(self) -> FileConnection:
        """The connection to the file that lies there now, in this process."""
        from gonogo.store.sqlite.connection import FileConnection

        there = self._path.stat()
        opened_as = there.st_dev, there.st_ino, os.getpid()
        if self._connection is None or opened_as != self._opened_as:
            if self._opened_as is not None and self._opened_as[2] == opened_as[2]:
                self.close()
            self._connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=ro",
                uri=True,
                factory=FileConnection,
                check_same_thread=False,
            )
            self._opened_as, self._version = opened_as, -1
        return self._connection

    def close(self) -> None:
        """Let the file go; the next look opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def fresh(
    settings: Settings, name: str, found: StandingVerdict, now_ms: int
) -> CurrentVerdict | None:
    """A standing verdict whose parts were all asked within `[guard] fresh`."""
    if found.as_of_ms is None or len(found.parts) < len(found):
        return None
    if not 0 <= now_ms - found.as_of_ms <= settings.guard.fresh_s * 1000:
        return None
    return standing_now(settings, name, found, now_ms)


async def current_verdict(app: Gonogo, name: str) -> CurrentVerdict:
    """The standing verdict while it is fresh, else as the checks give it now.

    They leave it standing for whoever asks next.

    Raises:
        GonogoError: The store cannot be read.
        TimeoutError: The checks took longer than 10 s.
    """
    import anyio

    from gonogo.errors import UnknownTarget

    with anyio.fail_after(ANSWER_S):
        stores = await app.stores()
        found = (await stores.decisions.standing([name])).get(name)
        now = None if found is None else fresh(app.settings, name, found, app.clock())
        if now is not None:
            return now
        try:
            drift = (await app.check_model_drift(name)).verdict
            trust = (await app.get_trust_score_health(name)).verdict
        except UnknownTarget:
            return NEVER_ASKED
        return CurrentVerdict(worst_verdict([drift, trust]), app.clock(), drift, trust)


async def _asked_alone(name: str, settings: Settings) -> CurrentVerdict:
    from gonogo.app import Gonogo

    async with Gonogo(settings, actor="guard") as app:
        return await current_verdict(app, name)
