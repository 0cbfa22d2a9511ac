"""What can be read by address: the log's entries, dependencies and incidents, as JSON."""

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
from gonogo.errors import UnknownTarget
from gonogo.text import as_json, decision_json

JSON = "application/json"
COMPLETIONS_MAX = 100


def add_resources(server: MCPServer[Gonogo], app: Gonogo) -> None:
    """Add every resource and template, in the order in which they are listed."""

    @server.resource(
        "gonogo://dependencies",
        name="dependencies",
        title="Dependencies",
        description="What is known, one entry each, with the last verdict.",
        mime_type=JSON,
    )
    async def dependencies() -> str:
        return as_json(await app.list_dependencies())

    @server.resource(
        "gonogo://audit",
        name="audit",
        title="Audit",
        description="The newest 50 actions: who moved traffic or money, when and why.",
        mime_type=JSON,
    )
    async def audit() -> str:
        return f'{{"actions": [{", ".join(decision_json(d) for d in await app.actions())}]}}'

    _add_templates(server, app)


def _add_templates(server: MCPServer[Gonogo], app: Gonogo) -> None:
    @server.resource(
        "gonogo://dependency/{name}",
        name="dependency",
        title="Dependency",
        description="One dependency: its versions, metrics and last verdict, and its incidents.",
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
    listed = await app.list_dependencies(query=name)
    found = [line for line in listed.dependencies if line.dependency == name]
    if not found:
        known = (await app.list_dependencies()).dependencies
        raise UnknownTarget("dependency", name, [line.dependency for line in known])
    incidents = await app.get_incidents(dependency=name)
    whole: dict[str, Any] = found[0].model_dump(mode="json", exclude_none=True)
    kept = incidents.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps({**whole, "incidents": kept["incidents"]}, ensure_ascii=False)


def add_completions(server: MCPServer[Gonogo], app: Gonogo) -> None:
    """Complete the names and ids in the templates."""

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator] # the SDK's gap
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _context: CompletionContext | None,
    ) -> Completion | None:
        if not isinstance(ref, ResourceTemplateReference):
            return None
        typed = unquote(argument.value)
        match ref.uri:
            case "gonogo://dependency/{name}":
                listed = await app.list_dependencies(query=typed or None)
                values = [line.dependency for line in listed.dependencies]
            case "gonogo://incident/{id}":
                values = [i.id for i in (await app.get_incidents()).incidents]
            case "gonogo://decision/{id}":
                values = [d.id for d in await app.decisions()]
            case _:
                return None
        matching = [value for value in values if typed in value]
        return Completion(
            values=matching[:COMPLETIONS_MAX],
            total=len(matching),
            has_more=len(matching) > COMPLETIONS_MAX,
        )
