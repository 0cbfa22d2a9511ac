"""The advisory lock that every writer of a store holds.

SQLite's own busy handler polls, so that one process can starve the others for seconds; a kernel
lock queues them. It is held ahead of every BEGIN IMMEDIATE through the COMMIT, around every
checkpoint and around every close of a connection (which checkpoints): in SQLite before 3.51.3 a
checkpoint that overlaps a commit can lose it (the WAL-reset bug).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from weakref import WeakSet

from gonogo.errors import StoreError, plain

# A wait is told after this long: by then it is no longer a busy moment, but somebody's pause.
TELL_AFTER_S = 1.0
_COMMIT_S = 0.005

_log = logging.getLogger("gonogo.store")
# Silent in whoever uses the library, until they ask to hear it; commands and servers do.
_log.addHandler(logging.NullHandler())

if sys.platform == "win32":  # untested on Windows
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _lock(descriptor: int) -> None:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError:
                continue  # LK_LOCK gives up after ten tries; we do not
            return

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk: a new file is lost with its name in a power cut."""
    if sys.platform == "win32":  # which has no such call
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class StoreHeld(StoreError):
    """Another process holds the store, and did for as long as this one waits."""


class _Waiter:
    """A thread that stands in the kernel's queue for the lock, so that a caller can give up.

    Polling would be simpler, and would let a busy process starve a patient one: the kernel serves
    in turn. It waits on a file of its own, since a lock belongs to the file that was opened, and
    two threads would share it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._state = threading.Condition()
        self._locked = False
        self._left = False
        self._wanted = True
        self.is_over = False
        threading.Thread(target=self._wait, name="gonogo store lock", daemon=True).start()

    def _wait(self) -> None:
        try:
            _lock(self.descriptor)
        except OSError:  # closed under it, in a child that was forked
            return
        with self._state:
            if self._wanted:
                self._locked = True
                self._state.notify_all()
            else:  # whoever asked gave up: to keep it would shut everyone else out
                self.is_over = True
                os.close(self.descriptor)

    def locked_within(self, seconds: float) -> bool:
        """Whether the lock was had in time."""
        with self._state:
            self._wanted = not self.is_over
            self._state.wait_for(lambda: self._locked or self._left or self.is_over, seconds)
            self._wanted = self._locked
            return self._locked

    def leave(self) -> None:
        """Have a caller that waits give up at once."""
        with self._state:
            self._left = True
            self._state.notify_all()


class FileLock:
    """An exclusive lock on a side file, among processes and among this one's threads.

    The kernel releases it when its holder dies. The side file is made on first use, for its owner
    alone, and stays: removing it would let two processes lock two files of one name. A child that is
    forked does not inherit it, so that it cannot outlive its holder in one.

    Args:
        path: Of the side file.
        limit_s: How long a caller waits at most.
    """

    def __init__(self, path: Path, *, limit_s: float = 10.0) -> None:
        self.path = path
        self.limit_s = limit_s
        self._descriptor = -1
        self._waiter: _Waiter | None = None
        self._waits_since: float | None = None
        self._ending = False
        # flock belongs to the open file, which the threads of a process share.
        self._threads = threading.Lock()
        _ALL.add(self)

    @contextmanager
    def held(self, limit_s: float | None = None) -> Iterator[None]:
        """Wait for the lock, hold it for the block.

        Raises:
            StoreHeld: Another process held it for all of the time that this one waits; the message
                says who, as far as the system tells.
            StoreError: The side file cannot be opened.
        """
        limit_s = self.limit_s if limit_s is None else limit_s
        if not self._threads.acquire(timeout=max(limit_s, 0.001)):
            raise self._gave_up(limit_s)
        try:
            descriptor = self._locked(limit_s)
            try:
                yield
            finally:
                _unlock(descriptor)
                if descriptor != self._descriptor:
                    os.close(descriptor)
        finally:
            self._threads.release()

    def is_free(self) -> bool:
        """Whether nobody holds it just now, longer than a commit of observations takes."""
        try:
            with self.held(_COMMIT_S):
                return True
        except StoreHeld:
            return False

    def waited_s(self) -> float:
        """How long this process has stood in the queue for it by now; 0 where it does not."""
        since = self._waits_since
        return 0.0 if since is None else time.monotonic() - since

    def give_up(self) -> None:
        """Let go whoever waits, and let nobody wait again: the process is about to end."""
        self._ending = True
        waiter = self._waiter
        if waiter is not None:
            waiter.leave()

    def _locked(self, limit_s: float) -> int:
        """The descriptor through which the lock is held now."""
        if self._descriptor < 0:
            self._descriptor = self._open()
        if self._waiter is not None and self._waiter.is_over:
            self._waiter = None
        if self._waiter is None and _try_lock(self._descriptor):
            return self._descriptor
        if self._waiter is None:
            self._waiter = _Waiter(self._open())
        waiter, limit_s = self._waiter, min(limit_s, 0.0) if self._ending else limit_s
        self._waits_since = time.monotonic()
        had = waiter.locked_within(min(TELL_AFTER_S, limit_s))
        if not had and limit_s > TELL_AFTER_S and not self._ending:
            _log.warning(
                "waiting for the store: '%s' is held by %s", self.path, holder_of(self.path)
            )
            had = waiter.locked_within(limit_s - TELL_AFTER_S)
        self._waits_since = None
        if not had and waiter.is_over:
            return self._locked(limit_s)
        if not had:
            raise self._gave_up(limit_s)
        self._waiter = None
        return waiter.descriptor

    def _gave_up(self, limit_s: float) -> StoreHeld:
        return StoreHeld(
            f"The store is held by {holder_of(self.path)}: after {limit_s:.2g} s of waiting nothing was "
            "written. End or resume that process, and try again."
        )

    def close(self) -> None:
        """Give the file descriptor back; the next use opens it again."""
        with self._threads:
            self._forget()

    def _forget(self) -> None:
        self._waiter = None  # its thread closes its own file once it has the lock
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def forget_in_child(self) -> None:
        """Drop an inherited lock in a forked child, so that the lock ends with its holder."""
        self._threads = threading.Lock()
        if self._waiter is not None and not self._waiter.is_over:
            os.close(self._waiter.descriptor)  # its thread is not in the child
        self._forget()

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreError(
                f"Cannot write beside the store: '{self.path}': {error.strerror}. "
                "Free or unlock the folder, name another store with --store, or only look: "
                "read_only = true under [settings]."
            ) from error


def holder_of(path: Path, kind: Literal["FLOCK", "POSIX"] = "FLOCK") -> str:
    """Find the process that holds a lock on a file, in the kernel's list, which Linux alone has."""
    try:
        inode = path.stat().st_ino
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            # A line of who waits has "->" in the second place.
            held = fields[1] == kind and fields[5].endswith(f":{inode}")
            if held and int(fields[4]) not in (-1, 0, os.getpid()):
                return process_named(int(fields[4]))
    except (OSError, ValueError, IndexError):
        pass
    return "another process"


def users_of(path: Path) -> list[str] | None:
    """Other processes that have a file open, as far as this user may see; None where no system tells."""
    wanted = path.resolve()
    if not Path("/proc/self/fd").is_dir():
        return None
    pids = sorted(int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal())
    return [process_named(pid) for pid in pids if pid != os.getpid() and _has_open(pid, wanted)]


def _has_open(pid: int, wanted: Path) -> bool:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # another user's, or it has ended
        return False
    for link in links:
        with suppress(OSError):  # closed just now
            if link.readlink() == wanted:
                return True
    return False


def process_named(pid: int) -> str:
    """A process as a person looks for it: its number, its command, since when it runs."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        since = datetime.fromtimestamp(Path(f"/proc/{pid}").stat().st_ctime, tz=UTC)
    except OSError:
        return f"process {pid}"
    command = plain(b" ".join(words).decode(errors="replace").strip(), 80)
    return f"process {pid} ('{command}', since {since:%Y-%m-%dT%H:%M:%SZ})"


_ALL: WeakSet[FileLock] = WeakSet()


def _in_child() -> None:
    for lock in list(_ALL):
        lock.forget_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
