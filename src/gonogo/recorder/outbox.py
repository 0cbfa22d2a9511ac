"""Observations on their way to the store from a program that must not wait for it.

Whoever puts one in waits for nothing and gets no error: a thread of its own checks, batches and
writes. The queue is bounded. What cannot be kept is counted, and the last reason is told.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.errors import ActionRefused, GonogoError, plain
from gonogo.recorder.forked import ChildCounts, ForkedChildren

if TYPE_CHECKING:
    from gonogo.app.parts import Stores
    from gonogo.records import Observation, Rejection
    from gonogo.settings import Settings

CAPACITY = 10_000
BATCH_MAX = 1_000
LINGER_S = 0.2
BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 30.0
# How long the end of a program waits for what is queued. A short script has yet to import what opening
# the store needs, and to make it: on a busy machine that took more than 2 s, and its calls were lost.
CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The fate of the observations so far: stored, refused, dropped or queued.

    Attributes:
        stored: Written, or known to the store already.
        refused: Malformed; `problem` names the newest reason.
        dropped: Lost because the queue was full, the store could not be written in time, or a forked
            child was killed or ended before it had written them.
        queued: Still on their way.
        problem: The newest reason why one was refused, dropped or is late; None where all is well.
    """

    stored: int
    refused: int
    dropped: int
    queued: int
    problem: str | None


class Outbox:
    """A bounded queue of observations and the thread that writes them.

    The thread starts with the first observation. A store that cannot be written is tried again
    with back-off while the queue holds what comes. After a fork the child starts afresh: what was
    queued is its parent's to write.

    Args:
        settings: Parses the configuration; called in the thread, since it may fail.
        actor: Who records, for the store.
        capacity: Observations that may wait.
        linger_s: How long the thread gathers a batch.
        prepare: Last change to an observation's fields, in the thread.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        *,
        actor: str = "recorder",
        capacity: int = CAPACITY,
        linger_s: float = LINGER_S,
        prepare: Callable[[dict[str, object], Settings], Mapping[str, object]] | None = None,
    ) -> None:
        self._settings = settings
        self._actor = actor
        self._capacity = capacity
        self._linger_s = linger_s
        self._prepare = prepare
        self._children = ForkedChildren()
        self._reset()
        _alive.add(self)

    def _reset(self) -> None:
        self._queue: deque[dict[str, object]] = deque()
        self._in_hand: list[dict[str, object]] = []
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._progress = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closing = self._abandoned = False
        self._stored = self._refused = self._dropped = 0
        self._problem: str | None = None
        self._own: ChildCounts | None = None

    def reset_in_child(self) -> None:
        """Start afresh after a fork, and let the parent see what waits here."""
        own = self._children.in_child()
        self._reset()
        self._own, self._children = own, ForkedChildren()

    def before_fork(self) -> None:
        """Make ready for a child."""
        self._children.before_fork()

    def put(self, fields: dict[str, object]) -> bool:
        """Queue one observation's fields, which are the queue's from now on; False where dropped.

        Never waits for the store and never raises.
        """
        if self._closing or len(self._queue) >= self._capacity:
            with self._lock:
                self._dropped += 1
                self._problem = self._problem or (
                    "the recorder is closed" if self._closing else "the queue is full"
                )
                self._say()
            return False
        self._queue.append(fields)
        if self._own is not None:
            self._say()
        if not self._wake.is_set():
            self._wake.set()
        if self._thread is None:
            self._start()
        return True

    @property
    def delivery(self) -> Delivery:
        """The fate of the observations so far."""
        with self._lock:
            self._count_children()
            waiting = len(self._queue) + len(self._in_hand)
            return Delivery(self._stored, self._refused, self._dropped, waiting, self._problem)

    def flush(self, timeout_s: float) -> bool:
        """Write what is queued without lingering; True once nothing waits, False at the time-out."""
        self._hurry.set()
        self._wake.set()
        with self._progress:
            return self._progress.wait_for(lambda: self._is_empty, timeout_s)

    def close(self, timeout_s: float) -> Delivery:
        """Write what is queued, waiting at most so long; what is left then is dropped."""
        self._closing = True
        self._hurry.set()
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        with self._lock:
            if not self._is_empty:
                # Whatever the thread still gets done is counted as lost: nobody waits to see it.
                self._abandoned = True
                self._dropped += len(self._queue) + len(self._in_hand)
                self._queue.clear()
                self._in_hand = []
                self._problem = self._problem or f"the store took longer than {timeout_s:g} s"
            self._say()
        _alive.discard(self)
        return self.delivery

    @property
    def _is_empty(self) -> bool:
        return not self._queue and not self._in_hand

    def _say(self) -> None:
        """Let the parent of a forked child see what would be lost if this process were killed now."""
        if self._own is not None:
            waiting = len(self._queue) + len(self._in_hand)
            self._own.say(waiting=waiting, dropped=self._dropped)

    def _count_children(self) -> None:
        """Count what ended children did not write."""
        lost = self._children.take_lost()
        if lost is not None:
            self._dropped += lost.n
            self._problem = (
                f"child processes that ended left {lost.n} unwritten (the last: {lost.pid})"
            )
            self._say()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="gonogo outbox", daemon=True
                )
                self._thread.start()
                close_with_child(self.close, CLOSE_S)

    # From here on in the outbox's thread.

    def _serve(self) -> None:
        import asyncio

        failures, stores = 0, None
        with asyncio.Runner() as runner:
            while True:
                self._wake.wait()
                if stores is not None or failures:
                    backoff_s = min(BACKOFF_MIN_S * 2**failures, BACKOFF_MAX_S)
                    self._hurry.wait(backoff_s if failures else self._linger_s)
                self._take()
                try:
                    stores = runner.run(self._open()) if stores is None else self._followed(stores)
                    runner.run(self._write(stores))
                    failures = 0
                except Exception as error:  # noqa: BLE001 - an entry point: the thread must go on
                    failures = min(failures + 1, 16)
                    self._put_back(error)
                if self._closing and (self._is_empty or failures):
                    break
            if stores is not None:
                runner.run(stores.close())

    def _take(self) -> None:
        with self._lock:
            while self._queue and len(self._in_hand) < BATCH_MAX:
                self._in_hand.append(self._queue.popleft())
            if not self._queue:
                self._wake.clear()
                self._hurry.clear()
            if self._closing:
                self._wake.set()
                self._hurry.set()

    def _put_back(self, error: Exception) -> None:
        """Keep a batch that was not written for the next try, and say why it is late."""
        said = str(error) if isinstance(error, GonogoError) else repr(error)
        with self._progress:
            self._problem = plain(said)
            if not self._abandoned:
                self._queue.extendleft(reversed(self._in_hand))
                self._in_hand = []
                self._hurry.clear()
                self._wake.set()
            if self._closing:
                self._hurry.set()
            self._say()
            self._progress.notify_all()

    async def _open(self) -> Stores:
        open_stores = _load()
        settings = self._settings()
        from gonogo.config import ConfigFile

        self._config_file = ConfigFile(settings)
        _refuse_read_only(settings)
        return await open_stores(settings, actor=self._actor, clock=_now_ms)

    def _followed(self, stores: Stores) -> Stores:
        """The open store under gonogo.toml as it is now: a new price is that of the next batch."""
        edited = self._config_file.edited(stores.settings)
        if edited is not None:
            from gonogo.app.open_store import reconfigured

            stores = reconfigured(stores, edited, clock=_now_ms)
        _refuse_read_only(stores.settings)
        return stores

    async def _write(self, stores: Stores) -> None:
        from gonogo.records import BatchReport

        now_ms = _now_ms()
        good, refused = self._checked(stores.settings, now_ms)
        intake, stored = stores.intake(), BatchReport()
        if good:
            stored = await intake.record([one for _, one in good], now_ms)
            refused += stored.rejected
        intake.refuse(refused, now_ms)
        with self._progress:
            if not self._abandoned:
                self._stored += stored.accepted + stored.duplicates + stored.updated
                self._refused += len(refused)
                if refused:
                    self._problem = f"{refused[-1].field} {refused[-1].problem}"
                self._in_hand = [good[at][0] for at in stored.left]
            self._say()
            self._progress.notify_all()
        stored.refuse_left()

    def _checked(
        self, settings: Settings, now_ms: int
    ) -> tuple[list[tuple[dict[str, object], Observation]], list[Rejection]]:
        """Split observations into the well-formed, with their fields as they were given, and the malformed."""
        from gonogo.ingest.observation import named, parse_observation
        from gonogo.ingest.times import localized, time_zone
        from gonogo.records import Rejection

        stated = settings.stated_timezone
        zone = None if stated is None else time_zone(stated)
        good: list[tuple[dict[str, object], Observation]] = []
        refused: list[Rejection] = []
        for fields in self._in_hand:
            try:
                raw = fields if self._prepare is None else dict(self._prepare(fields, settings))
                raw = localized(raw, zone)
            except Exception as error:  # noqa: BLE001 - one bad row may not cost its batch
                said = f"cannot be read ({type(error).__name__})"
                refused.append(Rejection(0, "observation", said, named(fields)))
                continue
            parsed = parse_observation(raw, now_ms=now_ms, from_file=False)
            if isinstance(parsed, Rejection):
                refused.append(parsed)
            else:
                good.append((fields, parsed))
        return good, refused


def close_with_child(close: Callable[[float], object], timeout_s: float) -> None:
    """Write what is left when a child of multiprocessing ends: it runs no `atexit` functions."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, close, args=(timeout_s,), exitpriority=10)
        _close_when_terminated(close, timeout_s)


