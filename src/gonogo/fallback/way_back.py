"""Planning to go back to where an action came from."""

from __future__ import annotations

from dataclasses import replace

from gonogo.errors import ActionRefused, ParameterError, UnknownTarget
from gonogo.fallback.conditions import approval_of, askers
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.judgement import judge_switch
from gonogo.fallback.plan import Proposal, effects, valid_ms
from gonogo.ports.routes import WHOLE, Plan, Route, Weight


async def propose_undo(
    ports: FallbackPorts, route: Route, audit_id: str, actor: str, now_ms: int
) -> Proposal:
    """Work out the way back from the newest action, for whoever asks; reads only.

    Raises:
        UnknownTarget: There is no such action.
        ActionRefused: The route has moved on since, or what it did is over.
    """
    dependency = route.dependency
    done = await ports.routes.plan_with(audit_id=audit_id)
    if done is None:
        told = "Pass the audit_id that the fallback returned."
        raise UnknownTarget("action", audit_id, route.audit_id and [route.audit_id], told)
    refuse_other(done, dependency)
    if route.epoch != done.epoch:
        raise ActionRefused(
            f"The route of '{dependency}' has moved on since {audit_id} (epoch {route.epoch}, not "
            f"{done.epoch}): undo the newest action, {route.audit_id}, or plan a fallback."
        )
    before, ended = done.before, None
    if done.promotes is not None:
        # Whichever step it is: to take a promotion back is to take the candidate back.
        if done.promotes.status == "back":
            raise ActionRefused(
                f"The promotion that {audit_id} ended is over: promote {done.promotes.version} again."
            )
        before = (Weight(done.promotes.home, WHOLE),)
        ended = replace(done.promotes, status="back", why=f"undo of {audit_id}")
    judged = await judge_switch(
        ports,
        route,
        before,
        is_undo=True,
        home=None if ended is None else ended.home,
        asked_by=askers(actor),
        now_ms=now_ms,
    )
    approval = approval_of(ports.settings.dependency(dependency).fallback_policy, judged.checks)
    return Proposal(
        dependency=dependency,
        # What an undo undid stands in its own entry: told again, reasons would nest without end.
        reason=f"undo of {audit_id}, itself an undo"
        if done.undoes
        else f"undo of {audit_id} ({done.reason})",
        route=route,
        after=before,
        health=judged.health,
        cost_change=None,
        effects=effects(ports, route, before),
        checks=judged.checks,
        approval=approval,
        valid_ms=valid_ms(ports.settings, approval),
        promotes=ended,
    )


def refuse_other(plan: Plan, dependency: str | None) -> None:
    """Refuse a plan of another dependency than the one that was named."""
    if dependency is not None and plan.dependency != dependency:
        raise ParameterError(
            f"Plan {plan.id} is for '{plan.dependency}', not '{dependency}': pass its dependency."
        )
