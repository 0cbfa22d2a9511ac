"""Adding one server to a client's file: everything else in it stays, and the old file is kept."""

from __future__ import annotations

import difflib
import json
import os
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gonogo.border.foreign import foreign_file
from gonogo.errors import ConfigError
from gonogo.setup.clients import SERVER, Place
from gonogo.setup.jsonc import Document, with_value
from gonogo.setup.toml_tables import toml_value, with_table, with_yaml_entry, yaml_entry

_MARK = "\ufeff"
BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Change:
    """What a file would become. `before` is None where there is no file yet."""

    path: Path
    before: str | None
    after: str

    @property
    def is_none(self) -> bool:
        """Whether the file already says it."""
        return self.before == self.after

    def diff(self) -> str:
        """The change as a unified diff."""
        old = (self.before or "").splitlines()
        lines = difflib.unified_diff(old, self.after.splitlines(), lineterm="", n=2)
        return "\n".join([f"{self.path}:", *list(lines)[2:]])


def planned(place: Place, server: dict[str, object]) -> Change:
    """Read a client's file and put the server in it; writes nothing.

    Raises:
        ConfigError: the file cannot be read, or has a shape that could not be changed safely.
    """
    before = read_text(place.path)
    text = before or ""
    try:
        if _server(place, text) == server:
            return Change(place.path, before, text)
        after = as_written(text, lambda body: _with(place, body, server))
        if _server(place, after) != server:
            raise ValueError("what was written is not read as it was meant")  # noqa: TRY301
    except (ValueError, RecursionError):
        raise ConfigError(
            f'{place.path}: "{place.key}" is no table of servers that can be changed safely. '
            f'Nothing was changed; add under "{place.key}" by hand: {_by_hand(place, server)}'
        ) from None
    return Change(place.path, before, after)


def _with(place: Place, text: str, server: dict[str, object]) -> str:
    """The text with the server in it."""
    if place.form == "yaml":
        return with_yaml_entry(text, place.key, SERVER, server)
    if place.form == "toml":
        return with_table(text, place.key, SERVER, server)
    return with_value(text, (place.key, SERVER), server, indent=indent_of(text))


def _by_hand(place: Place, server: dict[str, object]) -> str:
    """The entry in one line, as the client's file would have it."""
    match place.form:
        case "toml":
            return f"{SERVER} = {toml_value(server)}"
        case "yaml":
            return f"{SERVER}: {json.dumps(server)}"
        case _:
            return json.dumps({SERVER: server})[1:-1]


def as_written(text: str, edit: Callable[[str], str]) -> str:
    """What an edit makes of a text, with the line ends and the byte order mark that the text has."""
    body = text.removeprefix(_MARK)
    is_windows = "\r\n" in body and body.count("\r\n") == body.count("\n")
    after = edit(body.replace("\r\n", "\n") if is_windows else body)
    mark = _MARK if len(body) < len(text) else ""
    return mark + (after.replace("\n", "\r\n") if is_windows else after)


def server_in(place: Place) -> dict[str, object] | None:
    """The entry that a client's file has; None where it has none that can be read.

    Raises:
        ConfigError: the file cannot be read, or has another shape.
    """
    try:
        found = _server(place, read_text(place.path) or "")
    except (ValueError, RecursionError):
        what = f'"{place.key}" is no table of servers'
        if place.form == "yaml":
            what = f'"{SERVER}" under "{place.key}" is written in a way that is not read here'
        raise ConfigError(f"{place.path}: {what}.") from None
    return found if isinstance(found, dict) else None


def _server(place: Place, text: str) -> object:
    """This program's entry in a file, where there is one.

    Raises:
        ValueError: It cannot be read as what it should be.
    """
    text = text.removeprefix(_MARK)
    if place.form == "yaml":
        return yaml_entry(text, place.key, SERVER)
    return _servers(place, text).get(SERVER)


def _servers(place: Place, text: str) -> dict[str, object]:
    """The servers in a file.

    Raises:
        ValueError: It cannot be read as what it should be.
    """
    whole = tomllib.loads(text) if place.form == "toml" else Document(text).value
    servers = whole.get(place.key, {}) if isinstance(whole, dict) else None
    if not isinstance(servers, dict):
        raise ValueError("no table of servers")  # noqa: TRY004 - what the text says is wrong
    return servers


def read_text(path: Path) -> str | None:
    """A client's file; None where there is none.

    Raises:
        ConfigError: It cannot be read, is far too large, or is no text.
    """
    try:
        return foreign_file(str(path), bytes_max=BYTES_MAX).decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; nothing was changed.") from None
    except ValueError as error:
        raise ConfigError(f"{path} {error}; nothing was changed.") from None


def indent_of(text: str | None) -> str:
    """What each level of a text is indented by."""
    for line in (text or "").splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        if margin:
            return margin
    return "  "


def carry_out(change: Change, *, stamp: str) -> Path | None:
    """Write the file in one step, readable by whom the old one was; the old one is kept beside.

    Args:
        change: What was planned.
        stamp: Goes into the kept file's name.

    Returns:
        Where the old file is kept; None where there was none.

    Raises:
        ConfigError: it is read-only, cannot be written, or was changed since it was read.
    """
    path = change.path.resolve()
    if read_text(path) != change.before:
        raise ConfigError(f"{path} was changed meanwhile; nothing was written. Run it again.")
    kept = path.with_name(f"{path.name}.{stamp}.bak") if change.before is not None else None
    made = path.with_name(f"{path.name}.{stamp}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.stat() if kept else None
        if there and not there.st_mode & 0o222:
            raise ConfigError(f"{path} is read-only; nothing was written. Make it writable first.")
        for file, text in ((kept, change.before), (made, change.after)):
            if file is not None:
                _write(file, text or "", like=there)
        made.replace(path)
    except OSError as error:
        for file in (kept, made):
            if file is not None:
                with suppress(OSError):
                    file.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    return kept


def _write(file: Path, text: str, *, like: os.stat_result | None) -> None:
    """Write a new file for whom another one is, or for its owner alone."""
    mode = like.st_mode & 0o777 if like else 0o600
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(number, "w", encoding="utf-8", newline="") as out:
        out.write(text)
        out.flush()
        os.fsync(number)
    if like and sys.platform != "win32":
        # Under sudo the file would become root's, and the client could no longer save it.
        with suppress(OSError):
            os.chown(file, like.st_uid, like.st_gid)
