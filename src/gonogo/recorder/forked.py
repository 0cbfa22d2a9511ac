"""Counts of what forked children leave unwritten, in memory that they share with their parent.

A child that is killed can tell nobody. Its parent reads what it had queued, once it is gone.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import NamedTuple

# Children that may live at once; those beyond are not watched.
CHILDREN_MAX = 64
_FIELDS = 3  # process id, waiting, dropped
_BYTES = 8
# A place whose child has not said its number yet: that of a process which is nobody's child.
_TAKEN = 1


class LostInChildren(NamedTuple):
    """Observations that ended children did not write, and the newest of those children."""

    n: int
    pid: int


class ChildCounts:
    """A child's own place in its parent's memory."""

    def __init__(self, cells: memoryview, place: int) -> None:
        self._cells = cells
        self._at = place * _FIELDS
        cells[self._at] = os.getpid()

    def say(self, *, waiting: int, dropped: int) -> None:
        """Describe the observations that would be lost if this process ended now."""
        self._cells[self._at + 1] = waiting
        self._cells[self._at + 2] = dropped


class ForkedChildren:
    """The places of a process's children, each taken before its fork."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, CHILDREN_MAX * _FIELDS * _BYTES)).cast("Q")
        self._next: int | None = None

    def before_fork(self) -> None:
        """Choose the place of the child that is about to be; none where all are taken."""
        places = range(len(self._cells) // _FIELDS)
        free = (place for place in places if not self._cells[place * _FIELDS])
        self._next = next(free, None)
        if self._next is not None:
            self._cells[self._next * _FIELDS] = _TAKEN

    def in_child(self) -> ChildCounts | None:
        """The place of this process, in its parent's memory."""
        return None if self._next is None else ChildCounts(self._cells, self._next)

    def take_lost(self) -> LostInChildren | None:
        """Take over what ended children left behind since the last call; None: nothing."""
        lost, newest = 0, 0
        for at in range(0, len(self._cells), _FIELDS):
            pid = self._cells[at]
            if pid not in (0, _TAKEN) and _has_ended(pid):
                left = self._cells[at + 1] + self._cells[at + 2]
                self._cells[at] = self._cells[at + 1] = self._cells[at + 2] = 0
                lost, newest = lost + left, pid if left else newest
        return LostInChildren(lost, newest) if lost else None


def _has_ended(pid: int) -> bool:
    """Whether a child of this process has ended; it is left for whoever waits for it."""
    if sys.platform == "win32":  # no process is forked there, and its kill(pid, 0) is Ctrl-C
        return False
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return _is_gone(pid)
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # waited for already


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another's by now
    return False
