"""Fallback plans, their results, and routes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import Answer, Fraction, Part, Points, Time
from gonogo.records import Verdict


class TargetShare(Part):
    target: str
    share: Fraction


class TargetHealth(Part):
    verdict: Verdict
    score: Points | None = None
    p_better: Fraction | None = None


class PlanCheck(Part):
    check: str
    passed: bool
    why: str
    blocks: Literal["never", "agents", "always"] | None = Field(
        None, description="whom a failed check stops; never: a person decides"
    )


class FallbackPlan(Answer):
    """What a fallback would do; nothing has changed yet."""

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


class ActuatorResult(Part):
    name: str
    status: Literal["done", "failed", "unknown"]
    detail: str


class Undo(Part):
    tool: str
    arguments: dict[str, object]


class Approver(Part):
    """By whose word a plan was carried out; `allow` is the policy's, `evidence` that of a return."""

    how: Literal["allow", "evidence", "confirm", "elicited", "approved", "terminal", "link"]
    who: str


class FallbackResult(Answer):
    """What a fallback did."""

    dependency: str
    reason: str | None = None
    applied: bool
    route_epoch: int
    to: list[TargetShare]
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


class RouteAnswer(Answer):
    """Which target to call now."""

    dependency: str
    target: str
    version: str | None = None
    share: Fraction
    route_epoch: int
    why: str
    expires_at: Time | None = None
    verdict_as_of: Time | None = Field(default=None, description="of the target's standing verdict")
