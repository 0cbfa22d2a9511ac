"""Resources: decisions, dependencies and incidents by address, as JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from mcp.server.mcpserver import MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from gonogo.app import Gonogo
from gonogo.text.answer_text import action_json, as_json, decision_json

JSON = "application/json"
COMPLETIONS_MAX = 100
CHANGES_MAX = 20


def add_resources(server: MCPServer[Gonogo], app: Gonogo) -> None:
    """Add every resource and template, in the order in which they are listed."""

    @server.resource(
        "gonogo://dependencies",
        name="dependencies",
        title="Dependencies",
        description="What is known, one entry each, with its standing verdict.",
        mime_type=JSON,
    )
    async def dependencies() -> str:
        return as_json(await app.list_dependencies())

    @server.resource(
        "gonogo://audit",
        name="audit",
        title="Audit",
        description="The newest 50 actions: who moved traffic or money; decision/{id} has each whole.",
        mime_type=JSON,
    )
    async def audit() -> str:
        return f'{{"actions": [{", ".join(map(action_json, await app.actions()))}]}}'

    @server.resource(
        "gonogo://plans",
        name="plans",
        title="Plans that wait",
        description="Plans that wait for a person, each with its command, and promotions under way.",
        mime_type=JSON,
    )
    async def plans() -> str:
        from gonogo.app.people import promotions, waiting_plans

        stores, now_ms = await app.stores(), app.clock()
        found = await waiting_plans(stores, now_ms=now_ms)
        ways = await promotions(stores, now_ms=now_ms)
        return json.dumps(
            {
                "plans": [plan.model_dump(mode="json") for plan in found],
                "promotions": [way.model_dump(mode="json", exclude_none=True) for way in ways],
            }
        )

    _add_templates(server, app)


def _add_templates(server: MCPServer[Gonogo], app: Gonogo) -> None:
    @server.resource(
        "gonogo://dependency/{name}",
        name="dependency",
        title="Dependency",
        description="One dependency: versions, metrics, standing verdict, incidents, recorded changes.",
        mime_type=JSON,
    )
    async def dependency(name: str) -> str:
        return await _dependency(app, name)

    @server.resource(
        "gonogo://incident/{id}",
        name="incident",
        title="Incident",
        description="One incident with its timeline.",
        mime_type=JSON,
    )
    async def incident(id: str) -> str:  # noqa: A002 - the template's variable
        return as_json(await app.get_incidents(incident_id=id))

    @server.resource(
        "gonogo://decision/{id}",
        name="decision",
        title="Decision",
        description="One entry of the decision log, whole: inputs, evidence, answer, versions.",
        mime_type=JSON,
    )
    async def decision(id: str) -> str:  # noqa: A002 - the template's variable
        return decision_json(await app.decision(id))


async def _dependency(app: Gonogo, name: str) -> str:
    line = await app.dependency_line(name)
    incidents = await app.get_incidents(dependency=name)
    whole: dict[str, Any] = line.model_dump(mode="json", exclude_none=True)
    kept = incidents.model_dump(mode="json", by_alias=True, exclude_none=True)
    changes = [event.told for event in await app.changes(name, limit=CHANGES_MAX)]
    shown = {"incidents": kept["incidents"], "changes": changes}
    return json.dumps({**whole, **shown}, ensure_ascii=False)


def add_completions(server: MCPServer[Gonogo], app: Gonogo) -> None:
    """Complete the names and ids in templates and in the arguments of prompts."""

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator] # the SDK's gap
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _context: CompletionContext | None,
    ) -> Completion | None:
        if isinstance(ref, ResourceTemplateReference):
            wanted = _TEMPLATES.get(ref.uri)
        else:
            wanted = argument.name
        typed = unquote(argument.value)
        known = None if wanted is None else await _known(app, wanted)
        if known is None:
            return None
        matching = [value for value in known if typed in value]
        # How many there are is not known where only the newest were looked at.
        partly = wanted in _NEWEST_ALONE and len(known) >= LOOKED_AT_MAX
        return Completion(
            values=matching[:COMPLETIONS_MAX],
            total=None if partly else len(matching),
            has_more=partly or len(matching) > COMPLETIONS_MAX,
        )


_TEMPLATES = {
    "gonogo://dependency/{name}": "dependency",
    "gonogo://incident/{id}": "incident_id",
    "gonogo://decision/{id}": "decision_id",
}


_NEWEST_ALONE = ("incident_id", "decision_id", "plan_id")
LOOKED_AT_MAX = 50


async def _known(app: Gonogo, wanted: str) -> list[str] | None:
    """What an argument can be, of ids the newest; None where nothing is known of it."""
    match wanted:
        case "dependency":
            return await app.dependency_names()
        case "incident_id":
            return [incident.id for incident in (await app.get_incidents()).incidents]
        case "decision_id":
            return [entry.id for entry in await app.decisions(limit=LOOKED_AT_MAX)]
        case "plan_id":
            return await app.plan_ids(limit=LOOKED_AT_MAX)
        case _:
            settings = app.settings
            configured = {"workload": settings.workloads, "budget": settings.budgets}.get(wanted)
            return None if configured is None else sorted(configured)
