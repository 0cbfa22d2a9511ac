"""SQLite's failures in the product's words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gonogo.errors import StoreError, ValueRefused

DAMAGED = (
    "its content is damaged; it was left as it is. Put a backup in its place with gonogo restore "
    "FILE, which keeps what is there beside it"
)
_MISFIT = (
    "its tables are not those of its schema number; was that changed by hand? Put a backup in its place with "
    "gonogo restore FILE"
)
# By the first word of SQLite's extended error name, as in SQLITE_IOERR_WRITE.
_ADVICE = {
    "FULL": "the disk is full. Free space; nothing of this write was kept",
    "IOERR": "reading or writing failed; the disk may be full or failing. Free space or check it",
    "READONLY": "it is read-only. Check the file's and folder's permissions, or name another store",
    "CANTOPEN": "it cannot be opened. Check the folder and its permissions, or name another store",
    "PERM": "access was refused. Check the file's and folder's permissions",
    "AUTH": "access was refused. Check the file's and folder's permissions",
    "CORRUPT": DAMAGED,
    "NOTADB": "it is not a gonogo store. It was left as it is; name another file",
    "BUSY": "another program holds it locked. Close that program and try again",
    "LOCKED": "another program holds it locked. Close that program and try again",
    "NOMEM": "memory ran out",
    "TOOBIG": "a value is too large to store",
}
# A value that breaks a rule of its column, or is of another type or too long for it.
_OF_VALUES = ("CONSTRAINT", "MISMATCH", "TOOBIG")


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """The one-line error for a failure of SQLite, with what to do about it."""
    name: str = getattr(error, "sqlite_errorname", None) or type(error).__name__
    word = name.removeprefix("SQLITE_").partition("_")[0]
    if str(error) == "integer overflow":
        return StoreError(
            f"Store '{path}': a number in it is none that was ever written: {DAMAGED} ({name})."
        )
    if str(error).startswith(("no such table", "no such column")):
        return StoreError(f"Store '{path}': {error}: {_MISFIT}.")
    kind = ValueRefused if word in _OF_VALUES else StoreError
    return kind(f"Store '{path}': {_ADVICE.get(word) or error} ({name}).")
