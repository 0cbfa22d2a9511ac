"""The guard's entry among a client's hooks: added, brought up to date or taken out; all else stays.

Sources: code.claude.com/docs/en/settings (settings.json, CLAUDE_CONFIG_DIR),
developers.openai.com/codex/hooks (hooks.json; a new hook runs once a person trusts it),
geminicli.com/docs/hooks/reference (settings.json), and Gemini CLI's mcp-tool.ts: its tools of MCP
servers are `mcp_SERVER_TOOL`, in versions before `mcp__SERVER__TOOL`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gonogo.errors import ConfigError
from gonogo.setup.clients import Client, options_of, user_home
from gonogo.setup.jsonc import Document, with_item, with_value, without_item
from gonogo.setup.merging import Change, as_written, indent_of, read_text

# What a hand may have written stays; these two are ours to choose between.
EVERY_TOOL = ".*"
_OURS = re.compile(r"\bguard\s+hook\s+(?:claude-code|codex|gemini)\b(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HookPlace:
    """The place of a client's hooks before a tool call.

    Args:
        path: The file.
        event: The key under `hooks`.
        speaks: What `gonogo guard hook` calls the client.
        matcher: The regular expression of the tools of MCP servers there.
        then: What a person does once it has changed.
    """

    path: Path
    event: str
    speaks: str
    matcher: str
    then: str


def hook_place_of(
    client: Client, environ: Mapping[str, str], *, project: Path | None
) -> HookPlace | None:
    """Find where the guard goes for a client; None for a client without such hooks."""
    home = user_home(environ)
    match client:
        case "claude-code":
            own = Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude")
            path = (own if project is None else project / ".claude") / "settings.json"
            then = "`/hooks` in Claude Code shows the guard."
            return HookPlace(path, "PreToolUse", client, "mcp__.*", then)
        case "codex":
            own = Path(environ.get("CODEX_HOME") or home / ".codex")
            path = (own if project is None else project / ".codex") / "hooks.json"
            then = "Codex runs the guard once you have trusted it: `/hooks` there."
            return HookPlace(path, "PreToolUse", client, "mcp__.*", then)
        case "gemini-cli":
            path = (home if project is None else project) / ".gemini" / "settings.json"
            then = "`/hooks panel` in Gemini CLI shows the guard."
            return HookPlace(path, "BeforeTool", "gemini", "mcp_.*", then)
        case _:
            return None


def planned_hook(
    place: HookPlace,
    command: Sequence[str] | None,
    *,
    options: Mapping[str, str],
    tools: Iterable[str],
    on: Change | None = None,
) -> Change:
    """Plan a client's file with the guard in it, or without; writes nothing.

    Args:
        place: The file.
        command: What starts gonogo; None takes the guard out.
        options: Options of the hook with their values; what stands there already is kept beside them.
        tools: The patterns of `[guard.tools]`: one beyond MCP servers has every tool asked about.
        on: A change of the same file that comes first.

    Raises:
        ConfigError: The file cannot be read, or has a shape that could not be changed safely.
    """
    before = on.before if on else read_text(place.path)
    text = on.after if on else (before or "")
    try:
        if command is None:
            after = as_written(text, lambda body: _without(body, place))
        else:
            wide = any(not tool.startswith("mcp__") for tool in tools)
            matcher = EVERY_TOOL if wide else place.matcher
            after = as_written(text, lambda body: _with(body, place, command, options, matcher))
    except (ValueError, RecursionError):
        raise ConfigError(
            f'{place.path}: "hooks.{place.event}" is no list of hooks that can be changed safely. '
            "Nothing was changed; docs/guard.md says what to write there by hand."
        ) from None
    return Change(place.path, before, after)


def commands_in(place: HookPlace) -> list[str]:
    """The guard's commands that stand in a client's file, as they are written there.

    Raises:
        ConfigError: The file cannot be read, or has another shape.
    """
    try:
        found = _hooks(Document(read_text(place.path) or "").value, place)
    except (ValueError, RecursionError):
        raise ConfigError(f'{place.path}: "hooks.{place.event}" is no list of hooks.') from None
    return [str(hook["command"]) for entry in found for _, hook in _ours(entry)]


def _with(
    text: str, place: HookPlace, command: Sequence[str], options: Mapping[str, str], matcher: str
) -> str:
    at = ("hooks", place.event)
    indent = indent_of(text)
    found = _hooks(Document(text).value, place)
    ours = [(i, j, hook) for i, entry in enumerate(found) for j, hook in _ours(entry)]
    for i, j, hook in ours:
        asked = _command(command, place, {**_options(str(hook["command"])), **options})
        text = with_value(text, (*at, f"[{i}]", "hooks", f"[{j}]", "command"), asked, indent=indent)
        if found[i].get("matcher") in (place.matcher, EVERY_TOOL):
            text = with_value(text, (*at, f"[{i}]", "matcher"), matcher, indent=indent)
    if ours:
        return text
    hook = {"type": "command", "command": _command(command, place, options)}
    return with_item(text, at, {"matcher": matcher, "hooks": [hook]}, indent=indent)


def _without(text: str, place: HookPlace) -> str:
    at = ("hooks", place.event)
    found = _hooks(Document(text).value, place)
    for i in reversed(range(len(found))):
        ours = [j for j, _ in _ours(found[i])]
        if ours and len(ours) == len(cast("list[object]", found[i]["hooks"])):
            text = without_item(text, at, i)
        else:
            for j in reversed(ours):
                text = without_item(text, (*at, f"[{i}]", "hooks"), j)
    return text


def _hooks(whole: object, place: HookPlace) -> list[dict[str, object]]:
    """The entries for the event.

    Raises:
        ValueError: Something on the way has another shape.
    """
    hooks = whole.get("hooks", {}) if isinstance(whole, dict) else None
    found = hooks.get(place.event, []) if isinstance(hooks, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ValueError("no list of hooks")
    return found


def _ours(entry: Mapping[str, object]) -> list[tuple[int, dict[str, object]]]:
    """The guard's hooks in an entry, with their places."""
    hooks = entry.get("hooks")
    return [
        (j, hook)
        for j, hook in enumerate(hooks if isinstance(hooks, list) else [])
        if isinstance(hook, dict) and _OURS.search(str(hook.get("command", "")))
    ]


def program_of(command: str) -> str:
    """The program that a command starts."""
    try:
        return next(iter(_words(command)), "")
    except ValueError:
        return command


def _words(command: str) -> list[str]:
    """A command's words.

    Raises:
        ValueError: A quotation has no end.
    """
    reader = shlex.shlex(command, posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters = True, ""
    # Windows parts folders by what is an escape elsewhere.
    reader.escape = "" if sys.platform == "win32" else "\\"
    return list(reader)


def _options(command: str) -> dict[str, str | None]:
    """The options that a command has after the client's name.

    Raises:
        ValueError: A quotation has no end.
    """
    found = _OURS.search(command)
    return options_of(_words(found[1] if found else ""))


def _command(command: Sequence[str], place: HookPlace, options: Mapping[str, str | None]) -> str:
    words = [*command, "guard", "hook", place.speaks]
    for name, value in options.items():
        words += [name] if value is None else [name, value]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
