"""One step on evidence, of the way back or of a candidate's way forward: a plan of its own, taken at once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from gonogo.errors import ActionRefused
from gonogo.fallback.apply import carry_out
from gonogo.fallback.conditions import Approval, blocking
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.fallback_words import plan_answer, plan_of
from gonogo.fallback.plan import Proposal, effects, valid_ms
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import Check, Recovery, Route, Weight
from gonogo.settings import Policy

# By whose name steps stand in the log.
ACTOR = "gonogo"
# Begins the keys of steps; no caller's key has it (`FallbackRequest`), so that nobody's plan stands for a step.
STEP_KEY = "\n"


async def take_step(
    ports: FallbackPorts,
    route: Route,
    after: tuple[Weight, ...],
    *,
    kind: str,
    reason: str,
    checks: tuple[Check, ...],
    approval: Policy = "allow",
    returns: Recovery | None = None,
    promotes: Promotion | None = None,
    now_ms: int,
) -> None:
    """Keep a step as a plan, and take it where nobody has to be asked and nothing stops it.

    Each is fenced, read back, audited and reconciled as every plan; one that another process took, or
    that waits already, stays as it is.
    """
    proposal = Proposal(
        dependency=route.dependency,
        reason=reason,
        route=route,
        after=after,
        health=None,
        cost_change=None,
        effects=effects(ports, route, after, promotes),
        checks=checks,
        approval=approval,
        valid_ms=valid_ms(ports.settings, approval),
        promotes=promotes,
    )
    plan = plan_of(proposal, plan_answer(proposal, "plan-" + ports.new_id(), now_ms), now_ms)
    moved = promotes.target if promotes is not None else route.home
    share = sum(weight.share for weight in after if weight.target == moved)
    key = f"{STEP_KEY}{kind}/{route.version}/{share}"
    kept = await ports.routes.save_plan(replace(plan, returns=returns, idempotency_key=key))
    kept = replace(kept, checks=checks)  # of now, where an earlier look had kept it
    if kept.state == "planned" and approval == "allow" and not blocking(kept.checks, None):
        with suppress(ActionRefused):
            await carry_out(ports, kept, Approval(None, ACTOR, now_ms, ports.settings.digest))
