"""The answer to a switch that was carried out: what was done, seen, and how it is taken back."""

from __future__ import annotations

from gonogo.answers import (
    ActuatorResult,
    FallbackPlan,
    FallbackResult,
    NextAction,
    TargetHealth,
    TargetShare,
    Undo,
    rfc3339,
)
from gonogo.fallback.plan import LEASE_MS, told_targets
from gonogo.fallback.promotion.promotion_state import promotion_state
from gonogo.ports.actuators import Step
from gonogo.ports.routes import WHOLE, Plan, Weight
from gonogo.records import Verdict, worst_verdict

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
    """The health of where calls go now, and why as a sentence, where it is no_go: it was overruled, or passed all the same."""
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
