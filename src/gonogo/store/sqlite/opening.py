"""Opening a store file: what is refused, and how a connection is set up.

A file is looked at before anything may write to it, so that one that is refused (foreign, newer,
damaged) keeps every byte.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from gonogo.errors import StoreError
from gonogo.store.sqlite.connection import FileConnection
from gonogo.store.sqlite.failures import DAMAGED, store_error
from gonogo.store.sqlite.identity import (
    OpenFile,
    refuse_emptied,
    refuse_remains,
    was_a_store,
)
from gonogo.store.sqlite.lock import FileLock, sync_folder
from gonogo.store.sqlite.log_ties import forget_backup, log_of, refuse_foreign_log
from gonogo.store.sqlite.migrate import APPLICATION_ID, latest_version, migrate, refuse_newer

_BUSY_TIMEOUT_S = 5.0
BUSY_LOOK_MS = 100
_NETWORK = frozenset(
    {"afs", "ceph", "cifs", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"smb2", "smb3", "smbfs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)


def sqlite_advice(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> str | None:
    """Say whether this SQLite has the WAL-reset bug; None where it is fixed.

    Fixed in 3.51.3, and in the backports 3.44.6 and 3.50.7.
    """
    fixed = version >= (3, 51, 3) or (
        version[:2] in {(3, 44), (3, 50)}
        and version >= {44: (3, 44, 6), 50: (3, 50, 7)}[version[1]]
    )
    if fixed:
        return None
    name = ".".join(map(str, version))
    return (
        f"SQLite {name} has the WAL-reset bug (fixed in 3.51.3, 3.50.7 and 3.44.6). gonogo holds "
        "its own lock over every commit, checkpoint and close against it; do not write to the "
        "store with other programs."
    )


def refuse_mount(path: Path, mounts: str | None = None) -> None:
    """Refuse a store where its log cannot lie beside it for everyone who uses it.

    On a network file system, since SQLite's log needs memory shared by all writers; and as a file that is
    bound into a place of its own (`docker run -v …/gonogo.db:/gonogo.db`), whose log and lock would lie in
    that place and be nobody else's, and go with the container.

    Args:
        path: The store's file or folder.
        mounts: Text of `/proc/self/mountinfo`; read where absent, skipped where unreadable.

    Raises:
        StoreError: The deepest mount that holds `path` is a network file system, or `path` itself.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
    target = str(path.resolve())
    best, kind = "", ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) > 4 and right:  # noqa: PLR2004 - the mount point is the fifth field
            # Blanks, tabs, line ends and backslashes are written in octal there.
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
            inside = target == point or target.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, right.split()[0]
    if best == target and path.is_file():
        raise StoreError(
            f"Store '{path}' is a file that was mounted by itself: its log would lie where nobody else "
            "finds it. Mount the folder that it lies in."
        )
    if kind in _NETWORK:
        raise StoreError(
            f"Store '{path}' lies on a network file system ({kind} at '{best}'), where SQLite can "
            "lose data. Name a store on a local disk with --store, or use postgresql://."
        )


def _mark(path: Path) -> int | None:
    """The application id in the file; None where it is no SQLite file.

    Raises:
        StoreError: It is damaged.
    """
    # A disk that filled up in the middle of a checkpoint leaves a file that only its log makes whole.
    for mode in ("immutable=1", "mode=ro"):
        try:
            with closing(_connect(path, mode)) as connection:
                mark: int = connection.execute("PRAGMA application_id").fetchone()[0]
                return mark
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
                return None
            damaged = store_error(path, error)
    raise damaged


