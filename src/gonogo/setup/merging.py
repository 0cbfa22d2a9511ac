"""Adding one server to a client's file: everything else in it stays, and the old file is kept."""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from gonogo.errors import ConfigError
from gonogo.setup.clients import SERVER, Place

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
        return self.before is not None and json.loads(self.before or "{}") == json.loads(self.after)

    def diff(self) -> str:
        """The change as a unified diff."""
        old = (self.before or "").splitlines()
        lines = difflib.unified_diff(old, self.after.splitlines(), lineterm="", n=2)
        return "\n".join([f"{self.path}:", *list(lines)[2:]])


def planned(place: Place, server: dict[str, object]) -> Change:
    """Read a client's file and put the server in it; writes nothing.

    Raises:
        ConfigError: the file cannot be read, or is not the JSON that could be changed safely.
    """
    before = _read(place.path)
    try:
        whole, servers = _parsed(place, before)
    except ConfigError as error:
        by_hand = f'add under "{place.key}" by hand: {json.dumps({SERVER: server})}'
        raise ConfigError(f"{error} Nothing was changed; {by_hand}") from None
    merged = {**whole, place.key: {**servers, SERVER: server}}
    after = json.dumps(merged, indent=_indent(before), ensure_ascii=False) + "\n"
    return Change(place.path, before, after)


def server_in(place: Place) -> dict[str, object] | None:
    """The entry that a client's file has; None where it has none.

    Raises:
        ConfigError: the file cannot be read, or has another shape.
    """
    _, servers = _parsed(place, _read(place.path))
    found = servers.get(SERVER)
    return found if isinstance(found, dict) else None


def _parsed(place: Place, text: str | None) -> tuple[dict[str, object], dict[str, object]]:
    """The whole file, and its servers."""
    try:
        whole = json.loads(text) if text and text.strip() else {}
    except ValueError:
        raise ConfigError(f"{place.path} is not plain JSON (comments?).") from None
    servers = whole.get(place.key, {}) if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or not isinstance(servers, dict):
        raise ConfigError(f'{place.path}: "{place.key}" is no table of servers.')
    return whole, servers


def _read(path: Path) -> str | None:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise ConfigError(f"{path} is larger than {BYTES_MAX} bytes; nothing was changed.")
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text; nothing was changed.") from None


def _indent(text: str | None) -> int | str:
    """As the file has it."""
    for line in (text or "").splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        if margin:
            return margin
    return 2


def carry_out(change: Change, *, stamp: str) -> Path | None:
    """Write the file in one step, readable by whom the old one was; the old one is kept beside.

    Args:
        change: What was planned.
        stamp: Goes into the kept file's name.

    Returns:
        Where the old file is kept; None where there was none.

    Raises:
        ConfigError: it cannot be written.
    """
    path = change.path.resolve()
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
