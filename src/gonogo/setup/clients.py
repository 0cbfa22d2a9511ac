"""The configuration file of each client: its place, and the form of a server's entry.

docs/clients.md names the source of each, and with which version it was tried.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from gonogo.errors import ConfigError

Client = Literal[
    "claude-desktop",
    "claude-code",
    "vscode",
    "cursor",
    "codex",
    "gemini-cli",
    "zed",
    "cline",
    "goose",
    "continue",
]
Form = Literal["json", "toml", "yaml"]
CLIENTS: tuple[Client, ...] = get_args(Client)
# Where no project has a file of its own.
USER_ONLY: frozenset[Client] = frozenset({"claude-desktop", "cline", "goose"})
SERVER = "gonogo"
# Where an entry has one of these, the client calls a server that runs elsewhere.
_REMOTE = frozenset({"url", "httpUrl", "serverUrl", "uri"})


@dataclass(frozen=True, slots=True)
class Place:
    """A client's file, the key its servers are under, and what to do once it has changed."""

    path: Path
    key: str
    then: str
    form: Form = "json"


def place_of(client: Client, environ: Mapping[str, str], *, project: Path | None) -> Place:
    """Find a client's configuration file: the user's, or one project's where the client has such.

    Args:
        client: Which.
        environ: The process environment.
        project: A folder whose own file is meant, for a client that is not in `USER_ONLY`.
    """
    home = user_home(environ)
    folder = home if project is None else project
    user = _user_folder(environ, home)
    dotted = home / ".config" if sys.platform == "darwin" else user
    code = user / "Code" / "User"
    claude = Path(environ.get("CLAUDE_CONFIG_DIR") or home) / ".claude.json"
    codex = Path(environ.get("CODEX_HOME") or home / ".codex")
    goose = dotted / "goose"
    if sys.platform == "win32":
        goose = user / "Block" / "goose" / "config"
    mine: dict[Client, Path] = {
        "claude-desktop": user / "Claude" / "claude_desktop_config.json",
        "claude-code": claude if project is None else project / ".mcp.json",
        "vscode": code / "mcp.json" if project is None else project / ".vscode" / "mcp.json",
        "cursor": folder / ".cursor" / "mcp.json",
        "codex": (codex if project is None else project / ".codex") / "config.toml",
        "gemini-cli": folder / ".gemini" / "settings.json",
        "zed": (dotted / "zed" if project is None else project / ".zed") / "settings.json",
        "cline": _cline(environ, home, code),
        "goose": goose / "config.yaml",
        "continue": folder / ".continue" / "mcpServers" / "gonogo.json",
    }
    return Place(mine[client], *_KEYS[client])


_KEYS: Mapping[Client, tuple[str, str, Form]] = {
    "claude-desktop": ("mcpServers", "Restart Claude Desktop.", "json"),
    "claude-code": ("mcpServers", "`/mcp` in Claude Code shows it.", "json"),
    "vscode": ("servers", '"MCP: List Servers" in VS Code starts it.', "json"),
    "cursor": ("mcpServers", "Cursor's settings show it.", "json"),
    "codex": ("mcp_servers", "`/mcp` in Codex shows it.", "toml"),
    "gemini-cli": ("mcpServers", "`/mcp` in Gemini CLI shows it.", "json"),
    "zed": ("context_servers", "Zed's agent panel shows it.", "json"),
    "cline": ("mcpServers", "Cline's list of servers shows it.", "json"),
    "goose": ("extensions", "A new Goose session starts it.", "yaml"),
    "continue": ("mcpServers", "Continue's agent mode shows it.", "json"),
}


def user_home(environ: Mapping[str, str]) -> Path:
    """The user's own folder, as the environment says or the system does.

    Raises:
        ConfigError: The user has none, as in many a container.
    """
    try:
        return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:
        raise ConfigError(
            "This user has no home folder to keep a client's file in: set HOME."
        ) from None


def _cline(environ: Mapping[str, str], home: Path, code: Path) -> Path:
    """Since 4.0 one file for the extension and the command line; before, the extension's own."""
    name = "cline_mcp_settings.json"
    shared = home / ".cline" / "data" / "settings" / name
    before = code / "globalStorage" / "saoudrizwan.claude-dev" / "settings" / name
    asked = environ.get("CLINE_MCP_SETTINGS_PATH")
    if asked:
        return Path(asked)
    return before if before.exists() and not (home / ".cline").exists() else shared


