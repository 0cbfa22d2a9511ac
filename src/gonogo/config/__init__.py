"""gonogo.toml, the environment and the command line become one frozen `Settings`, once, at start.

The only module that knows where things lie. The working directory means nothing to what is found
by itself: desktop clients start servers anywhere. A path that a person typed is read from where
they typed it, a path in gonogo.toml from where that file lies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from gonogo.errors import ConfigError
from gonogo.settings import Settings

__all__ = ["default_config", "default_store", "load_settings", "local_routes"]

CONFIG_BYTES_MAX = 4 * 1024 * 1024


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
    where = store or environ.get("GONOGO_STORE") or str(default_store(environ))
    if "://" not in where:
        where = str(Path(where).expanduser().absolute())
    named = config or environ.get("GONOGO_CONFIG")
    path = Path(named).expanduser().absolute() if named else default_config(environ)
    if not path.exists() and (may_be_missing or not named):
        return Settings(
            store=where,
            config_path=path if named else None,
            read_only=read_only,
            environ=MappingProxyType(dict(environ)),
        )

    from gonogo.config.sections import build_settings

    settings = build_settings(
        _parsed(path), path, store=where, read_only=read_only, environ=environ
    )
    return replace(settings, environ=MappingProxyType(dict(environ)))


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
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
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
        with path.open("rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
        if len(content) > CONFIG_BYTES_MAX:
            raise ConfigError(
                f"{path} is larger than {CONFIG_BYTES_MAX} bytes; is it a gonogo.toml?"
            )
        return tomllib.loads(content.decode())
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file; check --config or GONOGO_CONFIG, or write it with "
            f"gonogo init {path}."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from None
