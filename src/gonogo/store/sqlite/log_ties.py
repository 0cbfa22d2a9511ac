"""The tie between a store's file and its write-ahead log: which log belongs to which file.

A tie is 16 random bytes in the file that change each time a new log begins, and each time before one
is folded in. A log holds the tie before it and all of its own, so it belongs to a file whose tie is
one of these: the file as it was when the log began, or as far as it was folded in since; the log as
a whole makes either of them the same. A copy that SQLite's own tools made while the store was in use
has the tie of its moment, which no log that began later names. A backup gets a tie of its own, and no
log but one that begins in it will ever fit.

The last four of the bytes are the number of the schema's changes (`PRAGMA schema_version`): `VACUUM
INTO` arranges the pages anew and counts one further, so a log whose number is lower is not of it.
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from gonogo.errors import StoreError

TIE_MARK: Final = b"gonogo-tie:"
_SALTS, _ID, _COUNT = 8, 16, 4
_TIE_BYTES: Final = len(TIE_MARK) + _SALTS + 2 * _ID
# sqlite.org/fileformat2.html, "The Write-Ahead Log" and "The Database Header".
LOG_HEADER, _FRAME_HEADER = 32, 24
_SALTS_AT = 16
_SCHEMA_COUNT_AT = 40
_FIRST_PAGE = b"SQLite format 3\0"
# Without the store's lock one may look in the middle of a checkpoint: an answer of no is asked again.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Tie:
    """The log that a file or a log states it belongs to: that log's salts, and two ids."""

    salts: bytes
    before: bytes
    own: bytes

    @classmethod
    def within(cls, page: bytes) -> Tie | None:
        """The tie on a page; None where there is none."""
        at = page.find(TIE_MARK)
        found = page[at + len(TIE_MARK) : at + _TIE_BYTES]
        if at < 0 or len(found) < _TIE_BYTES - len(TIE_MARK):
            return None
        return cls(found[:_SALTS], found[_SALTS : _SALTS + _ID], found[_SALTS + _ID :])

    @property
    def schema_count(self) -> int:
        """How often the schema had changed; chance, and so high, in ties of earlier releases."""
        return int.from_bytes(self.own[-_COUNT:], "big")

    def stored(self) -> bytes:
        """The row of the table `log_tie`."""
        return TIE_MARK + self.salts + self.before + self.own


def log_of(path: Path) -> Path:
    """Where SQLite keeps the write-ahead log of a store."""
    return path.with_name(path.name + "-wal")


def log_salts(path: Path) -> bytes:
    """The salts in a log's header, which identify it; empty where there is no log."""
    try:  # in each commit: a buffered file costs four times the call
        with open(f"{path}-wal", "rb", buffering=0) as log:  # noqa: PTH123
            return _form_of(log.read(LOG_HEADER))[0]
    except OSError:
        return b""


def tie_of(connection: sqlite3.Connection) -> Tie | None:
    """The newest tie, as a connection sees it: with the log, or of the file alone."""
    try:
        row = connection.execute("SELECT tie FROM log_tie").fetchone()
    except sqlite3.OperationalError:  # a schema from before there were ties
        return None
    return None if row is None else Tie.within(row[0])


def has_ties(connection: sqlite3.Connection) -> bool:
    """Whether there is a table for them; there is none in a schema from before there were any."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'log_tie'")
    return found.fetchone() is not None


def tie_anew(connection: sqlite3.Connection, salts: bytes, *, copied: bool = False) -> None:
    """Give the file a new tie; a copy's does not name the one before it, so that no log fits."""
    found = None if copied else tie_of(connection)
    [count] = connection.execute("PRAGMA schema_version").fetchone()
    own = os.urandom(_ID - _COUNT) + count.to_bytes(_COUNT, "big")
    _store_tie(connection, Tie(salts or bytes(_SALTS), found.own if found else bytes(_ID), own))


def _store_tie(connection: sqlite3.Connection, tie: Tie) -> None:
    connection.execute("INSERT OR REPLACE INTO log_tie (id, tie) VALUES (1, ?)", (tie.stored(),))


def commit_tie(connection: sqlite3.Connection, salts: bytes) -> None:
    """Give the file a new tie, in a transaction of its own."""
    connection.execute("BEGIN IMMEDIATE")
    tie_anew(connection, salts)
    connection.execute("COMMIT")


def state_tie(connection: sqlite3.Connection, path: Path, salts: bytes) -> None:
    """Let a log that states nothing yet state which file it belongs to, in a transaction of its own.

    Nobody knows a log's salts before it began. Where it began with a tie, that one names the log
    before it and is stated again here: a new one would name a file that was never there, as long as
    nothing of this log is folded in.
    """
    tie, lying = tie_of(connection), lying_in_file(path)
    if tie is None or lying is None or tie.own == lying.tie:
        commit_tie(connection, salts)
    else:
        _store_tie(connection, Tie(salts, lying.tie, tie.own))


def forget_backup(connection: sqlite3.Connection) -> None:
    """Let a backup that is used as a store no longer say that it is one: what it says of itself would be wrong."""
    if connection.execute("SELECT 1 FROM backup_made").fetchone():
        connection.execute("DELETE FROM backup_made")


class Lying(NamedTuple):
    """The statements of a file without its log: its tie, and how often its schema changed."""

    tie: bytes
    schema_count: int


