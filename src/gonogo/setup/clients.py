"""Where each client keeps its servers, and what an entry there looks like.

Sources: the clients' own documentation: Claude Desktop and Claude Code (`mcpServers`), VS Code
(`servers`, MCP configuration reference), Cursor (MCP, "MCP Install Links").
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Client = Literal["claude-desktop", "claude-code", "vscode", "cursor"]
CLIENTS: tuple[Client, ...] = get_args(Client)
SERVER = "gonogo"


@dataclass(frozen=True, slots=True)
class Place:
    """A client's file, the key its servers are under, and what to do once it has changed."""

    path: Path
    key: str
    then: str


def place_of(client: Client, environ: Mapping[str, str], *, project: Path | None) -> Place:
    """Where a client looks: for the user, or for one project where it can.

    Args:
        client: Which.
        environ: The process environment.
        project: A folder whose own file is meant; Claude Desktop has none.
    """
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    match client:
        case "claude-desktop":
            file = _user_folder(environ, home) / "Claude" / "claude_desktop_config.json"
            return Place(file, "mcpServers", "Restart Claude Desktop.")
        case "claude-code":
            file = home / ".claude.json" if project is None else project / ".mcp.json"
            return Place(file, "mcpServers", "`/mcp` in Claude Code shows it.")
        case "vscode":
            user = _user_folder(environ, home) / "Code" / "User" / "mcp.json"
            file = user if project is None else project / ".vscode" / "mcp.json"
            return Place(file, "servers", '"MCP: List Servers" in VS Code starts it.')
        case "cursor":
            folder = home if project is None else project
            return Place(
                folder / ".cursor" / "mcp.json", "mcpServers", "Cursor's settings show it."
            )


def _user_folder(environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    asked = Path(environ.get("XDG_CONFIG_HOME", ""))
    return asked if asked.is_absolute() else home / ".config"


def entry(
    client: Client, command: str, *, config: str | None, store: str | None, read_only: bool
) -> dict[str, object]:
    """The server as a client's file has it: absolute paths, since clients start it anywhere."""
    args = ["serve"]
    for option, value in (("--config", config), ("--store", store)):
        if value is not None:
            args += [option, value]
    if read_only:
        args.append("--read-only")
    made: dict[str, object] = {"command": command, "args": args}
    return {"type": "stdio", **made} if client == "vscode" else made


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
