"""Fallback plans, their results, and routes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import Answer, Fraction, Number, Part, Points, Time
from gonogo.answers.budget_report import StepDown
from gonogo.records import Verdict


class TargetShare(Part):
    target: str
    share: Fraction


class TargetHealth(Part):
    verdict: Verdict
    score: Points | None = None
    p_better: Fraction | None = None
    why: str | None = Field(default=None, description="of a plan: in its checks")


class PlanCheck(Part):
    check: str
    passed: bool
    why: str
    blocks: Literal["never", "agents", "always"] | None = Field(
        None, description="whom a failed check stops; never: a person decides"
    )


class PromotionState(Part):
    """A candidate version beside the current one, and how far it has come."""

    candidate: str = Field(description="the version that is promoted")
    current: str | None = Field(default=None, description="the version it is held against")
    status: Literal["running", "done", "back"]
    stage: int = Field(description="from 1; the fifth is all calls")
    share: Fraction = Field(description="the candidate's part of the calls")
    since: Time
    next_shares: list[Fraction] = Field(description="the stages that follow")
    to: Fraction = Field(description="the share at which it stops")
    policy: Literal["allow", "confirm", "ask", "person", "deny"] = Field(
        description="whose yes each further stage needs"
    )
    shadow: str | None = Field(
        default=None,
        description="the dependency as which its calls beside those served are recorded",
    )
    why: str | None = Field(default=None, description="why it went back")


class PromotionLine(PromotionState):
    """A promotion in a list."""

    dependency: str


class TrialMetric(Part):
    """One metric of both versions in a trial; bad calls are wrong, failed, slow or dear ones."""

    metric: Literal["outcome", "error", "latency_p95", "latency_median", "cost_p95", "cost_median"]
    n_current: int
    bad_current: Fraction
    n_candidate: int
    bad_candidate: Fraction
    e_value: Number | None = Field(
        default=None,
        description="that it is not worse by the stage's line; absent where it only sends back",
    )
    needed: Number | None = None
    own_e_value: Number | None = Field(default=None, description="by calls of this stage alone")
    own_needed: Number | None = None
    passed: bool | None = Field(default=None, description="absent where it only sends back")


class FallbackPlan(Answer):
    """A fallback that is planned and not carried out."""

    plan_id: str
    expires_at: Time
    state_version: int
    dependency: str
    from_: list[TargetShare] = Field(alias="from")
    to: list[TargetShare]
    target_health: TargetHealth | None = None
    cost_change: str | None = None
    effects: list[str]
    way_back: str | None = None
    checks: list[PlanCheck]
    checks_made: int | None = Field(default=None, description="all; those that failed are listed")
    checks_passed: int | None = None
    approval: Literal["allow", "confirm", "ask", "person", "deny"]
    applied: Literal[False] = False
    pending_approval: bool | None = None
    approve_command: str | None = None
    promotion: PromotionState | None = None


class ActuatorResult(Part):
    name: str
    status: Literal["done", "failed", "unknown"]
    detail: str


class Undo(Part):
    tool: str
    arguments: dict[str, object]


class Approver(Part):
    """The authority for a plan: a person, `allow` by policy, or the `evidence` of a return."""

    how: Literal["allow", "evidence", "confirm", "elicited", "approved", "terminal", "link"]
    who: str


class FallbackResult(Answer):
    """A fallback that was carried out."""

    dependency: str
    reason: str | None = None
    applied: bool
    route_epoch: int
    to: list[TargetShare]
    target_health: TargetHealth | None = Field(
        default=None, description="of where calls go now, where that is no_go"
    )
    actuators: list[ActuatorResult]
    incident_id: str | None = None
    approved_by: Approver | None = None
    undo: Undo | None = None
    expires_at: Time | None = None
    audit_id: str
    replayed: bool | None = None
    traffic: list[TargetShare] | None = Field(
        default=None, description="where calls go now, where a replayed result is overtaken"
    )
    promotion: PromotionState | None = None


class PromotionReport(Answer):
    """The progress of a candidate on its way to all calls."""

    dependency: str
    promotion: PromotionState
    traffic: list[TargetShare] = Field(description="where calls go now")
    metrics: list[TrialMetric]
    shadow_calls: int | None = Field(
        default=None, description="calls of the candidate beside those served, in its metrics"
    )
    worse_e_value: Number | None = Field(
        default=None, description="that the candidate is worse; `worse_needed` sends it back"
    )
    worse_needed: Number | None = None
    line: Fraction | None = Field(default=None, description="the drop that this stage excludes")
    interval95: tuple[Number, Number] | None = Field(
        default=None, description="candidate less current, good answers, asked as often as you like"
    )
    keys: int | None = Field(
        default=None, description="sticky keys that it counts by; absent: each call as one"
    )
    level: Fraction | None = Field(
        default=None, description="how sure the better one is better at all; no chance that it is"
    )
    comparison: str | None = Field(default=None, description="interval and level in words")
    expected_days: Number | None = Field(
        default=None, description="about what this stage takes where both are equal"
    )
    gives_up_at: Time | None = None
    waits_for: str | None = Field(default=None, description="the command of a person's yes")
    undo: Undo | None = None


class ShadowCall(Part):
    """A target to call beside the one that serves, whose answer nobody sees."""

    target: str
    record_as: str = Field(
        description="the dependency as which the call is recorded, with its version"
    )


class RouteAnswer(Answer):
    """The target to call now."""

    dependency: str
    target: str
    version: str | None = None
    share: Fraction
    primary_share: Fraction | None = Field(
        default=None, description="what the dependency itself keeps, where `target` is another"
    )
    route_epoch: int
    why: str
    expires_at: Time | None = None
    shadow: ShadowCall | None = Field(default=None, description="what to call beside it, too")
    verdict_as_of: Time | None = Field(default=None, description="of the target's standing verdict")
    step_down: StepDown | None = Field(
        default=None, description="the cheaper target, where a budget of on_low = step_down is low"
    )
