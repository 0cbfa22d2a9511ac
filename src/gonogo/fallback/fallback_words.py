"""A plan and its result in words: the answer, the summary, and who has to approve it."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.answers import (
    ActuatorResult,
    FallbackPlan,
    FallbackResult,
    NextAction,
    PlanCheck,
    TargetHealth,
    TargetShare,
    Undo,
    in_points,
    rfc3339,
)
from gonogo.fallback.conditions import approve_command
from gonogo.fallback.judgement import SwitchJudgement
from gonogo.fallback.plan import LEASE_MS, Proposal, told_targets
from gonogo.fallback.promotion.promotion_state import promotion_state, told_way
from gonogo.ports.actuators import Step
from gonogo.ports.routes import WHOLE, Check, Plan, Weight
from gonogo.ports.target_health import Assessment
from gonogo.records import Verdict, worst_verdict
from gonogo.settings import Policy
from gonogo.text.forms import minute

TOOL = "trigger_fallback"


def switch_result(
    plan: Plan, steps: list[tuple[str, Step]], entry_id: str, now_ms: int
) -> FallbackResult:
    """The result of a plan that was carried out, with every actuator's step."""
    statuses = {step.status for _, step in steps}
    verdict: Verdict = "no_go" if "failed" in statuses else "go"
    verdict = "unknown" if verdict == "go" and "unknown" in statuses else verdict
    ill, though = _ill(plan)
    if ill is not None:
        verdict = worst_verdict([verdict, "caution"])
    undo = {"dependency": plan.dependency, "undo": plan.audit_id or ""}
    homes = [(Weight(name, WHOLE),) for name in (plan.home, plan.dependency)]
    stays = plan.after in homes or plan.promotes is not None
    problems = "; ".join(
        f"{name} {step.status}: {step.detail}" for name, step in steps if step.status != "done"
    )
    done = "Went back" if plan.undoes else "Switched"
    if plan.promotes is not None and not plan.undoes:
        done = "Went back" if plan.promotes.status == "back" else "Promotion"
    seen = f" Not everything is confirmed: {problems}." if problems else " Read back everywhere."
    return FallbackResult(
        verdict=verdict,
        summary=f"{done}: {plan.dependency} now goes to {told_targets(plan.after)} (route epoch "
        f"{plan.epoch}), because: {plan.reason}.{seen}{though}",
        as_of=rfc3339(now_ms),
        decision_id=entry_id,
        next_actions=[_next(plan, problems)],
        dependency=plan.dependency,
        reason=plan.reason,
        applied=True,
        route_epoch=plan.epoch or 0,
        to=[TargetShare(target=w.target, share=w.share / WHOLE) for w in plan.after],
        target_health=ill,
        actuators=[
            ActuatorResult(name=name, status=step.status, detail=step.detail)
            for name, step in steps
        ],
        undo=Undo(tool=TOOL, arguments=dict(undo)),
        expires_at=None if stays else rfc3339(now_ms + LEASE_MS),
        audit_id=plan.audit_id or "",
        promotion=None if plan.promotes is None else promotion_state(plan.promotes),
    )


def _ill(plan: Plan) -> tuple[TargetHealth | None, str]:
    """The target's health and why, as a sentence, where calls go to it though it is no_go; else nothing."""
    health = FallbackPlan.model_validate_json(plan.answer).target_health
    if health is None or health.verdict != "no_go":
        return None, ""
    found = next(check.why for check in plan.checks if check.check == "target_health")
    why = found.removesuffix(".")
    return health.model_copy(update={"why": why}), f" Health there is no_go ({why})."


def _next(plan: Plan, problems: str) -> NextAction:
    """The next action: to look where calls go now. The way back stands in `undo`, for when it is needed."""
    arguments: dict[str, object] = {"dependency": plan.dependency}
    if plan.promotes is not None and plan.promotes.is_running and not problems:
        trial = {**arguments, "promote": plan.promotes.version}
        return NextAction(tool=TOOL, arguments=trial, reason="how the candidate does by now")
    reason = "reconciles again, then says the route" if problems else "where its calls go now"
    return NextAction(tool="get_route", arguments=arguments, reason=reason)


# What an agent cannot say, nor let a client say.
OUT_OF_BAND_ONLY = "at a terminal, where it asks, or by the signed link that was sent"


def plan_answer(proposal: Proposal, plan_id: str, now_ms: int) -> FallbackPlan:
    """The answer that shows a plan."""
    failed = [check for check in proposal.checks if not check.passed]
    stopped = any(check.blocks != "never" for check in failed)
    return FallbackPlan(
        verdict=_verdict(failed, proposal.health, stopped=stopped),
        summary=_summary(proposal, plan_id, failed),
        as_of=rfc3339(now_ms),
        next_actions=_next_actions(proposal, plan_id, stopped=stopped),
        plan_id=plan_id,
        expires_at=rfc3339(now_ms + proposal.valid_ms),
        state_version=proposal.route.version,
        dependency=proposal.dependency,
        from_=_shares(proposal.route.targets),  # type: ignore[call-arg]  # pydantic takes the name
        to=_shares(proposal.after),
        target_health=_target_health(proposal.health),
        cost_change=proposal.cost_change,
        effects=list(proposal.effects),
        way_back=proposal.way_back,
        checks=_checks(proposal.checks),
        checks_made=len(proposal.checks),
        checks_passed=len(proposal.checks) - len(failed),
        approval=proposal.approval,
        promotion=None if proposal.promotes is None else promotion_state(proposal.promotes),
    )


