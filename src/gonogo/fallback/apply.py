"""Carrying a plan out, once: fence, bring about, look again, record; and finishing what died.

1. One durable transaction judges the plan against the route as it stands, raises the epoch and
   writes the action's first entry. From here on the store wants the new route.
2. Each actuator is brought to it and read back. Success is never assumed.
3. The result and the action's second entry are written, durably, before anyone hears of it.

A process that dies between these leaves a begun plan. Whoever comes next, with the same plan or to
reconcile, does steps 2 and 3 again: bringing about what is there already changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace

from gonogo.answers import Approver, FallbackResult, NextAction, TargetShare, rfc3339
from gonogo.clock import is_recent
from gonogo.errors import ActionRefused, plain
from gonogo.fallback.conditions import (
    Approval,
    blocking,
    circles,
    flap_damping,
    not_held,
    rate_limit,
    refuse_blocked,
)
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.fallback_words import TOOL, switch_result
from gonogo.fallback.plan import LEASE_MS, actuators_of, told_targets
from gonogo.fallback.traffic import LEFT_SHARE_MAX
from gonogo.incidents.along_route import note_route
from gonogo.ports.actuators import Actuator, Step
from gonogo.ports.promotions import Promotion
from gonogo.ports.routes import (
    STORE,
    WHOLE,
    Books,
    Check,
    Fence,
    Plan,
    Recovery,
    Route,
    SwitchEntry,
    Weight,
    grown,
)
from gonogo.records import DAY_MS, Decision, Verdict, worst_verdict
from gonogo.text.forms import minute, shares

# The kinds under which steps of the way back, and of a candidate's way forward, stand in the log.
RETURN, PROMOTE = "recover", "promote"
# A fallback that follows a return within this time is a relapse: the next return asks for more.
RELAPSE_MS = 7 * DAY_MS


async def carry_out(ports: FallbackPorts, plan: Plan, go: Approval) -> FallbackResult:
    """Carry a plan out, or give the result of the first time.

    `plan.checks` and `plan.answer` are what was judged just now; the fence judges again, in the
    transaction that moves the route, what may have changed since: limits, hold, circles.

    Raises:
        ActionRefused: The plan is expired, blocked, or made for another state of the route.
    """
    unresolved = [
        incident.id
        for incident, _ in await ports.incidents.incidents(dependency=plan.dependency)
        if incident.status != "resolved"
    ]
    # A switch without an incident opens one, in the same breath as it is told of (`note_route`);
    # a candidate's trial is none.
    own = None if plan.promotes else ports.new_id()
    incident_id = unresolved[0] if unresolved else own
    fence = _fence(plan, go, audit_id=ports.new_id(), incident_id=incident_id)
    begun = await ports.routes.begin(
        plan.id, fence, idempotency_key=go.idempotency_key, now_ms=go.now_ms
    )
    if begun.route is None:
        return await replayed(ports, begun.plan, go)
    return await complete(ports, begun.plan, go)


async def replayed(ports: FallbackPorts, plan: Plan, go: Approval) -> FallbackResult:
    """The first result of a plan that was used; finishes what another process has not."""
    result = (
        FallbackResult.model_validate_json(plan.result)
        if plan.result is not None
        else await complete(ports, plan, go)
    )
    route = await ports.routes.route(plan.dependency)
    if route is None or route.epoch == result.route_epoch:
        return result.model_copy(update={"replayed": True})
    return _overtaken(result, route, go.now_ms)


def _overtaken(result: FallbackResult, route: Route, now_ms: int) -> FallbackResult:
    """A result whose route has moved on since: it says what was done then, and what is now."""
    return result.model_copy(
        update={
            "verdict": worst_verdict(["caution", result.verdict]),
            "summary": f"Carried out already, {minute(result.as_of)}: {result.dependency} went to "
            f"{shares(result.to)} (route epoch {result.route_epoch}). The route has moved since: it goes to "
            f"{told_targets(route.targets)} now.",
            "as_of": rfc3339(now_ms),
            "next_actions": [
                NextAction(
                    tool="get_route",
                    arguments={"dependency": result.dependency},
                    reason="where its calls go now",
                )
            ],
            "undo": None,
            "expires_at": None,
            "traffic": [TargetShare(target=w.target, share=w.share / WHOLE) for w in route.targets],
            "replayed": True,
        }
    )


def refuse_stale(plan: Plan, route: Route, now_ms: int) -> None:
    """Refuse a plan that is too old, or was made for another state of the route.

    Raises:
        ActionRefused: It names what moved.
    """
    if now_ms >= plan.expires_ms:
        raise ActionRefused(f"Plan {plan.id} expired at {rfc3339(plan.expires_ms)}: plan again.")
    if route.version != plan.route_version:
        raise ActionRefused(
            f"Plan {plan.id} was made for version {plan.route_version} of the route of "
            f"'{plan.dependency}', which is now at {route.version}: plan again."
        )


def _fence(judged: Plan, go: Approval, *, audit_id: str, incident_id: str | None) -> Fence:
    def fence(plan: Plan, books: Books) -> SwitchEntry:
        if plan.state != "planned":
            return SwitchEntry(plan)
        route = books.route
        refuse_stale(plan, route, go.now_ms)
        now: tuple[Check, ...] = (not_held(route, go.now_ms),)
        if not plan.is_way_back:
            now += (rate_limit(books.switches, go.now_ms), flap_damping(books.switches, go.now_ms))
            targets = grown(plan.before, plan.after)
            now += tuple(circles(plan.dependency, targets, books.routes))
        fresh = {check.check for check in now}
        checks = tuple(check for check in judged.checks if check.check not in fresh) + now
        refuse_blocked(plan.id, blocking(checks, go.confirmed_by, go.overrule))
        wanted = _wanted(plan, route, go, audit_id, incident_id)
        used = replace(
            plan,
            state="begun",
            audit_id=audit_id,
            epoch=wanted.epoch,
            checks=checks,
            answer=judged.answer,
        )
        return SwitchEntry(used, wanted, _began(used, wanted, go))

    return fence


def _wanted(
    plan: Plan, route: Route, go: Approval, audit_id: str, incident_id: str | None
) -> Route:
    """The next route. Leaving the primary alone takes a new salt: other keys go first this time."""
    wanted = replace(
        route,
        targets=plan.after,
        epoch=route.epoch + 1,
        version=route.version + 1,
        salt=_salt(plan, route),
        why=plan.reason,
        changed_ms=go.now_ms,
        incident_id=incident_id,
        audit_id=audit_id,
        promotion=_promotion_after(plan, route, go),
    )
    return replace(
        wanted,
        expires_ms=None if wanted.is_primary else go.now_ms + LEASE_MS,
        renewals=0,
        recovery=_recovery(plan, route, wanted, go.now_ms),
    )


def _salt(plan: Plan, route: Route) -> str:
    leaves_home = route.is_primary and (plan.promotes is None or plan.is_start)
    return (plan.salt or f"{plan.dependency}/{route.epoch + 1}/") if leaves_home else route.salt


def _promotion_after(plan: Plan, route: Route, go: Approval) -> Promotion | None:
    """The state of a promotion after a switch; one that the switch ends, with the time of its end."""
    before, found = route.promotion, plan.promotes or _overtaken_promotion(route, plan)
    if found is not None and plan.is_start:
        return replace(found, asked_by=go.askers_beside(plan.asked_by))
    if found is None or found.is_running:
        return found
    if plan.promotes is None and before is not None and before.status == found.status:
        return found
    return replace(found, ended_ms=go.now_ms)


def _overtaken_promotion(route: Route, plan: Plan) -> Promotion | None:
    """A promotion after another switch: its trial is over; plain calls again end a promoted version."""
    found = route.promotion
    if found is None:
        return None
    if found.is_running:
        found = replace(found, status="back", why=plan.reason)
    is_plain = plan.after == (Weight(plan.dependency, WHOLE),)
    return replace(found, home=plan.dependency, status="back") if is_plain else found


def _recovery(plan: Plan, route: Route, wanted: Route, now_ms: int) -> Recovery | None:
    """The state of the way back after this plan: it begins where the primary was left."""
    before = route.recovery
    if plan.returns is not None:
        return replace(plan.returns, since_ms=now_ms)
    if wanted.is_primary:
        return replace(before, fallback=(), since_ms=now_ms) if before else None
    if wanted.primary_share > LEFT_SHARE_MAX:
        return None  # a split: nobody waits for the primary to recover
    if before is not None and before.fallback and plan.is_way_back:
        return replace(before, since_ms=now_ms)
    relapsed = before is not None and is_recent(before.since_ms, now_ms, within_ms=RELAPSE_MS)
    tried = before.tried + 1 if before is not None and relapsed else 0
    return Recovery(plan.after, fell_ms=now_ms, since_ms=now_ms, tried=tried)


async def _approver(ports: FallbackPorts, plan: Plan, go: Approval) -> Approver:
    """The approver as the audit has it, since another process may finish the plan."""
    begun = await ports.decisions.decision(plan.audit_id or "")
    said = {} if begun is None else json.loads(begun.inputs)
    return Approver(**said["approved_by"]) if "approved_by" in said else _approved_now(plan, go)


def _approved_now(plan: Plan, go: Approval) -> Approver:
    return Approver(
        how=go.confirmed_by or ("evidence" if _on_evidence(plan) else "allow"),
        who=plain(go.actor, 80),
    )


def _on_evidence(plan: Plan) -> bool:
    """Whether nobody's word but its evidence begins it: a step of the way back, or forward."""
    is_step = plan.promotes is not None and not plan.is_start and plan.undoes is None
    return plan.returns is not None or is_step


