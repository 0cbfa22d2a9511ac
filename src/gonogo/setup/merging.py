"""Adding one server to a client's file: everything else in it stays, and the old file is kept."""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

from gonogo.border.foreign import foreign_file
from gonogo.errors import ConfigError
from gonogo.setup.clients import SERVER, Place
from gonogo.setup.jsonc import Document, with_value

_MARK = "\ufeff"
BYTES_MAX = 16 * 1024 * 1024

# Of a block in YAML: a key, or one in quotes, or an item of a list.
_ENTRY = re.compile(r"[^\s\-\[{][^:]*:(\s|$)|[\"']|-\s")

_HEADER = re.compile(r"\s*\[")


@dataclass(frozen=True, slots=True)
class Change:
    """A planned edit of a file. `before` is None where there is no file yet."""

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
    """Edit a text and keep its line ends and its byte order mark."""
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
    """Find this program's entry in a file; None where there is none.

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
    """The indentation of each level of a text."""
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


def with_table(text: str, section: str, name: str, table: Mapping[str, object]) -> str:
    """The TOML text with `[section.name]` as given.

    Raises:
        ValueError: It is no TOML, or the table cannot be told from its text.
    """
    before = tomllib.loads(text)
    heads = {f"[{section}.{name}]", f'[{section}."{name}"]'}
    inner = tuple(head[:-1] + "." for head in heads)
    kept: list[str] = []
    aside: list[str] = []
    dropping, at = False, None
    for line in text.split("\n"):
        if _HEADER.match(line):
            head = line.split("#")[0].strip()
            dropping = head in heads or head.startswith(inner)
            if dropping and at is None:
                at = len(kept)
            kept, aside = [*kept, *aside], []
        if not dropping:
            kept.append(line)
        # What is said before the next table is about that one.
        elif line.strip()[:1] in ("", "#"):
            aside.append(line)
        else:
            aside = []
    kept += aside
    lines = [
        f"[{section}.{name}]",
        *(f"{key} = {toml_value(value)}" for key, value in table.items()),
    ]
    if at is None:
        while kept and not kept[-1].strip():
            kept.pop()
        after = "\n".join([*kept, *([""] if kept else []), *lines]) + "\n"
    else:
        after = "\n".join([*kept[:at], *lines, *(kept[at:] or [""])])
    wanted = {**before, section: {**before.get(section, {}), name: dict(table)}}
    if tomllib.loads(after) != wanted:
        raise ValueError("the table is written in a way that cannot be changed safely")
    return after


def toml_value(value: object) -> str:
    """A value in TOML, in one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, date | time):
        return value.isoformat()
    # JSON's texts, numbers and booleans are TOML's, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def with_yaml_entry(text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """The YAML text with an entry of a top-level mapping as given, values in YAML's flow style.

    Raises:
        ValueError: The text is no mapping, or the section is not written as a block of one.
    """
    block = [f"  {name}:", *(f"    {k}: {json.dumps(v)}" for k, v in entry.items())]
    lines = text.removesuffix("\n").split("\n") if text else []
    _check_mapping(text.lstrip("\ufeff").removeprefix("---\n").split("\n"))
    heads = [i for i, line in enumerate(lines) if re.match(rf"{re.escape(section)}\s*:", line)]
    if not heads:
        return "\n".join([*lines, f"{section}:", *block]) + "\n"
    [head] = heads if len(heads) == 1 else [-1]
    if head < 0 or not re.fullmatch(
        rf"{re.escape(section)}\s*:\s*(\{{\s*\}})?\s*(#.*)?", lines[head]
    ):
        raise ValueError("the section cannot be changed safely")
    lines[head] = f"{section}:"
    end = head + 1
    while end < len(lines) and (not lines[end].strip() or lines[end][:1] in " #"):
        end += 1
    inside = lines[head + 1 : end]
    # A list may stand as far left as the section that it is of.
    _check_mapping([*inside, *(line for line in lines[end : end + 1] if line[:1] == "-")])
    margin = min((_margin(line) for line in _content(inside)), default=2)
    kept: list[str] = []
    dropping = False
    for line in inside:
        if line.strip() and _margin(line) <= margin:
            dropping = bool(re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*:", line))
        if not dropping:
            kept.append(line)
    shift = " " * (margin - 2) if margin > 2 else ""  # noqa: PLR2004 - the block's own margin
    return "\n".join([*lines[: head + 1], *(shift + b for b in block), *kept, *lines[end:]]) + "\n"


def yaml_entry(text: str, section: str, name: str) -> dict[str, object] | None:
    """An entry of a top-level mapping; None where there is none.

    Reads what `with_yaml_entry` writes, and the block style that a client writes back: texts, numbers, and lists and
    mappings of them.

    Raises:
        ValueError: The entry is written in another way.
    """
    lines = [line for line in text.split("\n") if line.strip()[:1] not in ("", "#")]
    value = ""
    for key in (section, name):
        margin = _margin(lines[0]) if lines else 0
        at = next(
            (i for i, line in enumerate(lines) if _key_of(line) == key and _margin(line) == margin),
            None,
        )
        if at is None:
            return None
        ends = (i for i, line in enumerate(lines[at + 1 :], at + 1) if _margin(line) <= margin)
        value = lines[at].partition(":")[2].partition(" #")[0].strip()
        lines = lines[at + 1 : next(ends, len(lines))]
    if value:
        raise ValueError("the entry is no block")
    entry: dict[str, object] = {}
    key = ""
    for line in lines:
        item = line.strip()
        if item.startswith("- "):
            listed = entry.get(key) or []
            if not isinstance(listed, list):
                raise ValueError("a value is written in two ways")
            entry[key] = [*listed, _scalar(item[2:].strip())]
        elif _margin(line) == _margin(lines[0]):
            key, _, value = (part.strip() for part in item.partition(":"))
            entry[key] = _scalar(value) if value else None
        else:
            inner, _, value = (part.strip() for part in item.partition(":"))
            mapped = entry.get(key) or {}
            if not isinstance(mapped, dict):
                raise ValueError("a value is written in two ways")
            entry[key] = {**mapped, inner: _scalar(value)}
    return entry


def _check_mapping(block: Sequence[str]) -> None:
    content = _content(block)
    margin = min(map(_margin, content), default=0)
    entries = [line.strip() for line in content if _margin(line) == margin]
    # A list stands as far left as its key, and never before the first one.
    if not all(map(_ENTRY.match, entries)) or any(line[0] == "-" for line in entries[:1]):
        raise ValueError("this is no mapping")


def _content(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()[:1] not in ("", "#")]


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def _key_of(line: str) -> str:
    return line.strip().partition(":")[0].strip().strip("\"'")


def _scalar(value: str) -> object:
    if value[:1] == "'" and value[-1:] == "'":
        return value[1:-1].replace("''", "'")
    if value[:1] != '"':
        value = value.partition(" #")[0].rstrip()
    if value.lower() in ("true", "false", "null", "~"):
        return json.loads(value.lower().replace("~", "null"))
    try:
        return json.loads(value)
    except ValueError:
        # Anchors, tags, folded texts and flow lists without quotes.
        if value[:1] in tuple('[{&*!|>%@`"'):
            raise
        return value