def _close_when_terminated(close: Callable[[float], object], timeout_s: float) -> None:
    """Write what is left before SIGTERM ends a child: so `with Pool(…)` ends each of its own.

    In a thread of its own: this one may hold a lock of the queue in the very moment.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def end(number: int, _: object) -> None:
        closing = threading.Thread(target=close, args=(timeout_s,), daemon=True)
        closing.start()
        closing.join(timeout_s)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)


def _refuse_read_only(settings: Settings) -> None:
    if settings.read_only:
        raise ActionRefused("Cannot record: gonogo.toml says read_only = true.")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_alive: weakref.WeakSet[Outbox] = weakref.WeakSet()
_importing = threading.RLock()


def _load() -> Callable[..., Awaitable[Stores]]:
    """Import what opening and writing need, while no fork can come between.

    A child would inherit the import locks of modules that a thread it does not have is loading.
    """
    with _importing:
        import gonogo.app.open_store
        import gonogo.drift.backdating
        import gonogo.ingest.observation
        import gonogo.store.observations.bulk
        import gonogo.store.observations.record  # noqa: F401 - `record` imports it when it is first called
        from gonogo.app.parts import open_stores

        return open_stores


def _start_afresh() -> None:
    global _importing  # noqa: PLW0603 - its holder is the parent's thread
    _importing = threading.RLock()
    for outbox in _alive:
        outbox.reset_in_child()


def _before_fork() -> None:
    _importing.acquire()
    for outbox in _alive:
        outbox.before_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _importing.release(),  # noqa: PLW0108 - the same
        after_in_child=_start_afresh,
    )