def _entry(
    plan: Plan,
    go: Approval,
    approved_by: Approver,
    *,
    entry_id: str,
    verdict: Verdict,
    summary: str,
    answer: str,
) -> Decision:
    inputs = {
        "dependency": plan.dependency,
        "plan_id": plan.id,
        "undo": plan.undoes,
        "reason": plan.reason,
        "promote": plan.promotes and plan.promotes.version,
        "approved_by": approved_by.model_dump(),
        "idempotency_key": go.idempotency_key,
        "overruled": go.overrule and ", ".join(c.check for c in plan.checks if not c.passed),
        "overruled_because": go.overrule,
    }
    return Decision(
        id=entry_id,
        ts_ms=go.now_ms,
        kind=PROMOTE if plan.promotes else RETURN if plan.returns else TOOL,
        verdict=verdict,
        summary=summary,
        inputs=json.dumps({key: value for key, value in inputs.items() if value is not None}),
        answer=answer,
        action=True,
        dependency=plan.dependency,
        actor=go.actor,
        settings_digest=go.settings_digest,
    )


def _began(plan: Plan, wanted: Route, go: Approval) -> Decision:
    answer = {
        "plan_id": plan.id,
        "route_epoch": wanted.epoch,
        "from": [[w.target, w.share / WHOLE] for w in plan.before],
        "to": [[w.target, w.share / WHOLE] for w in plan.after],
        "plan": json.loads(plan.answer),
    }
    if plan.evidence:
        answer["evidence"] = json.loads(plan.evidence)
    return _entry(
        plan,
        go,
        _approved_now(plan, go),
        entry_id=wanted.audit_id or "",
        verdict="unknown",
        summary=f"Begun: {plan.dependency} to {told_targets(plan.after)} (epoch {wanted.epoch})",
        answer=json.dumps(answer),
    )