def _is_there(path: Path) -> bool:
    """Whether there is a store that is ours; False for a file that is absent or empty.

    The mark is read through SQLite, without its log: to open and close the file by hand would drop
    every lock that another connection of this process holds on it (howtocorrupt.html, 2.2).

    Raises:
        StoreError: It is another program's file, or cannot be read; it keeps every byte.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise StoreError(f"Store '{path}' is a directory. Name a file with --store.")
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"Store '{path}' is no ordinary file. Name another with --store.")
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(
            f"Store '{path}' cannot be opened: {error.strerror}. "
            "Check the path and its permissions, or name another with --store."
        ) from error
    if found.st_size == 0:
        return False
    mark = _mark(path)
    if mark != APPLICATION_ID:
        if was_a_store(path):
            raise StoreError(f"Store '{path}' is a gonogo store without its header: {DAMAGED}.")
        what = "no SQLite file" if mark is None else "an SQLite file of another program"
        raise StoreError(
            f"'{path}' is {what}, not a gonogo store. It was left as it is; "
            "name another file with --store."
        )
    return True


def _refuse_other_names(path: Path) -> None:
    """Refuse a file with two names: each would have a log and a lock of its own."""
    names = path.stat().st_nlink
    if names > 1:
        raise StoreError(
            f"Store '{path}' has {names} names (hard links), and writers under different names "
            f"would overwrite each other. Remove the others: find / -samefile '{path}'."
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?{mode}"


def _connect(path: Path, mode: str) -> FileConnection:
    return sqlite3.connect(
        _uri(path, mode),
        uri=True,
        isolation_level=None,
        timeout=_BUSY_TIMEOUT_S,
        cached_statements=256,
        factory=FileConnection,
    )


def _refuse_damaged(path: Path, *, quiet: bool) -> None:
    """Read the schema and the root of every table without being able to write.

    `quiet`: nothing else writes and no WAL waits, so the file is all there is.
    """
    connection = _connect(path, "immutable=1" if quiet else "mode=ro")
    try:
        refuse_newer(
            path, connection.execute("PRAGMA user_version").fetchone()[0], latest_version()
        )
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (table,) in tables.fetchall():
            quoted = table.replace('"', '""')
            connection.execute(f'SELECT 1 FROM "{quoted}" LIMIT 1').fetchone()  # noqa: S608 - a name of the schema
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    finally:
        connection.close()


def _set_up(connection: FileConnection) -> None:
    for pragma in (
        f"busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}",
        "cache_size = -16384",
        "temp_store = MEMORY",
        "mmap_size = 0",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _cannot_be_made(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"Store '{path}' cannot be made: {error.strerror}. "
        "Check the path and its permissions, or name another with --store."
    )


def _make_folder(path: Path) -> None:
    absent = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in absent:
            sync_folder(folder.parent)
    except OSError as error:
        raise _cannot_be_made(path, error) from error


def _create(path: Path) -> None:
    """Put an empty store in place, for its owner alone: marked as ours from its first byte on.

    Setting `auto_vacuum` writes a page without our mark, which another process or a crash could
    leave behind as a foreign file; so it is made beside, and moved.
    """
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = _connect(draft, "mode=rw")
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        finally:
            connection.close()
        # What a deleted store left behind, which is no more than an index of an empty log.
        for leftover in ("-wal", "-shm"):
            path.with_name(path.name + leftover).unlink(missing_ok=True)
        draft.replace(path)
    except OSError as error:
        raise _cannot_be_made(path, error) from error
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def open_writer(path: Path, lock: FileLock, file: OpenFile) -> FileConnection:
    """Open the store for writing; make it or bring its schema up to date where needed.

    Raises:
        StoreError: The path, the file or its schema is refused, in one line; the file keeps
            every byte.
    """
    _is_there(path)
    refuse_mount(path)
    _make_folder(path)
    with lock.held():
        if _is_there(path):
            _refuse_other_names(path)
            refuse_foreign_log(path)
            _refuse_damaged(path, quiet=_size(log_of(path)) == 0)
        else:
            refuse_remains(path)
            refuse_emptied(path, lock.path)
            _create(path)
        connection: FileConnection | None = None
        try:
            connection = _connect(path, "mode=rw")
            _set_up(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, path)
            forget_backup(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            # Whoever waits for another program's lock looks again this often, and may give up.
            connection.execute(f"PRAGMA busy_timeout = {BUSY_LOOK_MS}")
            file.opened()
            file.tie_log(connection)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise store_error(path, error) from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        return connection


def open_reader(path: Path) -> FileConnection:
    """Open the store for reading; works on a read-only disk where no WAL waits.

    Raises:
        StoreError: There is no store, or it is refused; the file keeps every byte.
    """
    if not _is_there(path):
        refuse_remains(path)
        raise StoreError(f"There is no store at '{path}'. Record observations first, or check it.")
    refuse_mount(path)
    refuse_foreign_log(path)
    quiet = _size(log_of(path)) == 0 and not os.access(path.parent, os.W_OK)
    _refuse_damaged(path, quiet=quiet)
    connection = connect_reader(path, mode="immutable=1" if quiet else "mode=ro")
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found < latest_version():
        connection.close()
        raise StoreError(
            f"Store '{path}' has schema {found}, made by an older gonogo; this one reads "
            f"{latest_version()}. Open it once for writing, which brings it up to date."
        )
    return connection


def connect_reader(path: Path, *, mode: str = "mode=ro") -> FileConnection:
    """A connection that cannot write, to a store that was already let in."""
    try:
        connection = _connect(path, mode)
        _set_up(connection)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    return connection
