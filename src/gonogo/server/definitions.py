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
        "Tell go or no-go for a piece of work: drift, trust, route, incidents and budget of "
        "all it needs. Use before any costly, long or irreversible run. On no_go do not "
        "start; unknown is never go.",
        answers.PreflightReport,
        drawn=True,
    ),
    Definition(
        "check_model_drift",
        "Check drift",
        "Tell whether a dependency degraded against its baseline: how much, since when, "
        "where, how sure. Use before relying on its output, or when results look odd. On "
        "no_go plan with trigger_fallback.",
        answers.DriftReport,
        drawn=True,
    ),
    Definition(
        "get_trust_score_health",
        "Trust score",
        "Give the calibrated chance that the next call is good, and whether stated confidence "
        "can be trusted; without dependency all, worst first. Use before choosing. Low: ask "
        "check_model_drift.",
        answers.TrustReport,
        drawn=True,
    ),
    Definition(
        "check_budget_with_confidence",
        "Check budget",
        "Tell whether work fits a budget: the probability, what remains, what is projected. "
        "Use before spending; reserve=true also holds the money against other agents: then "
        "settle_reservation.",
        answers.BudgetCheck,
        writes=True,
        idempotent=False,
        drawn=True,
    ),
    Definition(
        "trigger_fallback",
        "Fall back",
        "Move a dependency's traffic to a way back. Use after a no_go: with reason it only "
        "plans, with plan_id it carries the plan out, once a person approved where asked; "
        "undo takes it back.",
        answers.FallbackPlan | answers.FallbackResult,
        writes=True,
        destructive=True,
        idempotent=False,
        open_world=True,
    ),
    Definition(
        "get_route",
        "Get route",
        "Name the target and version to call for a dependency now, after any fallback. Use "
        "right before calling it.",
        answers.RouteAnswer,
        drawn=True,
    ),
    Definition(
        "record_observations",
        "Record observations",
        "Store calls and evaluations, the evidence of every other tool. Use after each call "
        "or batch, and again with the same id once the outcome is known. Malformed items are "
        "refused alone.",
        answers.RecordAnswer,
        writes=True,
    ),
    Definition(
        "settle_reservation",
        "Settle reservation",
        "End a hold of check_budget_with_confidence: book what the work cost, or release it. "
        "Use when the work is done or given up.",
        answers.Settlement,
        writes=True,
    ),
    Definition(
        "list_dependencies",
        "List dependencies",
        "List what is known: names, versions, metrics, counts and the last verdict. Use to "
        "find the right name.",
        answers.DependencyList,
        drawn=True,
    ),
    Definition(
        "get_incidents",
        "Get incidents",
        "List degradations being handled, with status, cause and timeline. Use before acting, "
        "to see what is already done.",
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
    # "required" is there even where nothing is: a reader need not guess whether it was forgotten.
    schema = without_noise({"required": [], **tool.parameters, "additionalProperties": False})
    if "observations" in schema["properties"]:
        schema["properties"]["observations"]["items"] = observation
    tool.parameters = schema
    output = without_noise(TypeAdapter(definition.answer).json_schema(by_alias=True))
    tool.fn_metadata = Call(
        arg_model=arguments,
        # Answers are made of the very model that the schema is of: nothing is left to validate.
        output_model=None,
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
        # That a name is not empty goes without saying; it is refused all the same.
        and not (key == "minLength" and value == 1)
    }
    arms = [arm for arm in kept.get("anyOf", ()) if arm != {"type": "null"}]
    if len(arms) == 1:
        del kept["anyOf"]
        return {**arms[0], **kept}
    return {**kept, "anyOf": arms} if arms else kept
