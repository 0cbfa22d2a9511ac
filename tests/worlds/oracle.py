"""Puts every answer that a test hears through the rules of `gonogo.coherence`.

It listens where answers come out: the application's ten tools, a client's `call_tool`, and the
commands that `product.py` runs. What disagrees fails the test that heard it.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from mcp import Client
from mcp_types import CallToolResult, TextContent
from pydantic import TypeAdapter, ValidationError

from gonogo.answers import Answer
from gonogo.app import Gonogo
from gonogo.cli.next_steps import COMMANDS
from gonogo.coherence import (
    MOMENT_RULES,
    Disagreement,
    Exchange,
    Moment,
    disagreements,
    moment_disagreements,
)
from gonogo.coherence.rules import rules_of
from gonogo.server.definitions import DEFINITIONS
from gonogo.text.answer_text import as_text
from pair_rules import pair_disagreements


@dataclass(frozen=True, slots=True)
class Known:
    """A fault that the product has today: what of a rule's findings it is, and why."""

    reason: str
    found: str = ""

    def covers(self, found: Disagreement) -> bool:
        """Whether this finding is it."""
        return re.search(self.found, found.found) is not None


# Rules that the product is known to break today, each with the reason. It only ever gets shorter.
KNOWN: Mapping[str, Known] = {
    "a_figure_in_words_is_the_object_s": Known(
        "the fields of a signal that decides have not met every life of `make torture` yet",
        r" has shifted: ",
    ),
}

TOOLS = tuple(definition.name for definition in DEFINITIONS)
TOOL_OF = {command: tool for tool, (command, _) in COMMANDS.items()} | {
    "reserve": "check_budget_with_confidence",
    "approve": "trigger_fallback",
    "promote": "trigger_fallback",
}
NOT_ASKED = ("self", "progress", "confirmed_by")
VERDICT_EXIT = {"GO": 0, "CAUTION": 1, "NO_GO": 2, "UNKNOWN": 3}


class Oracle:
    """What was heard, what was found, and how often each rule looked."""

    def __init__(self) -> None:
        self.answers = 0
        self.checks: Counter[str] = Counter()
        self.tolerated: Counter[str] = Counter()
        self._found: list[str] = []
        self._seen: set[int] = set()

    def hear(self, said: Exchange[Answer]) -> None:
        """Put an answer through the rules; the very same one is looked at once."""
        self.answers += 1
        seen = hash((said.tool, repr(said.asked), said.answer.model_dump_json(), said.exit_status))
        if seen in self._seen:
            return
        self._seen.add(seen)
        self.checks.update(rule.name for rule in rules_of(said.answer))
        for found in disagreements(said):
            words = said.text or said.answer.model_dump_json(exclude_none=True)
            self.note_found(found, f"\n    {said.tool}({dict(said.asked)}):\n    {words}")

    def hear_moment(self, moment: Moment) -> None:
        """Put all that a store says at one moment through the rules."""
        self.checks.update(list(MOMENT_RULES))
        for found in moment_disagreements(moment):
            if found.rule in MOMENT_RULES:  # the others were heard as they were said
                self.note_found(found)

    def hear_pair(self, rule: str, less: Answer, more: Answer) -> None:
        """Put two answers through one rule of pairs."""
        self.checks[rule] += 1
        for found in pair_disagreements(rule, less, more):
            self.note_found(found)

    def note_found(self, found: Disagreement, heard: str = "") -> None:
        """Note what disagrees, or count it where that is known."""
        known = KNOWN.get(found.rule)
        if known is not None and known.covers(found):
            self.tolerated[found.rule] += 1
        else:
            self._found.append(f"{found}{heard}")

    def take(self) -> list[str]:
        """What was found since it was last taken."""
        found, self._found = self._found, []
        return found

    def summary(self) -> dict[str, Any]:
        """Counts that can be sent between processes."""
        return {
            "answers": self.answers,
            "checks": dict(self.checks),
            "tolerated": dict(self.tolerated),
        }

    def add(self, other: Mapping[str, Any]) -> None:
        """Add the counts of another process."""
        self.answers += other["answers"]
        self.checks.update(other["checks"])
        self.tolerated.update(other["tolerated"])


ORACLE = Oracle()


def listen() -> None:
    """Begin to listen in this process."""
    for tool in TOOLS:
        setattr(Gonogo, tool, _overheard(tool, getattr(Gonogo, tool)))
    # The tool's answer to `promote`, which has a method of its own.
    Gonogo.promote = _overheard("trigger_fallback", Gonogo.promote)  # type: ignore[assignment, method-assign] # to listen
    Client.call_tool = _called(Client.call_tool)  # type: ignore[assignment, method-assign] # to listen


def _overheard(
    tool: str, ask: Callable[..., Awaitable[Answer]]
) -> Callable[..., Awaitable[Answer]]:
    takes = inspect.signature(ask)

    @functools.wraps(ask)
    async def listening(self: Gonogo, *args: object, **kwargs: object) -> Answer:
        answer = await ask(self, *args, **kwargs)
        # A drill asks thousands of times inside one answer of its own.
        if type(self) is Gonogo:
            given = takes.bind(self, *args, **kwargs).arguments
            asked = {n: v for n, v in given.items() if v is not None and n not in NOT_ASKED}
            ORACLE.hear(Exchange(answer, as_text(answer), tool, asked))
        return answer

    return listening


def _called(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def called(
        self: Client, name: str, arguments: dict[str, Any] | None = None, **rest: object
    ) -> object:
        result = await call(self, name, arguments, **rest)
        wire = result.structured_content if isinstance(result, CallToolResult) else None
        if name in TOOLS and wire is not None and not result.is_error:
            [block] = cast("list[TextContent]", result.content)
            _read(name, wire, text=block.text, asked=arguments or {})
        return result

    return called


def overhear(arguments: Sequence[str], stdout: str, status: int) -> None:
    """Put what a command printed through the rules: an object, or words that begin with a verdict."""
    command = next((c for c in TOOL_OF if c in " ".join(arguments[:3])), None)
    if command is None:
        return
    if "--json" in arguments:
        if stdout.startswith("{") and '"as_of"' in stdout:
            checks = command.startswith("check ") or command == "reserve"
            _read(TOOL_OF[command], json.loads(stdout), exit_status=status if checks else None)
    elif command.startswith("check "):
        verdict = stdout.partition(":")[0]
        assert status == VERDICT_EXIT.get(verdict, status), stdout


def _read(tool: str, wire: Mapping[str, object], **rest: Any) -> None:  # noqa: ANN401 - fields of an `Exchange`
    try:
        answer = _reader(tool).validate_python(wire)
    except ValidationError as error:
        raise AssertionError(f"not an answer of {tool}: {error}") from error
    ORACLE.hear(Exchange(answer, tool=tool, wire=wire, **rest))


@cache
def _reader(tool: str) -> TypeAdapter[Answer]:
    [answer] = [d.answer for d in DEFINITIONS if d.name == tool]
    return TypeAdapter(answer)
