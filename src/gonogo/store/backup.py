"""A copy of a store in use, in one file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from gonogo.errors import StoreError, plain
from gonogo.store.failures import store_error
from gonogo.store.lock import sync_folder

__all__ = ["copy_to"]


def copy_to(connection: sqlite3.Connection, target: Path) -> int:
    """Copy the snapshot that a connection reads into a new file, and read it through.

    It stands on the disk when this returns.

    Returns:
        Its size in bytes.

    Raises:
        StoreError: The file is there already, cannot be written, or is damaged, as the store then
            is; no copy is left behind.
    """
    shown = plain(str(target), 200)
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise StoreError(f"Backup '{shown}' is there already; name a new file.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"Backup '{shown}' cannot be written: {why}.") from None
    try:
        with closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)
            _refuse_damaged(copy, shown)
        sync_folder(target.parent)
        return target.stat().st_size
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise store_error(target, error) from error
        raise


def _refuse_damaged(copy: sqlite3.Connection, shown: str) -> None:
    [found] = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        said = plain(" ".join(str(found).split()), 200)
        raise StoreError(f"Backup '{shown}' failed its check, so the store is damaged: {said}.")
