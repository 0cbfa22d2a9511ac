"""Resources: decisions, dependencies and incidents by address, as JSON; subscribers are told of changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, unquote

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from gonogo.app import Gonogo
from gonogo.errors import GonogoError
from gonogo.text.answer_text import action_json, decision_json
from gonogo.views.movements import Movements

COMPLETIONS_MAX = 100
CHANGES_MAX = 20
RETRY_S = 5.0

logger = logging.getLogger("gonogo.server")


def add_resources(server: MCPServer[Gonogo], app: Gonogo) -> None:
    """Add every resource and template, in the order in which they are listed."""

    async def dependencies() -> str:
        return (await app.list_dependencies()).as_json()

    async def audit() -> str:
        return f'{{"actions": [{", ".join(map(action_json, await app.actions()))}]}}'

    async def plans() -> str:
        return await _plans(app)

    async def dependency(name: str) -> str:
        return await _dependency(app, name)

    async def incident(id: str) -> str:  # noqa: A002 - the template's variable
        return (await app.get_incidents(incident_id=id)).as_json()

    async def decision(id: str) -> str:  # noqa: A002 - the template's variable
        return decision_json(await app.decision(id))

    for uri, title, description, read in (
        ("dependencies", "Dependencies", "What is known, one entry each, with its standing verdict.", dependencies),
        ("audit", "Audit", "The newest 50 actions: who moved traffic or money; decision/{id} has each whole.", audit),
        ("plans", "Plans that wait", "Plans that wait for a person, each with its command, and promotions under way.", plans),
        ("dependency/{name}", "Dependency", "One dependency: versions, metrics, standing verdict, incidents, recorded changes.", dependency),
        ("incident/{id}", "Incident", "One incident with its timeline.", incident),
        ("decision/{id}", "Decision", "One entry of the decision log, whole: inputs, evidence, answer, versions.", decision),
    ):  # fmt: skip
        server.resource(
            f"gonogo://{uri}",
            name=read.__name__,
            title=title,
            description=description,
            mime_type="application/json",
        )(read)


async def _plans(app: Gonogo) -> str:
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


async def _dependency(app: Gonogo, name: str) -> str:
    line = await app.dependency_line(name)
    incidents = await app.get_incidents(dependency=name)
    whole: dict[str, Any] = line.model_dump(mode="json", exclude_none=True)
    kept = incidents.as_object()
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
    """The known values of an argument, of ids the newest; None where it has no list."""
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


# Telling subscribers that a resource changed, also where another process changed it.
#
# While nobody listens nothing is looked at. A verdict changes when somebody asks for it anew; what
# is told is that the resource should be read again, never what it says.


class Listeners(InMemorySubscriptionBus):
    """The SDK's fan-out, which also knows whether anybody listens."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self.somebody, self.nobody = anyio.Event(), anyio.Event()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Register a listener; returns what takes it back, once."""
        forget = super().subscribe(listener)
        self._count += 1
        if self._count == 1:
            self.nobody = anyio.Event()
            self.somebody.set()
        listens = True

        def unsubscribe() -> None:
            nonlocal listens
            if not listens:
                return
            listens = False
            forget()
            self._count -= 1
            if self._count == 0:
                self.somebody = anyio.Event()
                self.nobody.set()

        return unsubscribe


async def tell_listeners(app: Gonogo, listeners: Listeners) -> None:
    """Publish what moves for as long as somebody listens, until cancelled."""
    while True:
        await listeners.somebody.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_tell, app, listeners)
            await listeners.nobody.wait()
            tasks.cancel_scope.cancel()


async def _tell(app: Gonogo, listeners: Listeners) -> None:
    while True:
        try:
            async with aclosing(app.movements()) as movements:
                async for moved in movements:
                    for uri in addresses(moved):
                        await listeners.publish(ResourceUpdated(uri=uri))
        except GonogoError as error:
            logger.warning("listening: %s", error)
            await anyio.sleep(RETRY_S)


def addresses(moved: Movements) -> list[str]:
    """The resources to read again; a name is spelt as it is and, where that differs, encoded."""
    found = ["gonogo://dependencies"] if moved.dependencies else []
    for name in moved.dependencies:
        found += dict.fromkeys(
            f"gonogo://dependency/{spelt}" for spelt in (name, quote(name, safe=""))
        )
    found += [f"gonogo://incident/{incident}" for incident in moved.incidents]
    return [*found, "gonogo://audit"] if moved.actions else found
