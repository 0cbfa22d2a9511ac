"""Is the open file still the one that its path names, and does the log beside it belong to it?

SQLite knows a store by an open file and its write-ahead log by a name. People move, remove and
overwrite files, and then the two part: what is written goes into a file that nobody will open, or a
log is replayed into a file that it was never made for (sqlite.org/howtocorrupt.html, 1.3 and 2.4).

Two things are therefore held against each other:

- The device and inode of the file, of its log and of the log's index, before a transaction and again
  before it is acknowledged: whoever comes after a removed log begins another, and neither knows of the other.
- The *tie*: 16 random bytes in the file that change each time a new log begins. The first writes to
  a log hold the tie before it and its own, so a log belongs to a file whose tie is one of these: the
  file as it was when the log began, or as far as it was folded in since. A backup gets a tie of its
  own, and no log but one that begins in it will ever fit.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gonogo.errors import StoreError

_MARK: Final = b"gonogo-tie:"
_SALTS, _ID = 8, 16
_TIE_BYTES: Final = len(_MARK) + _SALTS + 2 * _ID
# sqlite.org/fileformat2.html, "The Write-Ahead Log".
_LOG_HEADER, _FRAME_HEADER = 32, 24
_SALTS_AT = 16
_TRIES = 5
# What stands in the pages of a store, and in no other file: its ties and its first table.
_TRACES: Final = (_MARK, b"CREATE TABLE observation (")
_LOOKED_THROUGH_MAX = 64 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Tie:
    """What a file or a log says it belongs to: the salts of the log it was made in, and two ties."""

    salts: bytes
    before: bytes
    own: bytes

    @classmethod
    def within(cls, page: bytes) -> Tie | None:
        """The tie on a page; None where there is none."""
        at = page.find(_MARK)
        found = page[at + len(_MARK) : at + _TIE_BYTES]
        if at < 0 or len(found) < _TIE_BYTES - len(_MARK):
            return None
        return cls(found[:_SALTS], found[_SALTS : _SALTS + _ID], found[_SALTS + _ID :])

    def stored(self) -> bytes:
        """The row of the table `log_tie`."""
        return _MARK + self.salts + self.before + self.own


def log_of(path: Path) -> Path:
    """Where SQLite keeps the write-ahead log of a store."""
    return path.with_name(path.name + "-wal")


def _inode(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a path object costs twice the call
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _log_salts(path: Path) -> bytes:
    """What names a log: the salts in its header; empty where there is no log."""
    try:
        with log_of(path).open("rb") as log:
            return log.read(_LOG_HEADER)[_SALTS_AT : _SALTS_AT + _SALTS]
    except OSError:
        return b""


def _tie_of(connection: sqlite3.Connection) -> Tie | None:
    try:
        row = connection.execute("SELECT tie FROM log_tie").fetchone()
    except sqlite3.OperationalError:  # a schema from before there were ties
        return None
    return None if row is None else Tie.within(row[0])


def _root_of(connection: sqlite3.Connection) -> int | None:
    """The page on which the table of ties begins; None for a schema from before there were any."""
    found = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'log_tie'")
    row = found.fetchone()
    return None if row is None else row[0]


def tie_anew(connection: sqlite3.Connection, salts: bytes, *, copied: bool = False) -> None:
    """Give the file a new tie; a copy's does not name the one before it, so that no log fits."""
    found = None if copied else _tie_of(connection)
    tie = Tie(salts or bytes(_SALTS), found.own if found else bytes(_ID), os.urandom(_ID))
    connection.execute("INSERT OR REPLACE INTO log_tie (id, tie) VALUES (1, ?)", (tie.stored(),))


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
        if not any(self._fits(connection, is_cut=is_cut) for _ in range(_TRIES)):
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
        return _inode(self.path) == self._file and self._log_is_lost() and _log_is_empty(self.path)

    def _lose(self, what: str) -> StoreError:
        self.lost = StoreError(
            f"Store '{self.path}' {what} while it was open: nothing is acknowledged and nothing is "
            "answered from it. Put the file back or restart what uses it; gonogo restore FILE puts "
            "a backup in place."
        )
        return self.lost

    def _fits(self, connection: sqlite3.Connection, *, is_cut: bool) -> bool:
        """Whether what lies in the file is what its log was made for, or made of it since.

        The file is read through SQLite: to open and close it by hand would drop every lock that
        SQLite holds on it in this process (sqlite.org/howtocorrupt.html, 2.2). Without the store's
        lock this may look in the middle of a checkpoint, so one answer of no is none.
        """
        tie = _tie_of(connection)
        try:
            _, lying = _tie_in_file(self.path)
        except sqlite3.Error:  # half folded in, as on a full disk: its log still makes it whole
            return not is_cut
        return tie is None or lying is None or lying.own in (tie.before, tie.own)

    def tie_log(self, connection: sqlite3.Connection) -> None:
        """After a commit: where it began a new log, write into it which file it belongs to.

        The caller holds the store's lock, so that no other commit lies between. A process that is
        killed between the two leaves a log that says nothing, which is believed.
        """
        salts = _log_salts(self.path)
        if salts in (self._salts, b""):
            return
        tie = _tie_of(connection)
        if _root_of(connection) is not None and (tie is None or tie.salts != salts):
            connection.execute("BEGIN IMMEDIATE")
            tie_anew(connection, salts)
            connection.execute("COMMIT")
        self._salts = salts


