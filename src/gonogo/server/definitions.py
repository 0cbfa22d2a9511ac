"""How each tool is described to a model: title, description, hints, and schemas without noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp_types import ToolAnnotations
from pydantic import ConfigDict, TypeAdapter

from gonogo import answers
from gonogo.server.panel_app import PANEL_META
from gonogo.server.tools import Tools


@dataclass(frozen=True, slots=True)
class Definition:
    """One tool as it is listed. `writes` and what follows are its hints; `drawn`: by the panel."""

    name: str
    title: str
    description: str
    answer: Any
    writes: bool = False
    destructive: bool = False
    idempotent: bool = True
    open_world: bool = False
    drawn: bool = False


DEFINITIONS = (
    Definition(
        "preflight",
        "Preflight",
        "Go or no-go for a piece of work: drift, trust, route, incidents and budget of everything "
        "it needs, in one answer. Use before any costly, long or irreversible run. The verdict is "
        "the worst part's: on no_go do not start, clear the blockers (next_actions has the calls); "
        "unknown means too little or stale data, never go.",
        answers.PreflightReport,
        drawn=True,
    ),
    Definition(
        "check_model_drift",
        "Check drift",
        "Has a dependency degraded, improved or shifted against its baseline: how much, since "
        "when, in which slices, how sure. Use before relying on its output, or when results look "
        "odd. no_go: quality fell, plan with trigger_fallback. unknown: says what to record. Safe "
        "to ask as often as you like.",
        answers.DriftReport,
        drawn=True,
    ),
    Definition(
        "get_trust_score_health",
        "Trust score",
        "The calibrated chance, in percent, that the next call is good, with its interval, and "
        "whether stated confidences can be trusted. Without dependency: all, worst first. Use "
        "before choosing between dependencies. Next: check_model_drift for the reason of a low "
        "score.",
        answers.TrustReport,
        drawn=True,
    ),
    Definition(
        "check_budget_with_confidence",
        "Check budget",
        "Will the work fit the budget: pass or not, with the probability, what remains and what is "
        "projected. Use before spending; reserve=true also holds the money, so that agents side by "
        "side cannot overspend: then settle_reservation when done. calls_that_would_pass says how "
        "much would fit.",
        answers.BudgetCheck,
        writes=True,
        idempotent=False,
        drawn=True,
    ),
    Definition(
        "trigger_fallback",
        "Fall back",
        "Move a dependency's traffic to a way back. The first call (with reason) only plans and "
        "returns plan_id with effects and checks; call again with plan_id to carry it out. Where "
        "approval is ask, a person is asked; without an answer nothing changes. undo takes it "
        "back. Use after a no_go.",
        answers.FallbackPlan | answers.FallbackResult,
        writes=True,
        destructive=True,
        idempotent=False,
        open_world=True,
    ),
    Definition(
        "get_route",
        "Get route",
        "Which target to call for a dependency now, after any fallback. Use right before calling "
        "it; the answer names target and version.",
        answers.RouteAnswer,
        drawn=True,
    ),
    Definition(
        "record_observations",
        "Record observations",
        "Store what happened: calls, outcomes, errors, latency, cost. Use after every call or "
        "batch, and again with the same id when the outcome is known. It is the evidence of every "
        "other tool. Malformed items are refused by index, the others are kept.",
        answers.RecordAnswer,
        writes=True,
    ),
    Definition(
        "settle_reservation",
        "Settle reservation",
        "End a hold made by check_budget_with_confidence: book what the work cost, or release it. "
        "Use when the work is done or given up.",
        answers.Settlement,
        writes=True,
    ),
    Definition(
        "list_dependencies",
        "List dependencies",
        "What is known: names, versions, metrics, observation counts and the last verdict. Use to "
        "find the right name.",
        answers.DependencyList,
        drawn=True,
    ),
    Definition(
        "get_incidents",
        "Get incidents",
        "Degradations being handled, with status, cause and timeline. Use to see what is already "
        "being done before acting.",
        answers.IncidentList,
        drawn=True,
    ),
)


# The answers that the panel draws, by tool.
DRAWN = {definition.name: definition.answer for definition in DEFINITIONS if definition.drawn}


class Call(FuncMetadata):
    """Arguments as they were sent.

    The SDK reads a string that holds JSON as that JSON, for clients that send lists as text. Here
    that is done for lists alone: a version named "null" or "[1]" stays a name.
    """

    lists: frozenset[str] = frozenset()

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Parse text only where a list is wanted."""
        lists = {name: value for name, value in data.items() if name in self.lists}
        return {**data, **super().pre_parse_json(lists)}


def define(tools: Tools, observation: dict[str, object]) -> list[Tool]:
    """Every tool, ready to serve, in the order in which it is listed.

    Args:
        tools: The functions behind the names.
        observation: JSON Schema of one observation.
    """
    return [_tool(definition, tools, observation) for definition in DEFINITIONS]


def _tool(definition: Definition, tools: Tools, observation: dict[str, object]) -> Tool:
    tool = Tool.from_function(
        getattr(tools, definition.name),
        title=definition.title,
        description=definition.description,
        annotations=ToolAnnotations(
            title=definition.title,
            read_only_hint=not definition.writes,
            destructive_hint=definition.destructive,
            idempotent_hint=definition.idempotent,
            open_world_hint=definition.open_world,
        ),
        meta=PANEL_META if definition.drawn else None,
        structured_output=False,
    )
    arguments = tool.fn_metadata.arg_model
    # The SDK ignores unknown arguments and reads "5" as 5: a wrong call would look answered.
    arguments.model_config |= ConfigDict(extra="forbid", strict=True)
    arguments.model_rebuild(force=True)
    schema = without_noise({**tool.parameters, "additionalProperties": False})
    if "observations" in schema["properties"]:
        schema["properties"]["observations"]["items"] = observation
    tool.parameters = schema
    output = without_noise(TypeAdapter(definition.answer).json_schema(by_alias=True))
    tool.fn_metadata = Call(
        arg_model=arguments,
        output_model=definition.answer,
        output_schema={"type": "object", **output},
        lists=frozenset(
            name for name, part in schema["properties"].items() if part.get("type") == "array"
        ),
    )
    return tool


def without_noise(schema: Any) -> Any:  # noqa: ANN401 - a JSON Schema is any JSON
    """A schema without generated titles and null arms: a field that would be null is left out."""
    if isinstance(schema, list):
        return [without_noise(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: without_noise(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else without_noise(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and value is None)
    }
    arms = [arm for arm in kept.get("anyOf", ()) if arm != {"type": "null"}]
    if len(arms) == 1:
        del kept["anyOf"]
        return {**arms[0], **kept}
    return {**kept, "anyOf": arms} if arms else kept
