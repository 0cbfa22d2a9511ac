"""The next step of an answer as a command: what an agent is given as a call, a person can type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from gonogo.errors import plain

if TYPE_CHECKING:
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


# Arguments of a tool stand in backticks in what answers and errors say; a person types options.
_ARGUMENT = re.compile(r"`([a-z_]+)(?:=true)?`")
OPTIONS = frozenset(
    [
        "actual_usd",
        "baseline_version",
        "confirm",
        "cursor",
        "dependencies",
        "idempotency_key",
        "metric",
        "plan_id",
        "planned_calls",
        "planned_cost_usd",
        "reason",
        "reserve",
        "segment",
        "share",
        "since",
        "to",
        "undo",
        "until",
        "version",
    ]
)
# Where an option has a shorter name than its argument.
_SHORTER = {"actual_usd": "usd", "plan_id": "plan"}


# What an agent does to carry a plan out, and what a person types instead.
_TYPED = (
    ("none needed, call again with `plan_id`", "none needed: `gonogo approve` carries it out"),
    ("call again with `plan_id` and `confirm=true`", "yours, by `gonogo approve`"),
    (" or call again with `confirm=true`", ""),
)


# How a promotion is tried, and the option of `promote` that says so.
_WAYS = {"shadow": ["--shadow"], "split": ["--at-once"]}


def with_options(text: str) -> str:
    """Rewrite the arguments named in an answer or an error as command-line options."""
    for called, typed in _TYPED:
        text = text.replace(called, typed)

    def option(found: re.Match[str]) -> str:
        name = found[1]
        return _option_name(_SHORTER.get(name, name)) if name in OPTIONS else found[0]

    return _ARGUMENT.sub(option, text)


def as_command(action: NextAction) -> str:
    """One line: the command, then why. What is to be recorded comes from a file."""
    reason = with_options(action.reason)
    return plain(f"{' '.join(map(shlex.quote, command_of(action)))}: {reason}", 600)


def command_of(action: NextAction) -> list[str]:
    """The words of the command."""
    if action.tool == "record_observations":
        return ["gonogo", "ingest", "FILE"]
    if "plan_id" in action.arguments:
        # Whoever types it is the person who is asked.
        return ["gonogo", "approve", str(action.arguments["plan_id"])]
    command, first = COMMANDS[action.tool]
    arguments = dict(action.arguments)
    way = _WAYS.get(str(arguments.pop("promote_by", None)), [])
    if "promote" in arguments:
        share = ["--to", str(arguments["share"])] if "share" in arguments else []
        named = [str(arguments["dependency"]), str(arguments["promote"])]
        return ["gonogo", "promote", *named, *share, *way]
    named = [str(arguments.pop(first))] if first in arguments else []
    options = [word for name in arguments for word in _option(name, arguments[name])]
    # A name may look like an option.
    if named and named[0].startswith("-"):
        return ["gonogo", *command.split(), *options, "--", *named]
    return ["gonogo", *command.split(), *named, *options]


def _option_name(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _option(name: str, value: object) -> Iterator[str]:
    option = _option_name(name)
    for one in cast("list[object]", value) if isinstance(value, list) else [value]:
        if one is not False:
            yield option
            if one is not True:
                yield str(one)
