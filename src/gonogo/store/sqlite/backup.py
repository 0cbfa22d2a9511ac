"""A copy of a store in use, in one file that says what it is; and putting one in a store's place.

A backup is an ordinary store with one row more (`backup_made`): when it was made, what it holds, and
a SHA-256 of the whole file. The digest lies in the file itself; it is taken with its own 32 bytes as
zeros.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gonogo.errors import StoreError, plain
from gonogo.records import Decision
from gonogo.store.books.audit import append_action
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.failures import store_error
from gonogo.store.sqlite.lock import FileLock, holder_of, sync_folder
from gonogo.store.sqlite.log_ties import forget_backup, log_of, refuse_foreign_log, tie_anew
from gonogo.store.sqlite.migrate import APPLICATION_ID, latest_version, migrate, refuse_newer

_MARK = b"gonogo-digest:"
_DIGEST_BYTES = 32
_CHUNK = 1 << 20
# Every connection to a file in WAL mode holds a shared lock on these bytes (sqlite.org, os.h).
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The contents of a backup as it states them, or as counted where it states nothing.

    `made_ms`: epoch milliseconds; None for a plain copy of a store. `newest_ts_ms`: of the newest
    observation. `size`: bytes.
    """

    made_ms: int | None
    observations: int
    actions: int
    newest_ts_ms: int | None
    size: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """The restored contents, and where the replaced store is kept; None where there was none."""

    facts: BackupFacts
    kept: Path | None


def copy_to(connection: sqlite3.Connection, target: Path, *, now_ms: int) -> int:
    """Copy the snapshot that a connection reads into a new file, and read it through.

    The file has its name only once it is whole and stands on the disk, so that no killed backup
    looks like one.

    Returns:
        Its size in bytes.

    Raises:
        StoreError: The file is there already, cannot be written, or is damaged, as the store then
            is; no copy is left behind.
    """
    shown = plain(str(target), 200)
    draft = target.with_name(target.name + ".partial")
    try:
        if target.exists():
            raise StoreError(f"Backup '{shown}' is there already; name a new file.")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"Backup '{shown}' cannot be written: {why}.") from None
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            connection.backup(copy)
            _refuse_damaged(copy, f"Backup '{shown}' failed its check, so the store is damaged")
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            _say_what_it_is(copy, now_ms)
        _seal(draft)
        draft.rename(target)
        sync_folder(target.parent)
        return target.stat().st_size
    except BaseException as error:
        for left in (draft, draft.with_name(draft.name + "-journal")):
            left.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise store_error(target, error) from error
        if isinstance(error, OSError):
            raise StoreError(f"Backup '{shown}' cannot be written: {error.strerror}.") from None
        raise


def _say_what_it_is(copy: sqlite3.Connection, now_ms: int) -> None:
    tie_anew(copy, b"", copied=True)
    found = _counted(copy)
    copy.execute("DELETE FROM backup_made")
    copy.execute(
        "INSERT INTO backup_made (id, made_ms, observations, actions, newest_ts_ms, digest)"
        " VALUES (1, ?, ?, ?, ?, ?)",
        (now_ms, *found, _MARK + bytes(_DIGEST_BYTES)),
    )


def _counted(connection: sqlite3.Connection) -> tuple[int, int, int | None]:
    """Observations, actions, and when the newest observation was."""
    [observations] = connection.execute("SELECT count(*) FROM observation").fetchone()
    [actions] = connection.execute("SELECT count(*) FROM audit").fetchone()
    [newest] = connection.execute("SELECT max(newest_ts_ms) FROM dependency").fetchone()
    return observations, actions, newest


def _seal(path: Path) -> None:
    """Write the digest into its place, and the file to the disk."""
    with path.open("r+b") as file:
        at, digest = _digest_of(file.fileno())
        file.seek(at)
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())


def _digest_of(descriptor: int) -> tuple[int, bytes]:
    """The path of a file's digest, and the digest that it ought to have."""
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_MARK)
        if at < 0:
            return -1, b""
        at += len(_MARK)
        whole = hashlib.sha256()
        for first in range(0, at, _CHUNK):
            whole.update(content[first : min(first + _CHUNK, at)])
        whole.update(bytes(_DIGEST_BYTES))
        for first in range(at + _DIGEST_BYTES, len(content), _CHUNK):
            whole.update(content[first : first + _CHUNK])
        return at, whole.digest()


