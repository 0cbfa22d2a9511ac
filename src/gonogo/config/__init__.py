"""gonogo.toml, the environment and the command line become one frozen `Settings`, once, at start.

The only module that knows where things lie. The working directory means nothing to what is found
by itself: desktop clients start servers anywhere. A path that a person typed is read from where
they typed it, a path in gonogo.toml from where that file lies.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from gonogo.border.foreign import DEPTH_MAX, depth_within
from gonogo.errors import ConfigError, plain
from gonogo.settings import Settings

__all__ = [
    "default_config",
    "default_store",
    "load_settings",
    "local_routes",
    "named_store",
    "stamp_of",
]

# Addresses, also with a driver as SQLAlchemy writes it, with a slash too few, without a scheme, or as pairs of
# names and values, as libpq and ADO take them.
_ADDRESS = re.compile(
    r"[^/\\]+://|(?:postgres(?:ql)?|sqlite|mysql|mariadb|duckdb|file|https?)[+\w]*:|[^/\\]+:[^/\\]*@"
    r"|(?:.*[\s;])?(?:host|server|user|dbname|database|data source|password)\s*=",
    re.IGNORECASE,
)
# `undefined` and `null`: what a program writes that has no value.
_UNEXPANDED = re.compile(r"[$`]|%\(|%\w+%|^['\"{<]|['\"]$|^(?:undefined|null|None)$")
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
CONFIG_BYTES_MAX = 4 * 1024 * 1024
KEY_PARTS_MAX = 1_000


def load_settings(
    config: str | None,
    store: str | None,
    environ: Mapping[str, str],
    *,
    read_only: bool = False,
    may_be_missing: bool = False,
) -> Settings:
    """Parse what is configured: `--config` and `--store`, then the environment, then defaults.

    Args:
        config: Path of a gonogo.toml; else GONOGO_CONFIG, else the user's own, where there is one.
        store: Path or URL of the store; else GONOGO_STORE, else a file in the user's data folder.
        environ: The process environment.
        read_only: `--read-only` was given; gonogo.toml may ask for it too.
        may_be_missing: A named file need not be there: `config_path` names it, all else is default.

    Raises:
        ConfigError: a named file is not there, or a key or value in it is wrong; one line.
    """
    where = named_store(store, environ)
    named = config or environ.get("GONOGO_CONFIG")
    path: Path | None
    try:
        path = _expanded(named).absolute() if named else default_config(environ)
    except ConfigError:
        if named:
            raise
        path = None  # a user without a home folder has no configuration there
    if path is None:
        return Settings(store=where, read_only=read_only, environ=MappingProxyType(dict(environ)))
    if (may_be_missing or not named) and not _is_there(path):
        return Settings(
            store=where,
            config_path=path if named else None,
            read_only=read_only,
            environ=MappingProxyType(dict(environ)),
        )

    from gonogo.config.sections import build_settings

    stamp = stamp_of(path)  # before it is read: an edit meanwhile is seen later
    settings = build_settings(
        _parsed(path), path, store=where, read_only=read_only, environ=environ
    )
    return replace(settings, stamp=stamp, environ=MappingProxyType(dict(environ)))


def _is_there(path: Path) -> bool:
    """Whether there is a file; of a folder that may not be looked into nothing is assumed: it may set limits."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}. Name a configuration by --config, or set HOME."
        ) from None
    return True


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """A fingerprint of a file that changes when it is edited or replaced; None where there is no file."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def named_store(typed: str | None, environ: Mapping[str, str]) -> str:
    """The store: as typed at a terminal, by the environment, or the user's own.

    Raises:
        ConfigError: it is an address of something else, or was meant to be expanded by a shell.
    """
    named = (typed or environ.get("GONOGO_STORE") or "").strip()
    if not named:
        return str(default_store(environ))
    source = "--store" if typed else "GONOGO_STORE"
    if named.startswith(("postgresql://", "postgres://")):
        return named
    if _ADDRESS.match(named):
        # It may hold a password: no more than its scheme is said.
        scheme = named.partition(":")[0]
        is_bare = "://" not in named and ("@" in named or "=" in named)
        of = "a database" if is_bare else plain(scheme, 40)
        raise ConfigError(
            f"{source} is an address of {of}: write the path of a file, or "
            "postgresql://USER@HOST/DATABASE."
        )
    if _UNEXPANDED.search(named):
        raise ConfigError(
            f"{source} = {plain(named, 120)} is taken as it stands: nothing expands $ or takes "
            "quotes off it. Write the path itself."
        )
    if named == ":memory:":
        raise ConfigError(f"{source} = :memory: would be gone with each command: write a path.")
    if sys.platform != "win32" and _OF_WINDOWS.match(named):
        raise ConfigError(
            f"{source} = {plain(named, 120)} is a path of Windows, where this does not run: write it "
            "as this system has it (under WSL /mnt/c/…)."
        )
    path = _expanded(named)
    # What starts a server may start it anywhere: there a relative path means the data folder.
    folder = Path() if typed or path.is_absolute() else default_store(environ).parent
    return str((folder / path).absolute())


def _expanded(named: str) -> Path:
    try:
        return Path(named).expanduser()
    except RuntimeError:
        raise ConfigError(f"{plain(named, 120)}: no such home folder; write the path.") from None


def default_store(environ: Mapping[str, str]) -> Path:
    """The store's file in the user's data folder, as the platform has it."""
    return _user_folder(environ, "XDG_DATA_HOME", ".local/share", "LOCALAPPDATA") / "gonogo.db"


def local_routes(settings: Settings) -> Path:
    """The route file that gonogo keeps by itself: beside the store, or in the user's data folder."""
    if "://" not in settings.store:
        # By the file itself, however it is named: two links to one store have one route file.
        return Path(f"{os.path.realpath(settings.store)}.routes.json")
    import hashlib

    named = hashlib.sha256(settings.store.encode()).hexdigest()[:12]
    return default_store(settings.environ).with_name(f"{named}.routes.json")


