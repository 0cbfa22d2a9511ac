"""`trigger_fallback`: plan, have it approved, carry it out, take it back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from gonogo.answers import FallbackPlan, FallbackResult, PromotionReport
from gonogo.border.characters import NAME_CHARS_MAX
from gonogo.errors import ActionRefused, ParameterError, StoreError, UnknownTarget, plain
from gonogo.fallback.apply import carry_out, refuse_stale, replayed
from gonogo.fallback.conditions import (
    POLICIES,
    REASON_CHARS_MAX,
    Approval,
    ConfirmedBy,
    approval_of,
    askers,
    blocking,
    is_approved,
    refuse_blocked,
)
from gonogo.fallback.fallback_ports import FallbackPorts
from gonogo.fallback.fallback_words import (
    judged_answer,
    pending_answer,
    plan_answer,
    plan_of,
    stored_answer,
)
from gonogo.fallback.judgement import SwitchJudgement, judge_switch
from gonogo.fallback.plan import Proposal, propose
from gonogo.fallback.promotion.promotion_plan import promotion_checks, propose_promotion
from gonogo.fallback.promotion.promotion_report import promotion_report
from gonogo.fallback.promotion.ramp import carry_on
from gonogo.fallback.way_back import propose_undo, refuse_other
from gonogo.ports.routes import Plan, Route, primary_route
from gonogo.settings import Policy, Settings


@dataclass(frozen=True, slots=True)
class FallbackRequest:
    """The arguments of `trigger_fallback`.

    `confirmed_by`: how the caller came by a yes; "elicited" is a person asked through the client,
    "approved", "terminal" and "link" overrule failed checks where `overrule` says why.
    """

    dependency: str
    reason: str | None = None
    to: str | None = None
    share: float | None = None
    plan_id: str | None = None
    idempotency_key: str | None = None
    undo: str | None = None
    confirmed_by: ConfirmedBy | None = None
    actor: str = "agent"
    overrule: str | None = None
    promote: str | None = None
    policy: str | None = None
    at_once: bool = False
    shadow: bool = False

    def __post_init__(self) -> None:
        """Refuse a key that is none, or that could be a step's own."""
        key = self.idempotency_key
        if key is not None and not (1 <= len(key) <= NAME_CHARS_MAX and key.isprintable()):
            told = f"1 to {NAME_CHARS_MAX} printable characters"
            raise ParameterError(f"idempotency_key must have {told}.")

    @property
    def asked(self) -> str:
        """The arguments of a plan as JSON; an idempotency key stands for one set of them."""
        asked: list[object] = [(self.reason or "").strip(), (self.to or "").strip(), self.share]
        if self.promote is not None:
            asked += [self.promote, self.policy, self.at_once, *([True] if self.shadow else [])]
        return json.dumps(asked)

    @property
    def given(self) -> dict[str, object]:
        """The request as arguments of the tool, which the decision log keeps."""
        given = {
            "dependency": self.dependency,
            "reason": self.reason,
            "to": self.to,
            "share": self.share,
            "plan_id": self.plan_id,
            "promote": self.promote,
            "promote_by": "split" if self.at_once else "shadow" if self.shadow else None,
        }
        return {name: value for name, value in given.items() if value is not None}


async def trigger_fallback(
    ports: FallbackPorts, request: FallbackRequest, *, now_ms: int
) -> FallbackPlan | FallbackResult:
    """Plan without `plan_id` or `undo`; else carry out, or say who has to approve it first.

    A FallbackResult is in the decision log already, under its `decision_id`; a FallbackPlan is not.

    Raises:
        ParameterError: An argument is wrong, or two of them exclude each other.
        UnknownTarget: The dependency, target, plan or action is not known.
        ActionRefused: Denied, read-only, expired, blocked, or the route has moved.
    """
    if request.plan_id is not None and request.undo is not None:
        raise ParameterError("`plan_id` and `undo` exclude each other: pass one of them.")
    if request.undo is not None:
        return await undo(ports, request, now_ms=now_ms)
    if request.plan_id is not None:
        return await apply_fallback(ports, request, now_ms=now_ms)
    return await plan_fallback(ports, request, now_ms=now_ms)


async def promote(
    ports: FallbackPorts, request: FallbackRequest, *, now_ms: int
) -> FallbackPlan | FallbackResult | PromotionReport:
    """Report a version's promotion, or plan to begin it where it is neither running nor done.

    Without a version, how the newest one stands. Each question is an occasion to take the step that the evidence allows.
    """
    before = (await _route(ports, request.dependency)).promotion
    if not ports.settings.read_only:
        await carry_on(ports, dependency=request.dependency, now_ms=now_ms)
    made = (await _route(ports, request.dependency)).promotion
    is_this = made is not None and made.version == request.promote
    stands = is_this and made is not None and made.status != "back"
    just_ended = is_this and before is not None and before.is_running
    if request.promote is not None and not stands and not just_ended:
        return await plan_fallback(ports, request, now_ms=now_ms)
    return await promotion_report(ports, dependency=request.dependency, now_ms=now_ms)