def verified(path: Path) -> BackupFacts:
    """Read a backup through: its digest, its pages, what it holds.

    A plain copy of a store has no digest; its pages are looked at all the same.

    Raises:
        StoreError: It is no store, is of a newer release, or is not what was written.
    """
    shown = plain(str(path), 200)
    try:
        with path.open("rb") as file:
            header = file.read(100)
            if header[68:72] != APPLICATION_ID.to_bytes(4, "big"):
                raise StoreError(f"'{shown}' is no gonogo store: name a file of gonogo backup.")
            at, digest = _digest_of(file.fileno())
            file.seek(max(at, 0))
            said = file.read(_DIGEST_BYTES) if at >= 0 else b""
        with closing(_source(path)) as opened:
            version: int = opened.execute("PRAGMA user_version").fetchone()[0]
            refuse_newer(path, version, latest_version())
            _refuse_damaged(opened, f"Backup '{shown}' is damaged, use another one")
            facts = _facts(opened, path.stat().st_size)
    except OSError as error:
        raise StoreError(f"Backup '{shown}' cannot be read: {error.strerror}.") from None
    except sqlite3.DatabaseError as error:  # cut short, or a page of it is none
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise StoreError(
            f"Backup '{shown}' is damaged ({name}); it was left as it is. Use another backup."
        ) from error
    if facts.digest is not None and said != digest:
        raise StoreError(
            f"Backup '{shown}' is not as it was written: its digest is {said.hex()[:12]}…, its "
            f"content's {digest.hex()[:12]}…. Use another backup."
        )
    return facts


def _source(path: Path) -> sqlite3.Connection:
    """A file to copy from, with its log where it has one; nothing is written to either."""
    refuse_foreign_log(path)
    quiet = not log_of(path).exists() or log_of(path).stat().st_size == 0
    mode = "immutable=1" if quiet else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)


def _facts(connection: sqlite3.Connection, size: int) -> BackupFacts:
    try:
        row = connection.execute(
            "SELECT made_ms, observations, actions, newest_ts_ms, digest FROM backup_made"
        ).fetchone()
    except sqlite3.OperationalError:  # a copy from before backups said what they are
        row = None
    if row is None:
        return BackupFacts(None, *_counted(connection), size, None)
    made_ms, observations, actions, newest, digest = row
    return BackupFacts(
        made_ms, observations, actions, newest, size, digest.removeprefix(_MARK).hex()
    )


def _refuse_damaged(connection: sqlite3.Connection, what: str) -> None:
    [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreError(f"{what}: {plain(' '.join(str(found).split()), 200)}.")


def restore(
    source: Path, path: Path, *, stamp: str, entry_of: Callable[[RestoreReport], Decision]
) -> RestoreReport:
    """Put a backup in a store's place; what was there is kept beside it, with its log.

    Args:
        source: A backup, or another copy of a store; it stays as it is.
        path: Of the store, which may be missing or damaged.
        stamp: Ends the name of what is kept.
        entry_of: Makes the log entry of the restoration, which is in the store from its first moment.

    Raises:
        StoreError: The backup is not whole, the store is in use, or the disk refused; the store is
            as it was.
    """
    facts = verified(source)
    path = path.resolve()
    if path.exists() and source.samefile(path):
        raise StoreError(f"'{source}' is the store itself: name a backup of it.")
    draft = path.with_name(path.name + ".restoring")
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        with lock.held():
            _refuse_in_use(path)
            beside = _unused(path.with_name(f"{path.name}.before-{stamp}"))
            restored = RestoreReport(facts, beside if path.exists() else None)
            _copy(source, draft)
            _log(draft, entry_of(restored))
            _set_aside(path, beside)
            draft.rename(path)
            sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"'{path}' cannot be restored: {error.strerror}.") from None
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    finally:
        draft.unlink(missing_ok=True)
        lock.close()
    return restored


def _unused(path: Path) -> Path:
    """A name that nothing has: what an earlier restoration of this second set aside stays."""
    others = (path.with_name(f"{path.name}-{n}") for n in itertools.count(2))
    return next(each for each in itertools.chain([path], others) if not each.exists())


def _refuse_in_use(path: Path) -> None:
    """Refuse while any process has the store open, by the lock that each of them holds."""
    if sys.platform == "win32" or not path.exists():  # where an open file cannot be renamed anyway
        return
    import fcntl

    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError:
            raise StoreError(
                f"Store '{path}' is in use by {holder_of(path, 'POSIX')}: end every gonogo that "
                "uses it (servers, watch, dashboard), then restore again."
            ) from None


def _copy(source: Path, draft: Path) -> None:
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(_source(source)) as opened, closing(sqlite3.connect(draft)) as copy:
        opened.backup(copy)
        if copy.execute("SELECT 1 FROM sqlite_schema WHERE name = 'log_tie'").fetchone():
            tie_anew(copy, b"", copied=True)
            copy.commit()


def _log(draft: Path, entry: Decision) -> None:
    """Bring a copy's schema up to date and write the action that made it."""
    with closing(
        sqlite3.connect(draft, isolation_level=None, factory=FileConnection)
    ) as connection:
        migrate(connection, draft)
        connection.execute("BEGIN IMMEDIATE")
        forget_backup(connection)
        append_action(connection, entry)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    for log in (log_of(draft), draft.with_name(draft.name + "-shm")):
        log.unlink(missing_ok=True)
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def _set_aside(path: Path, kept: Path) -> None:
    """Give what lies there another name, its log with it, so that it can be opened under it."""
    log = log_of(path)
    if path.exists():
        path.rename(kept)
    if log.exists():
        log.rename(log_of(kept))
    log.with_name(path.name + "-shm").unlink(missing_ok=True)