async def complete(ports: FallbackPorts, plan: Plan, go: Approval) -> FallbackResult:
    """Do steps 2 and 3 for a begun plan; the result that stands, which is another's where another was first."""
    route = await ports.routes.route(plan.dependency)
    steps: list[tuple[str, Step]]
    if route is None or route.epoch != plan.epoch:
        overtaken = f"overtaken by epoch {route.epoch if route else 0}"
        steps = [
            (name, Step("unknown", overtaken))
            for name in (STORE, *actuators_of(ports, plan.dependency))
        ]
    else:
        steps = [(STORE, Step("done", f"read back at epoch {route.epoch}"))]
        steps += await bring_about_all(ports, route)
    entry_id = ports.new_id()
    approved_by = await _approver(ports, plan, go)
    result = switch_result(plan, steps, entry_id, go.now_ms).model_copy(
        update={"approved_by": approved_by}
    )
    text = result.as_json()
    entry = _entry(
        plan,
        go,
        approved_by,
        entry_id=entry_id,
        verdict=result.verdict,
        summary=result.summary,
        answer=text,
    )
    incident_id = None if plan.promotes else await _noted(ports, plan, route, go)
    if incident_id is not None:
        result = result.model_copy(update={"incident_id": incident_id})
        text = result.as_json()
        entry = replace(entry, answer=text)
    stands = await ports.routes.finish(plan.id, result=text, entry=entry)
    return FallbackResult.model_validate_json(stands)


async def _noted(ports: FallbackPorts, plan: Plan, route: Route | None, go: Approval) -> str | None:
    """Carry the switch into the dependency's incidents; the id of the one it belongs to."""
    return await note_route(
        ports.incidents,
        plan.dependency,
        on_primary=route is not None and route.is_primary,
        why=plan.reason,
        actor=go.actor,
        decision_id=plan.audit_id or "",
        now_ms=go.now_ms,
        is_step=plan.returns is not None,
        opens=route.incident_id if route is not None and route.epoch == plan.epoch else None,
    )


async def bring_about_all(ports: FallbackPorts, route: Route) -> list[tuple[str, Step]]:
    """Bring every actuator of the dependency to its route, and look again."""
    steps = []
    for name in actuators_of(ports, route.dependency):
        actuator = ports.actuators.get(name)
        step = (
            await bring_about(actuator, route)
            if actuator
            else Step("unknown", "cannot be reached from this process")
        )
        steps.append((name, step))
    return steps


async def bring_about(actuator: Actuator, route: Route) -> Step:
    """Bring one actuator to a route and look again; what was seen last is what counts."""
    observed = await actuator.read(route.dependency)
    applied = await actuator.apply(route, expected_version=observed.version)
    verified = await actuator.verify(route)
    if verified.status == "done" or applied.status == "done":
        detail = f"{verified.detail}; {applied.detail}" if applied.detail else verified.detail
        return Step(verified.status, detail)
    return applied
