"""Preflight, what was recorded, what is known, what is being handled, and runs of probes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.answers.base import (
    Ahead,
    Answer,
    Fraction,
    Number,
    Part,
    Points,
    RefusalCount,
    RefusedName,
    Time,
    Usd,
)
from gonogo.answers.budget_report import BudgetCheck
from gonogo.answers.drift_report import DriftStatus
from gonogo.answers.fallback_report import PromotionLine, TargetShare
from gonogo.records import Kind, Verdict


class PreflightCheck(Part):
    dependency: str
    verdict: Verdict
    why: str | None = Field(default=None, description="absent of what is go in a long brief answer")
    score: Points | None = None
    drift_status: DriftStatus | None = None
    missing: str | None = Field(default=None, description="what to record for a verdict")
    ahead: Ahead | None = None
    refused: RefusalCount | None = None
    left_out: list[str] | None = Field(default=None, description="of its files, newest first")
    route_target: str | None = None
    plan_tested: str | None = Field(
        default=None, description="when its fallback was last rehearsed, and how that ended"
    )


class IncidentBrief(Part):
    id: str
    dependency: str
    status: str


class PreflightReport(Answer):
    """Everything the work needs, in one answer."""

    workload: str | None = None
    checks: list[PreflightCheck]
    budget: BudgetCheck | None = None
    incidents: list[IncidentBrief]
    p_success: Fraction | None = None
    p_success_note: str | None = None
    blockers: list[str]


class RejectedItem(Part):
    index: int | None = None
    line: int | None = None
    field: str
    problem: str


class RecordAnswer(Answer):
    """The fate of the observations that were sent: accepted, repeated, updated or refused."""

    accepted: int
    duplicates: int
    updated: int
    rejected: list[RejectedItem]
    notes: list[str] | None = Field(default=None, description="what is odd about what was taken")


class ForgetReport(Answer):
    """The removal of a dependency's observations, with their cost."""

    dependency: str
    removed: int
    remaining: int
    spent_usd: Usd = Field(description="what the removed calls cost, taken out of the books")


class DependencyLine(Part):
    dependency: str
    kind: Kind | None = None
    versions: list[str]
    n: int
    newest_ts: Time | None = None
    ahead: Ahead | None = None
    metrics: list[str]
    verdict: Verdict
    verdict_as_of: Time | None = None
    drift: Verdict | None = Field(default=None, description="absent: never asked")
    trust: Verdict | None = Field(default=None, description="absent: never asked")
    shadow_of: str | None = Field(
        default=None, description="whose candidate it records, called beside those that serve"
    )
    doubtful: str | None = Field(
        default=None, description="whose calls disagree with its golden set"
    )
    left_out: list[str] | None = Field(default=None, description="of its files, newest first")


class DependencyList(Answer):
    """The known dependencies, one line each."""

    dependencies: list[DependencyLine]
    refused: list[RefusedName] | None = Field(
        default=None, description="rows of 30 days that were not stored, most first"
    )
    query: str | None = Field(default=None, description="as it was asked")
    next_cursor: str | None = None
    total: int | None = Field(default=None, description="all that match, on this page or not")
    verdicts: dict[Verdict, int] | None = Field(
        default=None, description="of all that match and were asked about: how many of each"
    )


class TimelineEvent(Part):
    ts: Time
    event: str
    actor: str


IncidentStatus = Literal["open", "acknowledged", "mitigated", "recovering", "resolved"]


class Incident(Part):
    id: str
    dependency: str
    status: IncidentStatus
    opened_at: Time
    cause: str | None = None
    suspected: str | None = None
    onset: Time | None = None
    verdict: Verdict
    owner: str | None = None
    silenced_until: Time | None = Field(
        default=None, description="nobody is woken for it till then"
    )
    timeline: list[TimelineEvent]


class WaitingPlan(Part):
    """A plan that a person may still approve."""

    plan_id: str
    dependency: str
    to: list[TargetShare]
    reason: str
    expires_at: Time
    approve_command: str


class IncidentList(Answer):
    """The incidents with their timelines, and the plans that wait for a person."""

    incidents: list[Incident]
    dependency: str | None = Field(default=None, description="as it was asked")
    status: IncidentStatus | None = Field(default=None, description="as it was asked")
    waiting_plans: list[WaitingPlan] | None = None
    promotions: list[PromotionLine] | None = Field(
        default=None,
        description="versions on their way to all calls, and those that ended within a day",
    )
    active: int | None = Field(default=None, description="all but resolved, listed or not")
    counts: dict[IncidentStatus, int] | None = Field(
        default=None, description="all that there are, listed or not"
    )


def listed_of(lines: int) -> str:
    """Said where there are more incidents than are listed."""
    return f" The first {lines} are listed; name a dependency for its own."


class ProbeLine(Part):
    probe: str
    dependency: str
    verdict: Verdict
    asked: int
    answered: int
    checked: int
    right: Fraction | None = None
    latency_ms: Number | None = None
    cost_usd: Usd | None = None
    errors: dict[str, int] | None = None
    why: str | None = None


class ProbeReport(Answer):
    """One run of each probe: `right` is the mean score of the answers that were checked."""

    probes: list[ProbeLine]
