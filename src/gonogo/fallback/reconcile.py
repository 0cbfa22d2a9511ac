"""Making routes real again: plans whose process died, and actuators that forgot."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gonogo.clock import is_recent
from gonogo.fallback.apply import bring_about, complete
from gonogo.fallback.conditions import Approval
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.plan import actuators_of
from gonogo.ports.actuators import Step
from gonogo.ports.routes import Route
from gonogo.records import Decision

# A begun plan younger than this is still being worked on by whoever began it.
WORKED_ON_MS = 10_000


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The steps that brought one dependency's actuators back to its route, one an actuator."""

    dependency: str
    steps: tuple[tuple[str, Step], ...]


async def reconcile(
    ports: FallbackPorts, *, dependency: str | None = None, now_ms: int
) -> list[Reconciliation]:
    """Finish begun plans whose process died, and bring back actuators that forgot.

    Cheap where nothing is to be done: a read of the store and one of each actuator. Call it ahead
    of every route question, and each minute where somebody watches.

    Returns:
        The dependencies of which some actuator was not where it should be.
    """
    go = Approval(None, "reconciler", now_ms, ports.settings.digest)
    worked_on = set()
    for plan in await ports.routes.begun(dependency):
        route = await ports.routes.route(plan.dependency)
        if route is None or not is_recent(route.changed_ms, now_ms, within_ms=WORKED_ON_MS):
            await complete(ports, plan, go)
        else:
            worked_on.add(plan.dependency)
    wanted = (
        await ports.routes.routes()
        if dependency is None
        else [route for route in [await ports.routes.route(dependency)] if route is not None]
    )
    found = [
        await _reconciled(ports, route, go)
        for route in wanted
        if route.epoch and route.dependency not in worked_on
    ]
    return [done for done in found if done.steps]


async def _reconciled(ports: FallbackPorts, route: Route, go: Approval) -> Reconciliation:
    steps = []
    for name in actuators_of(ports, route.dependency):
        actuator = ports.actuators.get(name)
        if actuator is None or (await actuator.verify(route)).status == "done":
            continue
        steps.append((name, await bring_about(actuator, route)))
    brought = [name for name, step in steps if step.status == "done"]
    if brought:
        entry = Decision(
            id=ports.new_id(),
            ts_ms=go.now_ms,
            kind="reconcile",
            verdict="go",
            summary=f"Brought {', '.join(brought)} back to epoch {route.epoch} of {route.dependency}",
            inputs=json.dumps({"dependency": route.dependency}),
            answer=json.dumps({name: step.detail for name, step in steps}),
            action=True,
            dependency=route.dependency,
            actor=go.actor,
            settings_digest=go.settings_digest,
        )
        await ports.decisions.append(entry)
    return Reconciliation(route.dependency, tuple(steps))