def default_config(environ: Mapping[str, str]) -> Path:
    """The gonogo.toml in the user's configuration folder, as the platform has it."""
    return _user_folder(environ, "XDG_CONFIG_HOME", ".config", "APPDATA") / "gonogo.toml"


def _user_folder(environ: Mapping[str, str], xdg: str, below_home: str, windows: str) -> Path:
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:  # in a container a user may be a number without an account
        asked = Path(environ.get(xdg, ""))
        if asked.is_absolute():
            return asked / "gonogo"
        raise ConfigError(
            "This user has no home folder: name the store by GONOGO_STORE, or set HOME."
        ) from None
    if sys.platform == "win32":
        base = Path(environ.get(windows) or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        # The XDG specification: a path that is not absolute is to be ignored.
        asked = Path(environ.get(xdg, ""))
        base = asked if asked.is_absolute() else home / below_home
    return base / "gonogo"


def _parsed(path: Path) -> dict[str, object]:
    import tomllib

    try:
        # A pipe without a writer would be waited for; the one that a shell opens has its writer.
        if path.is_fifo() and not str(path).startswith(("/dev/", "/proc/")):
            raise ConfigError(f"{path} is no regular file.")
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
        if len(content) > CONFIG_BYTES_MAX:
            raise ConfigError(
                f"{path} is larger than {CONFIG_BYTES_MAX} bytes; is it a gonogo.toml?"
            )
        # The time that tomllib takes for a key grows by the square of its parts: 50,000 took half a minute.
        if any(key.partition(b"=")[0].count(b".") > KEY_PARTS_MAX for key in content.splitlines()):
            raise ConfigError(f"{path}: a table is nested more than {DEPTH_MAX} deep.")
        found = tomllib.loads(content.decode("utf-8-sig"))  # some editors begin with a mark
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file; check --config or GONOGO_CONFIG, or write it with "
            f"gonogo init {path}."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: a number is too long, or a value nested too deeply.") from None
    if not depth_within(found, DEPTH_MAX):
        raise ConfigError(f"{path}: a table is nested more than {DEPTH_MAX} deep.")
    return found


class ConfigFile:
    """The file that a process was configured by, looked at again before each question.

    A file that is wrong changes nothing: what was configured before stands, and `problem` says why.

    Args:
        settings: As they were read; without a file nothing is followed.
    """

    def __init__(self, settings: Settings) -> None:
        self._seen = settings.stamp
        self.problem: str | None = None

    def edited(self, settings: Settings) -> Settings | None:
        """The settings as the file has them now; None where they are as they were.

        Where the store is, and that a process only reads, stays as it was started.
        """
        path = settings.config_path
        if settings.stamp is None or path is None:
            return None
        stamp = stamp_of(path)
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            found = load_settings(
                str(path), settings.store, settings.environ, read_only=settings.read_only
            )
        except ConfigError as error:
            self.problem = str(error)
            return None
        self.problem = None
        if found.digest == settings.digest:
            return None
        return replace(found, store_schema=settings.store_schema, lock_wait_s=settings.lock_wait_s)
