"""Adding one server to a client's file: everything else in it stays, and the old file is kept."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from gonogo.border.foreign import foreign_file
from gonogo.errors import ConfigError
from gonogo.setup.clients import SERVER, Place
from gonogo.setup.jsonc import Document, with_value
from gonogo.setup.toml_tables import with_table, with_yaml_entry, yaml_entry

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
        if place.form == "yaml":
            after = with_yaml_entry(text, place.key, SERVER, server)
        elif place.form == "toml":
            after = with_table(text, place.key, SERVER, server)
        else:
            after = with_value(text, (place.key, SERVER), server, indent=indent_of(before))
    except (ValueError, RecursionError):
        by_hand = f'add under "{place.key}" by hand: {json.dumps({SERVER: server})}'
        raise ConfigError(
            f'{place.path}: "{place.key}" is no table of servers that can be changed safely. '
            f"Nothing was changed; {by_hand}"
        ) from None
    return Change(place.path, before, after)


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
        ConfigError: it cannot be written, or was changed since it was read.
    """
    path = change.path.resolve()
    if read_text(path) != change.before:
        raise ConfigError(f"{path} was changed meanwhile; nothing was written. Run it again.")
    kept = path.with_name(f"{path.name}.{stamp}.bak") if change.before is not None else None
    made = path.with_name(f"{path.name}.{stamp}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if kept else 0o600
        for file, text in ((kept, change.before), (made, change.after)):
            if file is not None:
                number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                with os.fdopen(number, "w", encoding="utf-8", newline="") as out:
                    out.write(text or "")
                    out.flush()
                    os.fsync(out.fileno())
        made.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    return kept