def _tie_in_log(path: Path, root: int | None, *, checked: bool = False) -> Tie | None:
    """The first tie among the frames of the log that is under way; a log has one.

    Args:
        path: Of the store.
        root: The page that ties lie on, where the file knows it.
        checked: Whether frames end where their checksums do: what a power cut tore is no frame.
            Without, only the salts tell, which is quick and enough where the tie fits.
    """
    try:
        log = log_of(path).open("rb")
    except OSError:
        return None
    with log:
        header = log.read(_LOG_HEADER)
        salts = header[_SALTS_AT : _SALTS_AT + _SALTS]
        page_size = int.from_bytes(header[8:12], "big")
        order: Literal["big", "little"] = "big" if header[3:4] == b"\x83" else "little"
        sums = _checksum(header[:24], (0, 0), order)
        while len(frame := log.read(_FRAME_HEADER)) == _FRAME_HEADER and frame[8:16] == salts:
            page = log.read(page_size)
            if checked:
                sums = _checksum(frame[:8] + page, sums, order)
                if frame[16:24] != b"".join(part.to_bytes(4, "big") for part in sums):
                    return None
            if root is None or int.from_bytes(frame[:4], "big") == root:
                tie = Tie.within(page)
                if tie is not None and tie.salts == salts:
                    return tie
    return None


def _checksum(
    data: bytes, start: tuple[int, int], order: Literal["big", "little"]
) -> tuple[int, int]:
    """The log's running checksum (sqlite.org/fileformat2.html, 4.2)."""
    first, second = start
    for at in range(0, len(data), 8):
        first = (first + int.from_bytes(data[at : at + 4], order) + second) & 0xFFFFFFFF
        second = (second + int.from_bytes(data[at + 4 : at + 8], order) + first) & 0xFFFFFFFF
    return first, second


def _tie_in_file(path: Path) -> tuple[int | None, Tie | None]:
    """The root page of the table of ties and its tie, from the file alone, without its log."""
    uri = f"{path.absolute().as_uri()}?immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        root = _root_of(connection)
        return root, None if root is None else _tie_of(connection)


def refuse_foreign_log(path: Path) -> None:
    """Refuse a store beside the log of another: it would be replayed into it, page by page.

    Raises:
        StoreError: One line that says which file to put where; nothing was changed.
    """
    if _log_is_empty(path):
        return
    for attempt in range(_TRIES):  # a reader takes no lock: it may look in a checkpoint's middle
        try:
            root, lying = _tie_in_file(path)
        except sqlite3.Error:
            return  # what is damaged is told as that, further on
        tie = _tie_in_log(path, root, checked=attempt == _TRIES - 1)
        if tie is None or (lying.own if lying else bytes(_ID)) in (tie.before, tie.own):
            return
    raise StoreError(
        f"'{log_of(path)}' is the log of another file than '{path}', which was put in its place: "
        f"nothing was changed. To put a backup in place, move '{log_of(path)}' and '{path}-shm' "
        f"away and use gonogo restore FILE."
    )


def log_bytes(path: Path) -> int:
    """The size of a store's log; 0 where there is none."""
    try:
        return log_of(path).stat().st_size
    except OSError:
        return 0


def _log_is_empty(path: Path) -> bool:
    return log_bytes(path) <= _LOG_HEADER


def refuse_remains(path: Path) -> None:
    """Refuse to make a new store beside what is left of one: its rows may lie in that log alone.

    Raises:
        StoreError: The store is not there, but its log is.
    """
    if not _log_is_empty(path):
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
