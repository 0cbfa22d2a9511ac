"""Asks everything that planned work needs, part by part, and puts the answers together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from gonogo.answers import BudgetCheck, IncidentBrief, PreflightReport
from gonogo.app.check_ports import Checks, Detail
from gonogo.app.parts import Stores
from gonogo.app.preflight_verdict import PartReport, compose_preflight, for_unstated_calls
from gonogo.errors import ParameterError, UnknownTarget, plain
from gonogo.fallback.conditions import last_drill, told
from gonogo.ports.routes import UNMEASURED, Route, split_version

DEPENDENCIES_MAX = 100

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Work:
    """The planned work: calls by dependency (None: not stated), and the budget they use."""

    calls: Mapping[str, int | None]
    budget: str | None = None
    workload: str | None = None
    allow_unknown: bool = False

    @property
    def planned_calls(self) -> int | None:
        """All calls together; None where those of some part were not stated."""
        stated = [n for n in self.calls.values() if n is not None]
        return sum(stated) if len(stated) == len(self.calls) else None


async def run_preflight(
    app: Checks,
    stores: Stores,
    work: Work,
    *,
    now_ms: int,
    detail: Detail,
    progress: Progress | None = None,
) -> PreflightReport:
    """Check every part where its calls go now, the budget, and what is being handled.

    Parts are checked at once: most of what each takes is waiting for the store. `progress` is
    called after each: how many are done, of how many, and which was the last.

    Raises:
        UnknownTarget: the budget is not configured.
    """
    routes = {route.dependency: route for route in await stores.routes.routes()}
    done = 0

    async def check(name: str) -> PartReport:
        nonlocal done
        part = await _part(app, stores, name, routes.get(name))
        done += 1
        if progress is not None:
            await progress(done, len(work.calls), name)
        return part

    parts = await asyncio.gather(*(check(name) for name in work.calls))
    refused = {one.dependency: one for one in await stores.refusals.recent(now_ms)}
    parts = [replace(part, refused=refused.get(part.measured or "")) for part in parts]
    budget = await _budget(app, work, detail)
    if budget is not None and work.planned_calls is None:
        budget = for_unstated_calls(budget)
    # What is being handled of the work's own dependencies, and of where their calls go now.
    names = dict.fromkeys(name for part in parts for name in (part.dependency, part.measured))
    incidents = [
        IncidentBrief(id=found.id, dependency=found.dependency, status=found.status)
        for found in await stores.incidents.unresolved([name for name in names if name])
    ]
    return compose_preflight(
        parts,
        workload=work.workload,
        calls=work.planned_calls,
        budget=budget,
        incidents=incidents,
        allow_unknown=work.allow_unknown,
        now_ms=now_ms,
    )


def planned_work(
    app: Checks,
    *,
    workload: str | None,
    dependencies: list[str] | None,
    planned_calls: int | None,
    budget: str | None,
) -> Work:
    """Build the planned work from the arguments of a preflight.

    Raises:
        ParameterError: neither or both of workload and dependencies, or too many of them.
        UnknownTarget: the workload is not configured.
    """
    if dependencies and not all(dependencies):
        raise ParameterError("A dependency's name is empty; leave it out or name it.")
    if (workload is None) == (not dependencies):
        known = ", ".join(plain(name, 60) for name in list(app.settings.workloads)[:10])
        raise ParameterError(
            f"Give either a workload of gonogo.toml ({known or 'none is there'}) or "
            "`dependencies` (names, at least one)."
        )
    if workload is not None:
        configured = app.settings.workloads.get(workload)
        if configured is None:
            advice = "Configure it in gonogo.toml, or give dependencies."
            raise UnknownTarget("workload", workload, app.settings.workloads, advice)
        # What is stated now outweighs what is configured, as it does for the budget.
        calls = configured.dependencies
        return Work(
            calls if planned_calls is None else dict.fromkeys(calls, planned_calls),
            budget=budget or configured.budget,
            workload=workload,
            allow_unknown=configured.allow_unknown,
        )
    names = list(dict.fromkeys(dependencies or ()))
    if len(names) > DEPENDENCIES_MAX:
        raise ParameterError(f"dependencies has {len(names)} names; at most {DEPENDENCIES_MAX}.")
    return Work(dict.fromkeys(names, planned_calls), budget=budget)


async def _part(app: Checks, stores: Stores, name: str, route: Route | None) -> PartReport:
    """Check one dependency: judged where its calls go now, with the last rehearsal of its plan."""
    part = await _judged(app, stores, name, route)
    if not app.settings.dependency(name).fallback:
        return part
    drill = await last_drill(stores.decisions, name)
    return replace(part, plan_tested=told(drill, app.clock()))


async def _judged(app: Checks, stores: Stores, name: str, route: Route | None) -> PartReport:
    """Drift and trust of where its calls go; of one version, that version's own calls are scored, as its route has it."""
    target = name if route is None else _main_target(route)
    measured, version = (name, None) if target == name else split_version(target)
    if target in UNMEASURED or target.startswith("rules:"):
        return PartReport(name, target)
    try:
        drift = await app.check_model_drift(measured, version=version)
        if version is not None:
            now_ms = app.clock()
            health = await stores.fallback.health.assess(target, primary=name, now_ms=now_ms)
            return PartReport(name, target, measured=measured, drift=drift, version=health)
        trust = await app.get_trust_score_health(measured)
    except UnknownTarget:
        one = " It was taken for one name: pass several as a list." if "," in measured else ""
        problem = f"Nothing is recorded of '{measured}'.{one}"
        return PartReport(name, target, measured=measured, problem=problem)
    return PartReport(name, target, measured=measured, drift=drift, trust=trust)


def _main_target(route: Route) -> str:
    """The target that most calls go to."""
    return max(route.targets, key=lambda weight: weight.share).target


async def _budget(app: Checks, work: Work, detail: Detail) -> BudgetCheck | None:
    if work.budget is None:
        return None
    stated = {name: calls for name, calls in work.calls.items() if calls is not None}
    if len(stated) == len(work.calls):
        return await app.check_budget_with_confidence(work.budget, work=stated, detail=detail)
    # One call of each part: where even that does not fit, no work does.
    once = dict.fromkeys(work.calls, 1)
    return await app.check_budget_with_confidence(work.budget, work=once, detail=detail)
