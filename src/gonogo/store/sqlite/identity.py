"""Is the open file still the one that its path names, and does the log beside it belong to it?

SQLite knows a store by an open file and its write-ahead log by a name. People move, remove and
overwrite files, and then the two part: what is written goes into a file that nobody will open, or a
log is replayed into a file that it was never made for (sqlite.org/howtocorrupt.html, 1.3 and 2.4).

Two things are therefore held against each other:

- The device and inode of the file, of its log and of the log's index, before a transaction and again
  before it is acknowledged: whoever comes after a removed log begins another, and neither knows of the other.
- The tie, which file and log have in common (`log_ties.py`).
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from gonogo.errors import StoreError
from gonogo.store.sqlite.log_ties import (
    TIE_MARK,
    TRIES,
    Ties,
    commit_tie,
    has_ties,
    log_ends_in_tie,
    log_is_empty,
    log_of,
    log_salts,
    lying_in_file,
    state_tie,
    tie_of,
    ties_in_log,
)

# What stands in the pages of a store, and in no other file: its ties and its first table.
_TRACES: Final = (TIE_MARK, b"CREATE TABLE observation (")
_LOOKED_THROUGH_MAX = 64 << 20
_CHUNK = 1 << 20


def _inode(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a path object costs twice the call
    except OSError:
        return None
    return found.st_dev, found.st_ino


class OpenFile:
    """A store file that is open for writing or reading, as long as its path still names it.

    Args:
        path: Of the store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: tuple[int, int] | None = None
        self._logs = [f"{path}-wal", f"{path}-shm"]
        self._beside: list[tuple[int, int] | None] = []
        self._changed_ns = self._size = 0
        self._salts = b""
        self.lost: StoreError | None = None

    def opened(self, *, has_log: bool = True) -> None:
        """Take the file that the path names now for the one that is open, and the log beside it."""
        found = self.path.stat()
        self._file, self._changed_ns = (found.st_dev, found.st_ino), found.st_mtime_ns
        self._size = found.st_size
        self._beside = [_inode(log) for log in self._logs] if has_log else []

    def refuse_other(self, connection: sqlite3.Connection | None = None) -> None:
        """Refuse to go on where the path names another file, or this one was overwritten.

        Args:
            connection: To look at the tie with, where the file's content changed since the last
                look; without it only the name is looked at.

        Raises:
            StoreError: What was done to the file, and what to do. It is raised from then on.
        """
        if self.lost is not None:
            raise self.lost
        if self._file is None:
            return
        try:
            found = self.path.stat()
        except OSError:
            raise self._lose("was moved or removed") from None
        if (found.st_dev, found.st_ino) != self._file:
            raise self._lose("was replaced by another file")
        if self._log_is_lost():
            raise self._lose("lost its log (the -wal or -shm file beside it)")
        if connection is None or found.st_mtime_ns == self._changed_ns:
            return
        is_cut = found.st_size < self._size
        if not any(self._fits(connection, is_cut=is_cut) for _ in range(TRIES)):
            raise self._lose("was overwritten")
        self._changed_ns, self._size = found.st_mtime_ns, found.st_size

    def _log_is_lost(self) -> bool:
        """Whether the open log or its index is not the one that lies there."""
        # Looked at in each commit: no more than two system calls.
        pairs = zip(self._logs, self._beside, strict=False)
        return any(opened is not None and opened != _inode(log) for log, opened in pairs)

    @property
    def can_be_opened_anew(self) -> bool:
        """Whether the path names a store, and no other log was begun in the place of this one's."""
        named = _inode(self.path)
        return named is not None and (
            named != self._file or not self._log_is_lost() or self.log_is_gone
        )

    @property
    def log_is_gone(self) -> bool:
        """Whether the open log was removed and none begun since: it can still be folded into the file."""
        return _inode(self.path) == self._file and self._log_is_lost() and log_is_empty(self.path)

    def _lose(self, what: str) -> StoreError:
        self.lost = StoreError(
            f"Store '{self.path}' {what} while it was open: nothing is acknowledged and nothing is "
            "answered from it. Put the file back or restart what uses it; gonogo restore FILE puts "
            "a backup in place."
        )
        return self.lost

    def _fits(self, connection: sqlite3.Connection, *, is_cut: bool) -> bool:
        """Whether what lies in the file is what its log was made for, or made of it since.

        Without the store's lock this may look in the middle of a checkpoint, so one answer of no is
        none.
        """
        tie = tie_of(connection)
        try:
            lying = lying_in_file(self.path)
        except sqlite3.Error:  # half folded in, as on a full disk: its log still makes it whole
            return not is_cut
        if tie is None or lying is None:
            return True
        # A reader may keep the log from being folded in further than to an earlier tie of it.
        return Ties({tie.before, tie.own}, tie.schema_count).fit(lying) or ties_in_log(
            self.path
        ).fit(lying)

    def tie_log(self, connection: sqlite3.Connection) -> None:
        """After a commit: where it began a new log, write into it which file it belongs to.

        The caller holds the store's lock, so that no other commit lies between. A process that is
        killed between the two leaves a log that says nothing, which is believed.
        """
        salts = log_salts(self.path)
        if salts in (self._salts, b""):
            return
        tie = tie_of(connection)
        if has_ties(connection) and (tie is None or tie.salts != salts):
            state_tie(connection, self.path, salts)
        self._salts = salts

    def fold_log_in(self, connection: sqlite3.Connection) -> None:
        """After a commit: checkpoint, as far as readers let it, under a tie that no copy made until now has."""
        self._renew_tie(connection)
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def tie_before_closing(self, connection: sqlite3.Connection) -> None:
        """Protect the checkpoint of whoever closes last; nobody else's closing needs a commit of its own.

        The caller holds the store's lock.
        """
        if not log_ends_in_tie(self.path):
            self._renew_tie(connection)

    def _renew_tie(self, connection: sqlite3.Connection) -> None:
        self.tie_log(connection)
        salts = log_salts(self.path)
        if salts and has_ties(connection):
            commit_tie(connection, salts)
            # Where nothing was committed since the log was folded in, that commit began a new one.
            self.tie_log(connection)


