"""Rules of next actions: ready to call, harmless, and not what was just done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gonogo.answers import Answer, FallbackResult, IncidentList, NextAction
from gonogo.coherence.exchanges import Exchange
from gonogo.coherence.rules import of_answer

if TYPE_CHECKING:
    from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase

EVIDENCE = ("outcome", "error", "label", "latency_ms", "cost_usd")


@of_answer(Answer)
def a_next_action_can_be_called(said: Exchange[Answer]) -> Iterator[str]:
    """The tool exists, and takes the arguments as they are given."""
    for action in said.answer.next_actions:
        model = _arguments(action.tool)
        if model is None:
            yield f"there is no tool {action.tool}"
            continue
        try:
            model.model_validate(dict(action.arguments))
        except ValidationError as error:
            yield f"{_call(action)}: {error.errors()[0]['loc']} {error.errors()[0]['msg']}"
        if not action.reason.strip():
            yield f"{_call(action)} has no reason"


@of_answer(Answer)
def a_next_action_invents_no_evidence(said: Exchange[Answer]) -> Iterator[str]:
    """An action that records carries no outcome, error, latency or cost made up for it."""
    for action in said.answer.next_actions:
        if action.tool != "record_observations":
            continue
        items = action.arguments.get("observations")
        for item in items if isinstance(items, list) else ():
            made_up = [name for name in EVIDENCE if isinstance(item, Mapping) and name in item]
            if made_up:
                yield f"{_call(action)} records {', '.join(made_up)}"


@of_answer(Answer)
def a_next_action_is_another_question(said: Exchange[Answer]) -> Iterator[str]:
    """An answer does not send its reader to ask the very same again, nor twice the same way."""
    seen = set()
    for action in said.answer.next_actions:
        call = _call(action)
        if call in seen:
            yield f"{call} is offered twice"
        seen.add(call)
        given = {name: value for name, value in said.asked.items() if value not in (None, "", ())}
        same = {n: v for n, v in action.arguments.items() if v not in (None, "", ())} == given
        if said.tool == action.tool and same and said.asked:
            yield f"{call} is what was asked"


@of_answer(FallbackResult)
def undo_is_not_the_first_step(said: Exchange[FallbackResult]) -> Iterator[str]:
    """After a switch the first thing offered is never to take it back."""
    actions = said.answer.next_actions
    if said.answer.applied and actions and "undo" in actions[0].arguments:
        yield _call(actions[0])


@of_answer(IncidentList)
def what_is_mitigated_needs_no_fallback(said: Exchange[IncidentList]) -> Iterator[str]:
    """A fallback is offered only for a dependency whose incident is not mitigated yet."""
    waiting = {
        incident.dependency
        for incident in said.answer.incidents
        if incident.status in ("open", "acknowledged")
    }
    for action in said.answer.next_actions:
        name = action.arguments.get("dependency")
        if action.tool == "trigger_fallback" and name not in waiting:
            yield f"{_call(action)}, though nothing of it is open"


def _call(action: NextAction) -> str:
    given = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in action.arguments.items()
    )
    return f"{action.tool}({given})"


@cache
def _arguments(tool: str) -> type[ArgModelBase] | None:
    """The model that checks a tool's arguments; None where there is no such tool."""
    from gonogo.app import Gonogo
    from gonogo.server.definitions import DEFINITIONS
    from gonogo.server.schemas import arguments_model
    from gonogo.server.tools import Tools
    from gonogo.settings import Settings

    if tool not in {definition.name for definition in DEFINITIONS}:
        return None
    unopened = Tools(Gonogo(Settings(store="")))
    return arguments_model(getattr(unopened, tool))