async def plan_fallback(
    ports: FallbackPorts, request: FallbackRequest, *, now_ms: int
) -> FallbackPlan | FallbackResult:
    """A plan that can be used once, until it expires; nothing is switched.

    With an `idempotency_key` that was used before, the first plan or its result.

    Raises:
        ParameterError: The key was used with other arguments.
    """
    key = request.idempotency_key
    used = await ports.routes.keyed_plan(request.dependency, key) if key is not None else None
    if used is not None and used.state != "planned":
        _refuse_another(used, request)
        return await replayed(ports, used, _go(request, ports.settings, now_ms))
    proposal = await _proposal(ports, request, now_ms=now_ms)
    answer = plan_answer(proposal, "plan-" + ports.new_id(), now_ms)
    plan = replace(
        plan_of(proposal, answer, now_ms),
        idempotency_key=request.idempotency_key,
        asked=request.asked,
        asked_by=request.actor,
        evidence=await ports.evidence_of(request.dependency, now_ms) if ports.evidence_of else "",
    )
    try:
        kept = await ports.routes.save_plan(plan)
    except StoreError:
        if not ports.settings.read_only:
            raise
        return _offered(answer, ports.settings)
    if kept.id != plan.id:
        _refuse_another(kept, request)
    if kept.state != "planned":
        return await replayed(ports, kept, _go(request, ports.settings, now_ms))
    return _offered(stored_answer(kept), ports.settings)


async def _proposal(ports: FallbackPorts, request: FallbackRequest, *, now_ms: int) -> Proposal:
    if request.promote is None:
        return await propose(
            ports,
            dependency=request.dependency,
            reason=request.reason,
            to=request.to,
            share=request.share,
            asked_by=askers(request.actor),
            now_ms=now_ms,
        )
    return await propose_promotion(
        ports,
        dependency=request.dependency,
        version=request.promote,
        reason=request.reason,
        to=request.share,
        policy=request.policy,
        at_once=request.at_once,
        shadow=request.shadow,
        now_ms=now_ms,
    )


def _refuse_another(kept: Plan, request: FallbackRequest) -> None:
    """Refuse a key that stands for another question; where it was not kept, nothing is known."""
    if kept.asked not in ("", request.asked):
        raise ParameterError(
            f"idempotency_key '{request.idempotency_key}' was used with other arguments, for plan "
            f"{kept.id}: repeat those, or pass another key."
        )


def _offered(plan: FallbackPlan, settings: Settings) -> FallbackPlan:
    """The plan; a process that only reads does not offer to carry it out."""
    return plan.model_copy(update={"next_actions": []}) if settings.read_only else plan


async def apply_fallback(
    ports: FallbackPorts, request: FallbackRequest, *, now_ms: int
) -> FallbackPlan | FallbackResult:
    """Carry out the plan `request.plan_id`, once; without the approval it needs, the plan again."""
    # The route first: read after the plan, it could show another process carrying this very plan
    # out, and a replay would be taken for a route that has moved.
    route = await _route(ports, request.dependency)
    plan = await _stored(ports, request.plan_id or "", request.dependency)
    go = _go(request, ports.settings, now_ms)
    if plan.state != "planned":
        return await replayed(ports, plan, go)
    approval = _approval(ports.settings, plan)
    _refuse_denied(ports.settings, plan, approval)
    refuse_stale(plan, route, now_ms)
    plan = await _judged_again(ports, plan, route, request.actor, now_ms)
    approval = _approval(ports.settings, plan)
    refuse_blocked(plan.id, blocking(plan.checks, request.confirmed_by, request.overrule))
    if not is_approved(approval, request.confirmed_by):
        return pending_answer(plan, approval, now_ms)
    return await carry_out(ports, plan, go)


async def _judged_again(
    ports: FallbackPorts, plan: Plan, route: Route, actor: str, now_ms: int
) -> Plan:
    """The plan with what speaks for and against it now, not when it was made."""
    if plan.promotes is not None:
        checks = await promotion_checks(
            ports, route, plan.promotes, plan.after, is_start=plan.is_start, now_ms=now_ms
        )
        judged = SwitchJudgement(None, checks)
    else:
        judged = await judge_switch(
            ports,
            route,
            plan.after,
            is_undo=plan.undoes is not None,
            asked_by=askers(plan.asked_by, actor),
            now_ms=now_ms,
        )
    policy = ports.settings.dependency(plan.dependency).fallback_policy
    approval = max(plan.approval, approval_of(policy, judged.checks), key=POLICIES.index)
    answer = judged_answer(plan, judged, approval)
    return replace(plan, checks=judged.checks, approval=approval, answer=answer)


async def waiting_plan(ports: FallbackPorts, plan_id: str) -> tuple[FallbackPlan, str] | None:
    """The plan that a person is asked about, and why it was made; None where it was used already.

    Raises:
        UnknownTarget: There is no such plan.
    """
    plan = await _stored(ports, plan_id, None)
    return (stored_answer(plan), plan.reason) if plan.state == "planned" else None