@dataclass(slots=True)
class Ties:
    """The statements of a log about the files that it completes; `of` is empty where it states nothing."""

    of: set[bytes]
    schema_count: int

    def fit(self, lying: Lying) -> bool:
        """Whether a file is one of these."""
        return lying.tie in self.of and lying.schema_count <= self.schema_count


def _frames(path: Path, *, checked: bool = False) -> Iterator[tuple[bytes, Tie | None]]:
    """The pages in the log that is under way, in order, and the tie on each that has one.

    Args:
        path: Of the store.
        checked: Whether frames end where their checksums do: what a power cut tore is no frame.
            Without, only the salts tell, which is quick and enough where the tie fits.
    """
    try:
        log = log_of(path).open("rb")
    except OSError:
        return
    with log:
        header = log.read(LOG_HEADER)
        salts, page_size = _form_of(header)
        order: Literal["big", "little"] = "big" if header[3:4] == b"\x83" else "little"
        sums = _checksum(header[:24], (0, 0), order)
        while len(frame := log.read(_FRAME_HEADER)) == _FRAME_HEADER and frame[8:16] == salts:
            page = log.read(page_size)
            if checked:
                sums = _checksum(frame[:8] + page, sums, order)
                if frame[16:24] != b"".join(part.to_bytes(4, "big") for part in sums):
                    return
            yield page, _tie_of_log(page, salts)


def _form_of(header: bytes) -> tuple[bytes, int]:
    """The salts of a log and the size of its pages."""
    return header[_SALTS_AT : _SALTS_AT + _SALTS], int.from_bytes(header[8:12], "big")


def _tie_of_log(page: bytes, salts: bytes) -> Tie | None:
    """The tie on a page, where it is of the log with these salts: a page may hold one of long before."""
    tie = Tie.within(page)
    return tie if tie is not None and tie.salts == salts else None


def ties_in_log(path: Path, *, checked: bool = False) -> Ties:
    """All ties of the log that is under way; `checked` as in `_frames`."""
    found = Ties(set(), 0)
    for page, tie in _frames(path, checked=checked):
        if tie is not None:
            found.of |= {tie.before, tie.own}
            found.schema_count = max(found.schema_count, tie.schema_count)
        if page.startswith(_FIRST_PAGE):
            count = int.from_bytes(page[_SCHEMA_COUNT_AT : _SCHEMA_COUNT_AT + _COUNT], "big")
            found.schema_count = max(found.schema_count, count)
    return found


def log_ends_in_tie(path: Path) -> bool:
    """Whether nothing was committed to the log since its newest tie."""
    try:
        log = log_of(path).open("rb")
    except OSError:
        return False
    with log:
        salts, page_size = _form_of(log.read(LOG_HEADER))
        size = _FRAME_HEADER + page_size

        def frame(at: int) -> bytes:
            log.seek(LOG_HEADER + at * size)
            return log.read(size)

        # Behind the frames of this log lie those of longer ones before it.
        count = max(log_bytes(path) - LOG_HEADER, 0) // size
        end = bisect_left(range(count), True, key=lambda at: frame(at)[8:16] != salts)
        return end > 0 and _tie_of_log(frame(end - 1), salts) is not None


def _checksum(
    data: bytes, start: tuple[int, int], order: Literal["big", "little"]
) -> tuple[int, int]:
    """The log's running checksum (sqlite.org/fileformat2.html, 4.2)."""
    first, second = start
    for at in range(0, len(data), 8):
        first = (first + int.from_bytes(data[at : at + 4], order) + second) & 0xFFFFFFFF
        second = (second + int.from_bytes(data[at + 4 : at + 8], order) + first) & 0xFFFFFFFF
    return first, second


def lying_in_file(path: Path) -> Lying | None:
    """Read a file's own statements without its log; None for a schema from before there were ties.

    The file is read through SQLite: to open and close it by hand would drop every lock that SQLite
    holds on it in this process (sqlite.org/howtocorrupt.html, 2.2).
    """
    uri = f"{path.absolute().as_uri()}?immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        tie = tie_of(connection)
        if tie is None:
            return None
        [count] = connection.execute("PRAGMA schema_version").fetchone()
        return Lying(tie.own, count)


def refuse_foreign_log(path: Path) -> None:
    """Refuse a store beside the log of another: it would be replayed into it, page by page.

    Raises:
        StoreError: One line that says which file to put where; nothing was changed.
    """
    if log_is_empty(path):
        return
    for attempt in range(TRIES):  # a reader takes no lock: it may look in a checkpoint's middle
        try:
            lying = lying_in_file(path) or Lying(bytes(_ID), 0)
        except sqlite3.Error:
            return  # what is damaged is told as that, further on
        ties = ties_in_log(path, checked=attempt == TRIES - 1)
        if not ties.of or ties.fit(lying):
            return
    raise StoreError(
        f"'{log_of(path)}' is the log of another file than '{path}', which was put in its place: "
        f"nothing was changed. Put back the file that the log belongs to, or put a backup in place "
        f"with gonogo restore FILE, which keeps both."
    )


def log_bytes(path: Path) -> int:
    """The size of a store's log; 0 where there is none."""
    try:
        return log_of(path).stat().st_size
    except OSError:
        return 0


def log_is_empty(path: Path) -> bool:
    """Whether nothing was committed to a log, or there is none."""
    return log_bytes(path) <= LOG_HEADER