def plan_of(proposal: Proposal, answer: FallbackPlan, now_ms: int) -> Plan:
    """The plan that is kept, behind the answer that shows it."""
    return Plan(
        id=answer.plan_id,
        dependency=proposal.dependency,
        created_ms=now_ms,
        expires_ms=now_ms + proposal.valid_ms,
        route_version=proposal.route.version,
        before=proposal.route.targets,
        after=proposal.after,
        reason=proposal.reason,
        checks=proposal.checks,
        approval=proposal.approval,
        answer=answer.as_json(),
        home="" if proposal.route.home == proposal.dependency else proposal.route.home,
        promotes=proposal.promotes,
        salt=proposal.salt,
    )


def stored_answer(plan: Plan) -> FallbackPlan:
    """The answer that a plan was given out with; its end is told by the clock as it is set now."""
    answer = FallbackPlan.model_validate_json(plan.answer)
    return answer.model_copy(update={"expires_at": rfc3339(plan.expires_ms)})


def judged_answer(plan: Plan, judged: SwitchJudgement, approval: Policy) -> str:
    """The JSON of a plan's answer with what was found of it just now."""
    failed = [check for check in judged.checks if not check.passed]
    stopped = any(check.blocks != "never" for check in failed)
    update = {
        "verdict": _verdict(failed, judged.health, stopped=stopped),
        "target_health": _target_health(judged.health),
        "checks": _checks(judged.checks),
        "checks_made": len(judged.checks),
        "checks_passed": len(judged.checks) - len(failed),
        "approval": approval,
    }
    answer = stored_answer(plan).model_copy(update=update)
    return answer.as_json()


def _checks(checks: Sequence[Check]) -> list[PlanCheck]:
    return [
        PlanCheck(
            check=check.check,
            passed=check.passed,
            why=check.why,
            blocks=None if check.passed else check.blocks,
        )
        for check in checks
    ]


def _verdict(failed: list[Check], health: Assessment | None, *, stopped: bool) -> Verdict:
    if stopped:
        return "no_go"
    if health is not None and health.verdict == "unknown":
        return "unknown"
    # In an outage an ill target may pass, since it answers; that is no go.
    return "caution" if failed or (health is not None and health.verdict == "no_go") else "go"


def _summary(proposal: Proposal, plan_id: str, failed: list[Check]) -> str:
    parts = told_targets(proposal.after)
    health = proposal.health
    names = [check.check for check in failed]
    # Why each failed stands in `checks`, and how likely the target is better.
    told = ""
    if health and "target_health" not in names:
        # That an outage lets an ill target pass is in the check's own words.
        passed = (c.why for c in proposal.checks if c.check == "target_health")
        told = f"; {next(passed, health.why) if health.verdict == 'no_go' else health.why}"
    if proposal.promotes is not None and proposal.promotes.is_running:
        told += f", {told_way(proposal.promotes)}"
    against = f" Failed: {', '.join(names)}." if failed else ""
    return (
        f"Plan, nothing changed yet: {proposal.dependency} to {parts}{told}.{against} "
        f"Approval: {_needs(proposal, plan_id)}."
    )


def _needs(proposal: Proposal, plan_id: str) -> str:
    """Say who has to approve the plan before it is carried out, as its checks stand."""
    stops = {check.blocks for check in proposal.checks if not check.passed}
    if "always" in stops:
        return "none would help while that is so"
    if "agents" in stops and proposal.approval == "ask":
        return f"a person's, with a reason: `{approve_command(plan_id, proposal.checks)}`"
    return {
        "allow": "none needed, call again with `plan_id`",
        "confirm": "call again with `plan_id` and `confirm=true`",
        "ask": "a person's",
        "person": f"a person's {OUT_OF_BAND_ONLY}",
        "deny": "denied by fallback_policy",
    }[proposal.approval]


def _next_actions(proposal: Proposal, plan_id: str, *, stopped: bool) -> list[NextAction]:
    if stopped or proposal.approval in ("person", "deny"):
        return [
            NextAction(
                tool="get_route",
                arguments={"dependency": proposal.dependency},
                reason="the route stays as it is",
            )
        ]
    arguments: dict[str, object] = {"dependency": proposal.dependency, "plan_id": plan_id}
    if proposal.approval == "confirm":
        arguments["confirm"] = True
    reason = "ask a person" if proposal.approval == "ask" else "carry the plan out"
    return [NextAction(tool=TOOL, arguments=arguments, reason=reason)]


def _target_health(health: Assessment | None) -> TargetHealth | None:
    if health is None:
        return None
    return TargetHealth(
        verdict=health.verdict,
        score=None if health.score is None else in_points(health.score),
        p_better=health.p_better,
    )


def _shares(targets: tuple[Weight, ...]) -> list[TargetShare]:
    return [TargetShare(target=w.target, share=w.share / WHOLE) for w in targets]


def pending_answer(plan: Plan, approval: Policy, now_ms: int) -> FallbackPlan:
    """The plan again, with who has to say yes and how."""
    command = approve_command(plan.id, plan.checks)
    other = {
        "confirm": " or call again with `confirm=true`",
        "person": f", {OUT_OF_BAND_ONLY}",
    }.get(approval, "")
    update: dict[str, object] = {
        "as_of": rfc3339(now_ms),
        "approval": approval,
        "pending_approval": True,
        "approve_command": command,
        # A person's turn: asking again changes nothing.
        "next_actions": [],
        "summary": f"Nothing was changed: plan {plan.id} for {plan.dependency} waits for approval "
        f"until {minute(rfc3339(plan.expires_ms))}. A person approves with `{command}`{other}.",
    }
    return stored_answer(plan).model_copy(update=update)
