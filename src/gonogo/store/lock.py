"""The advisory lock that every writer of a store holds.

SQLite's own busy handler polls, so that one process can starve the others for seconds; a kernel
lock queues them. It is held ahead of every BEGIN IMMEDIATE through the COMMIT, around every
checkpoint and around every close of a connection (which checkpoints): in SQLite before 3.51.3 a
checkpoint that overlaps a commit can lose it (the WAL-reset bug).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gonogo.errors import StoreError

__all__ = ["FileLock", "sync_folder"]

if sys.platform == "win32":  # untested on Windows
    import msvcrt

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


class FileLock:
    """An exclusive lock on a side file, among processes and among this one's threads.

    The kernel releases it when its holder dies. The side file is made on first use, for its owner
    alone, and stays: removing it would let two processes lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        # flock belongs to the open file, which the threads of a process share.
        self._threads = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock, hold it for the block.

        Raises:
            StoreError: The side file cannot be opened.
        """
        with self._threads:
            if self._descriptor < 0:
                self._descriptor = self._open()
            _lock(self._descriptor)
            try:
                yield
            finally:
                _unlock(self._descriptor)

    def close(self) -> None:
        """Give the file descriptor back; the next use opens it again."""
        with self._threads:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"Cannot write beside the store: '{self.path}': {error.strerror}. "
                "Free or unlock the folder, or name another store with --store."
            ) from error