async def approve(
    ports: FallbackPorts,
    plan_id: str,
    *,
    actor: str,
    how: ConfirmedBy = "approved",
    overrule: str | None = None,
    now_ms: int,
) -> FallbackResult:
    """A person's yes by hand: carries the plan out.

    With `overrule`, a reason, also past checks that stop agents: ladder, target's health, limits.
    """
    plan = await _stored(ports, plan_id, None)
    said = plain((overrule or "").strip(), REASON_CHARS_MAX) or None
    request = FallbackRequest(
        plan.dependency, plan_id=plan.id, confirmed_by=how, actor=actor, overrule=said
    )
    result = await apply_fallback(ports, request, now_ms=now_ms)
    if isinstance(result, FallbackPlan):  # any hand is enough, but for `person` and `deny`
        raise ActionRefused(f"Plan {plan_id} was not carried out: {result.summary}")
    return result


async def undo(
    ports: FallbackPorts, request: FallbackRequest, *, now_ms: int
) -> FallbackPlan | FallbackResult:
    """Go back to where an action came from: one call, the same approval.

    Towards the primary, whatever health says. Away from it is a switch like any other.
    """
    audit_id = request.undo or ""
    go = _go(request, ports.settings, now_ms)
    route = await _route(ports, request.dependency)  # first, as in `apply_fallback`
    earlier = await ports.routes.plan_with(undoes=audit_id)
    if earlier is not None and earlier.state != "planned":
        refuse_other(earlier, request.dependency)
        return await replayed(ports, earlier, go)
    proposal = await propose_undo(ports, route, audit_id, request.actor, now_ms)
    answer = plan_answer(proposal, "plan-" + ports.new_id(), now_ms)
    plan = replace(plan_of(proposal, answer, now_ms), undoes=audit_id, asked_by=request.actor)
    _refuse_denied(ports.settings, plan, proposal.approval)
    # Kept before it is refused: a person may overrule what stops an agent, by the plan's id.
    kept = await ports.routes.save_plan(plan)
    now = judged_answer(kept, SwitchJudgement(proposal.health, plan.checks), proposal.approval)
    kept = replace(kept, checks=plan.checks, answer=now)
    if kept.state == "planned":
        refuse_blocked(kept.id, blocking(kept.checks, request.confirmed_by, request.overrule))
    if kept.state == "planned" and not is_approved(proposal.approval, request.confirmed_by):
        return pending_answer(kept, proposal.approval, now_ms)
    return await carry_out(ports, kept, go)


async def plan_to_approve(
    ports: FallbackPorts,
    *,
    dependency: str,
    plan_id: str | None = None,
    undo: str | None = None,
    actor: str = "agent",
    now_ms: int,
) -> FallbackPlan | None:
    """Read the plan that needs a person's approval, for a question put through the client.

    Reads only. None where no yes is needed or none would help; the call itself says why.
    """
    route = await _route(ports, dependency)
    try:
        if undo is not None:
            earlier = await ports.routes.plan_with(undoes=undo)
            if earlier is not None and earlier.state != "planned":
                return None
            proposal = await propose_undo(ports, route, undo, actor, now_ms)
            plan = plan_of(proposal, plan_answer(proposal, f"undo of {undo}", now_ms), now_ms)
        else:
            plan = await _stored(ports, plan_id or "", dependency)
            refuse_stale(plan, route, now_ms)
            plan = await _judged_again(ports, plan, route, actor, now_ms)
        approval = _approval(ports.settings, plan)
        _refuse_denied(ports.settings, plan, approval)
        refuse_blocked(plan.id, blocking(plan.checks, "elicited"))
    except (ActionRefused, ParameterError):
        return None
    is_open = plan.state == "planned" and approval == "ask"
    return pending_answer(plan, approval, now_ms) if is_open else None


async def _stored(ports: FallbackPorts, plan_id: str, dependency: str | None) -> Plan:
    plan = await ports.routes.plan(plan_id.strip())
    if plan is None:
        known = await ports.routes.plan_ids(limit=50)
        raise UnknownTarget("plan", plan_id, known, "Plan first: call with a `reason`.")
    refuse_other(plan, dependency)
    return plan


async def _route(ports: FallbackPorts, dependency: str) -> Route:
    return await ports.routes.route(dependency) or primary_route(dependency)


def _approval(settings: Settings, plan: Plan) -> Policy:
    """The stricter of what the plan said and what is configured by now."""
    now = settings.dependency(plan.dependency).fallback_policy
    return max(plan.approval, now, key=POLICIES.index)


def _refuse_denied(settings: Settings, plan: Plan, approval: Policy) -> None:
    if settings.read_only:
        raise ActionRefused(
            "gonogo runs read-only: it plans and carries nothing out. Start it without --read-only."
        )
    if approval == "deny":
        raise ActionRefused(
            f"fallback_policy of '{plan.dependency}' is deny: nobody carries this out through "
            "gonogo. Change it in gonogo.toml."
        )


def _go(request: FallbackRequest, settings: Settings, now_ms: int) -> Approval:
    return Approval(
        confirmed_by=request.confirmed_by,
        actor=request.actor,
        now_ms=now_ms,
        settings_digest=settings.digest,
        idempotency_key=request.idempotency_key,
        overrule=request.overrule,
    )
