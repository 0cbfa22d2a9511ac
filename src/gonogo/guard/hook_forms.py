"""The clients' hooks before a tool call: what each hands over, and how each is answered.

Sources: code.claude.com/docs/en/hooks (PreToolUse), developers.openai.com/codex/hooks (PreToolUse),
geminicli.com/docs/hooks/reference (BeforeTool). An MCP server's tool is `mcp__SERVER__TOOL` in the
first two; Gemini CLI's releases write `mcp_SERVER_TOOL`, which cannot be parted again, and name both
in `mcp_context`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from gonogo.border.characters import UnclearName, name_of
from gonogo.errors import DataError
from gonogo.settings import GuardPolicy

EVENT_BYTES_MAX = 8 * 1024 * 1024
NAME_CHARS_MAX = 500


class Ruling(NamedTuple):
    """The ruling on a call: let it go on, ask the person, or stop it."""

    what: GuardPolicy
    reason: str = ""


class UnreadableCall(DataError):
    """A call whose arguments or name hide which tool is called: whoever writes them could pass a no_go so."""


def called_name(text: str) -> str:
    """The name of what is called as the store has it, however its letters are composed and spaced.

    Raises:
        UnreadableCall: It holds what cannot be seen: nothing is recorded under it, so no verdict would meet it.
    """
    try:
        return name_of(text)
    except UnclearName as error:
        raise UnreadableCall(f"the name of what it calls {error}") from None


def stopped(error: UnreadableCall) -> Ruling:
    """The ruling on a call that cannot be judged, wherever it comes from."""
    return Ruling("deny", f"gonogo: this call cannot be judged, and was stopped: {error}.")


def tool_of(event: bytes) -> str:
    """The name of the tool that is about to be called, `mcp__SERVER__TOOL` of an MCP server.

    Raises:
        UnreadableCall: The event is larger or nested deeper than can be read.
        DataError: It is no hook's event.
    """
    if len(event) > EVENT_BYTES_MAX:
        raise UnreadableCall(f"its arguments are larger than {EVENT_BYTES_MAX:,} bytes")
    try:
        # What numbers say is nobody's business here; one of 5,000 digits cannot be read.
        found = json.loads(event, parse_int=_unread, parse_float=_unread, parse_constant=_unread)
    except RecursionError:
        raise UnreadableCall("its arguments are nested too deeply") from None
    except UnicodeDecodeError:
        raise UnreadableCall("its arguments are no UTF-8 text") from None
    except ValueError:
        raise DataError("the hook's event is no JSON object.") from None
    tool = found.get("tool_name") if isinstance(found, dict) else None
    of_server = found.get("mcp_context") if isinstance(found, dict) else None
    if isinstance(of_server, dict):
        server, own = of_server.get("server_name"), of_server.get("tool_name")
        if isinstance(server, str) and isinstance(own, str) and server and own:
            tool = f"mcp__{server}__{own}"
    if not isinstance(tool, str) or not 0 < len(tool) <= NAME_CHARS_MAX:
        raise DataError("the hook's event has no tool_name: is this a hook before a tool call?")
    return tool


def _unread(number: str) -> None:
    del number


def _permission(ruling: Ruling) -> Mapping[str, object]:
    # Nothing is said of what may go on: "allow" would skip the client's own question to the person.
    if ruling.what == "allow":
        return {}
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": ruling.what,
            "permissionDecisionReason": ruling.reason,
        }
    }


def _codex(ruling: Ruling) -> Mapping[str, object]:
    # "ask" is read and not yet acted upon there: the call would go through.
    return _permission(ruling._replace(what="deny") if ruling.what == "ask" else ruling)


def _gemini(ruling: Ruling) -> Mapping[str, object]:
    # Its hooks know no question to the person.
    return {} if ruling.what == "allow" else {"decision": "deny", "reason": ruling.reason}


# How each client is answered, on standard output.
CLIENTS: Mapping[str, Callable[[Ruling], Mapping[str, object]]] = MappingProxyType(
    {"claude-code": _permission, "codex": _codex, "gemini": _gemini}
)