def program_in(server: Mapping[str, object]) -> str | None:
    """The program that a client's entry starts; None where it calls a server elsewhere."""
    if _REMOTE & server.keys():
        return None
    # Goose says `cmd`; Zed's older form has a table of it.
    named = server.get("cmd", server.get("command", ""))
    return str(named.get("path", "") if isinstance(named, dict) else named)


def _user_folder(environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    asked = Path(environ.get("XDG_CONFIG_HOME", ""))
    return asked if asked.is_absolute() else home / ".config"


def entry(
    client: Client,
    command: Sequence[str],
    *,
    config: str | None,
    store: str | None,
    read_only: bool | None,
    before: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The server as a client's file has it: absolute paths, since clients start it anywhere.

    Args:
        client: Whose file.
        command: What starts gonogo: a program, and arguments before `serve`.
        config: The configuration; None keeps what `before` names.
        store: The store; None keeps what `before` names. An address goes into the environment.
        read_only: Whether it may act; None keeps what `before` says.
        before: The entry that is there: its environment, and whatever else a person set, stay.
    """
    old = dict(before or {})
    if _REMOTE & old.keys():
        old = {}  # it led to a server elsewhere; nothing of that is true of one started here
    if isinstance(old.get("command"), dict):  # Zed's older form
        old |= cast("dict[str, object]", old["command"])
        old.pop("path", None)
    kept = _options(old.get("args"))
    env_key = "envs" if client == "goose" else "env"
    env = old.get(env_key)
    environ = dict(env) if isinstance(env, dict) else {}
    if config is not None:
        kept["--config"] = config
    if store is not None:
        # An address may hold a password, which a list of processes would show.
        if "://" in store:
            kept.pop("--store", None)
            environ["GONOGO_STORE"] = store
        else:
            environ.pop("GONOGO_STORE", None)
            kept["--store"] = store
    if read_only is not None:
        kept.pop("--read-only", None)
        if read_only:
            kept["--read-only"] = None
    args = [*command[1:], "serve"]
    for option, value in kept.items():
        args += [option] if value is None else [option, value]
    made: dict[str, object] = {**_shape(client), **old}
    made["cmd" if client == "goose" else "command"] = command[0]
    made["args"] = args
    if environ:
        made[env_key] = environ
    return made


def _shape(client: Client) -> dict[str, object]:
    """The fields that an entry of this client has beside its command."""
    match client:
        case "vscode":
            return {"type": "stdio"}
        case "zed":
            return {"source": "custom"}
        case "goose":
            return {"name": SERVER, "type": "stdio", "enabled": True, "timeout": 300}
        case _:
            return {}


def _options(args: object) -> dict[str, str | None]:
    """The options of `serve` in an entry's arguments, in their order."""
    words = [word for word in args if isinstance(word, str)] if isinstance(args, list) else []
    if "serve" not in words:
        return {}
    at = words.index("serve")
    # Others before it belong to what starts gonogo.
    ahead = {k: v for k, v in options_of(words[:at]).items() if k in ("--store", "--config")}
    return ahead | options_of(words[at + 1 :])


def options_of(words: Sequence[str]) -> dict[str, str | None]:
    """The options among a command's words, each with its value or None, in their order."""
    options: dict[str, str | None] = {}
    for i, word in enumerate(words):
        if word.startswith("--"):
            name, _, value = word.partition("=")
            after = words[i + 1] if i + 1 < len(words) else "--"
            options[name] = value or (None if after.startswith("--") else after)
    return options


def link(client: Client, server: Mapping[str, object]) -> str | None:
    """A link that sets the client up by one click; None for a client that knows none."""
    if client == "cursor":
        config = base64.b64encode(json.dumps(server).encode()).decode()
        query = urllib.parse.urlencode({"name": SERVER, "config": config})
        return f"cursor://anysphere.cursor-deeplink/mcp/install?{query}"
    if client == "vscode":
        query = urllib.parse.quote(json.dumps({"name": SERVER, **server}))
        return f"vscode:mcp/install?{query}"
    return None