def refuse_remains(path: Path) -> None:
    """Refuse to make a new store beside what is left of one: its rows may lie in that log alone.

    Raises:
        StoreError: The store is not there, but its log is.
    """
    if not log_is_empty(path):
        raise StoreError(
            f"Store '{path}' is not there, but its log '{log_of(path)}' is: it was moved or "
            "removed while in use, and the log holds rows of it. Put the file back under its name, "
            f"or remove '{log_of(path)}' and '{path}-shm' to begin anew."
        )


def refuse_emptied(path: Path, lock: Path) -> None:
    """Refuse to make a new store of a file that was cut to nothing after it had been in use.

    A file that somebody made empty for a store to come is older than the lock beside it.

    Raises:
        StoreError: The file is empty and newer than its lock.
    """
    try:
        was_cut = path.stat().st_mtime_ns > lock.stat().st_mtime_ns
    except OSError:
        return
    if was_cut:
        raise StoreError(
            f"Store '{path}' is empty, and was in use before: it was cut to nothing. Put a backup in "
            f"its place with gonogo restore FILE, or remove '{path}' to begin anew."
        )


def was_a_store(path: Path) -> bool:
    """Whether pages of a store lie in a file that SQLite does not take for one of ours.

    It is read by hand, which would drop SQLite's locks on a file that this process has open; SQLite
    has just refused this one.
    """
    before = b""
    try:
        with path.open("rb") as file:
            while (chunk := file.read(_CHUNK)) and file.tell() <= _LOOKED_THROUGH_MAX:
                if any(trace in before + chunk for trace in _TRACES):
                    return True
                before = chunk[-64:]
    except OSError:
        pass
    return False
