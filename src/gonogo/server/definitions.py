"""The description of each tool for a model: title, description, hints, and the schemas it is listed with.

The listing is read from `listed/`, a file a tool: making schemas of models took as long as a
tenth of a cold start. `server/schemas.py` makes them, and a test holds the files to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.resolve import build_resolver_plans, find_resolved_parameters
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.context_injection import find_context_parameter
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import ToolAnnotations

from gonogo import answers
from gonogo.server.panel_app import PANEL_META
from gonogo.server.tools import Tools

LISTED = Path(__file__).parent / "listed"


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
        "One go or no-go for planned work: quality drift, trust, route, open incidents and budget "
        "of everything it needs. Use before a long, costly or irreversible run. Do not start on "
        "no_go; unknown means not known to be safe.",
        answers.PreflightReport,
        drawn=True,
    ),
    Definition(
        "check_model_drift",
        "Check drift",
        "Tell whether a model, skill, tool or API got worse than its baseline: by how much, since "
        "when, how sure. Use before relying on one, or when results look wrong. After no_go, plan "
        "with trigger_fallback.",
        answers.DriftReport,
        drawn=True,
    ),
    Definition(
        "get_trust_score_health",
        "Trust score",
        "Give the chance, 0 to 100, that the next call is good, with its interval, and whether "
        "scores can be relied on. Use to choose between dependencies; without a name it ranks all.",
        answers.TrustReport,
        drawn=True,
    ),
    Definition(
        "check_budget_with_confidence",
        "Check budget",
        "Tell whether planned calls fit a budget, and how surely. Use before spending; "
        "reserve=true holds the money against other agents until settle_reservation.",
        answers.BudgetCheck,
        writes=True,
        idempotent=False,
        drawn=True,
    ),
    Definition(
        "trigger_fallback",
        "Fall back",
        "Move a dependency's traffic to another target, or to a new version in stages (promote). "
        "Use after no_go: reason only plans; plan_id carries the plan out once approved; undo takes "
        "it back.",
        answers.FallbackPlan | answers.FallbackResult | answers.PromotionReport,
        writes=True,
        destructive=True,
        idempotent=False,
        open_world=True,
    ),
    Definition(
        "get_route",
        "Get route",
        "Name the target to call for a dependency now, after any fallback. Use right before "
        "calling it.",
        answers.RouteAnswer,
        drawn=True,
    ),
    Definition(
        "record_observations",
        "Record observations",
        "Store what calls and evaluations gave; every verdict rests on it. Use after calls. Send "
        "the same id again when the outcome is known later.",
        answers.RecordAnswer,
        writes=True,
    ),
    Definition(
        "settle_reservation",
        "Settle reservation",
        "End a hold on a budget: book what the work cost, or free the money where nothing was "
        "spent. Use when the work is done or given up.",
        answers.Settlement,
        writes=True,
    ),
    Definition(
        "list_dependencies",
        "List dependencies",
        "List everything that is known, each with its current verdict. Use to find the right name.",
        answers.DependencyList,
        drawn=True,
    ),
    Definition(
        "get_incidents",
        "Get incidents",
        "List degradations that are being handled, and by whom. Use before acting, to see what is "
        "already done.",
        answers.IncidentList,
        drawn=True,
    ),
)


# The answers that the panel draws, by tool.
DRAWN = {definition.name: definition.answer for definition in DEFINITIONS if definition.drawn}


class Call(FuncMetadata):
    """Arguments as they were sent; the model that checks them is made at the first call.

    The SDK reads a string that holds JSON as that JSON, for clients that send lists as text. Here
    a text is read as what the tool is listed with: a version named "null" or "[1]" stays a name.
    """

    arg_model: type[ArgModelBase] = ArgModelBase
    function: Callable[..., Any]
    listed: dict[str, Any]

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        """Check the arguments of a call."""
        if self.arg_model is ArgModelBase:
            from gonogo.server.schemas import arguments_model

            self.arg_model = arguments_model(self.function)
        return super().validate_arguments(arguments_to_validate)

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Leave out what is empty, and read text where no text is wanted."""
        from gonogo.server.filled import as_meant

        return as_meant(data, self.listed)


def define(tools: Tools) -> list[Tool]:
    """Every tool, ready to serve, in the order in which it is listed."""
    return [_tool(definition, getattr(tools, definition.name)) for definition in DEFINITIONS]


def _tool(definition: Definition, function: Callable[..., Any]) -> Tool:
    listed = json.loads((LISTED / f"{definition.name}.json").read_bytes())
    arguments = listed["inputSchema"]["properties"]
    resolved = find_resolved_parameters(function)
    return Tool(
        fn=function,
        name=definition.name,
        title=definition.title,
        description=definition.description,
        parameters=listed["inputSchema"],
        fn_metadata=Call(
            function=function,
            # Answers are made of the very model that the schema is of: none is left to validate.
            output_schema=listed["outputSchema"],
            listed=listed["inputSchema"],
        ),
        is_async=True,
        context_kwarg=find_context_parameter(function),
        resolved_params=dict(resolved),
        resolver_plans=build_resolver_plans(resolved, set(arguments)),
        annotations=ToolAnnotations(
            title=definition.title,
            read_only_hint=not definition.writes,
            destructive_hint=definition.destructive,
            idempotent_hint=definition.idempotent,
            open_world_hint=definition.open_world,
        ),
        meta=PANEL_META if definition.drawn else None,
    )
