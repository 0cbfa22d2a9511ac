"""The next step of an answer as a command: what an agent is given as a call, a person can type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, cast

from gonogo.errors import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gonogo.answers import NextAction

# Each tool's command, and the argument that stands without a name. Options are named as arguments.
COMMANDS = {
    "preflight": ("check preflight", "workload"),
    "check_model_drift": ("check drift", "dependency"),
    "get_trust_score_health": ("check trust", "dependency"),
    "check_budget_with_confidence": ("check budget", "budget"),
    "trigger_fallback": ("fallback", "dependency"),
    "get_route": ("route", "dependency"),
    "settle_reservation": ("settle", "reservation_id"),
    "list_dependencies": ("list", "query"),
    "get_incidents": ("incidents", "dependency"),
}


def as_command(action: NextAction) -> str:
    """One line: the command, then why. What is to be recorded comes from a file."""
    return plain(f"{' '.join(map(shlex.quote, command_of(action)))}: {action.reason}", 600)


def command_of(action: NextAction) -> list[str]:
    """The words of the command."""
    if action.tool == "record_observations":
        return ["gonogo", "ingest", "FILE"]
    command, first = COMMANDS[action.tool]
    arguments = dict(action.arguments)
    words = ["gonogo", *command.split()]
    if first in arguments:
        words.append(str(arguments.pop(first)))
    return [*words, *(word for name in arguments for word in _option(name, arguments[name]))]


def _option(name: str, value: object) -> Iterator[str]:
    option = f"--{name.replace('_', '-')}"
    for one in cast("list[object]", value) if isinstance(value, list) else [value]:
        if one is not False:
            yield option
            if one is not True:
                yield str(one)
