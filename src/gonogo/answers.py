"""Every answer's shape: the same objects from the MCP tools, `--json` and the library.

Names, units and meanings are the product's contract. Rates and probabilities are fractions with 4
digits, money is USD with 6, times are UTC in RFC 3339. A field that would be null is left out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gonogo.records import Kind, Verdict

DriftStatus = Literal["stable", "degraded", "improved", "shifted", "insufficient_data"]


def _digits(digits: int) -> AfterValidator:
    def rounded(value: float) -> float:
        if not math.isfinite(value):
            msg = "must be finite"
            raise ValueError(msg)
        return round(value, digits) + 0.0  # no negative zero

    return AfterValidator(rounded)


def _four_significant(value: float) -> float:
    if not math.isfinite(value):
        msg = "must be finite"
        raise ValueError(msg)
    return float(f"{value:.4g}")


Fraction = Annotated[float, _digits(4)]
Usd = Annotated[float, _digits(6)]
Points = Annotated[float, _digits(1)]
Number = Annotated[float, AfterValidator(_four_significant)]
Time = str


def rfc3339(ts_ms: int) -> Time:
    """A stored time as the surface shows it: UTC, milliseconds only where there are any."""
    when = datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    return when.isoformat(timespec="milliseconds" if ts_ms % 1000 else "seconds").replace(
        "+00:00", "Z"
    )


class Part(BaseModel):
    """A piece of an answer: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class NextAction(Part):
    """A call that is ready to make."""

    tool: str
    arguments: dict[str, object]
    reason: str


class Answer(Part):
    """What every answer begins with."""

    verdict: Verdict
    summary: str
    as_of: Time
    data_age_s: int | None = Field(
        default=None, description="age of the newest observation used, seconds"
    )
    decision_id: str | None = None
    next_actions: list[NextAction] = Field(default_factory=list, max_length=3)


# --- check_model_drift ----------------------------------------------------------------------


class Baseline(Part):
    source: Literal["version", "period", "golden", "declared", "learned"]
    version: str | None = None
    mean: Number | None = None
    n: int | None = None
    start: Time | None = None
    end: Time | None = None


class Current(Part):
    version: str | None = None
    mean: Number | None = None
    n: int
    start: Time | None = None
    end: Time | None = None
    interval95: tuple[Number, Number] | None = None


class Change(Part):
    absolute: Number
    relative: Number | None = None
    interval95: tuple[Number, Number] | None = None
    in_baseline_sd: Number | None = None


class Evidence(Part):
    e_value: Number = Field(description="capped at 1e300; log10_e is exact")
    log10_e: Number
    needed: Number
    guarantee: str


class Onset(Part):
    ts: Time
    earliest: Time
    latest: Time
    shape: Literal["step", "ramp"] | None = None


class Trend(Part):
    per_day: Number
    interval95: tuple[Number, Number]


class SegmentDrift(Part):
    segment: str
    n: int
    mean: Number
    baseline_mean: Number
    change: Number
    e_value: Number
    drifted: bool


class Signal(Part):
    metric: str
    kind: Literal["rate", "mean", "distribution", "semantic", "consistency"]
    status: str
    change: Number | None = None
    e_value: Number | None = None
    note: str | None = None


class GoldenPairs(Part):
    items: int
    worse: int
    better: int
    same: int
    e_value: Number
    p_value: Number | None = Field(default=None, description="exact paired test, one look only")
    sd_from_baseline: Number | None = None
    warning: str | None = None


class VersionMean(Part):
    version: str | None = None
    n: int
    mean: Number | None = None


class Immature(Part):
    hours: int
    n: int


class DriftReport(Answer):
    """Has it degraded, improved or shifted; how much, since when, where, how sure."""

    dependency: str
    metric: str
    status: DriftStatus
    baseline: Baseline | None = None
    current: Current | None = None
    change: Change | None = None
    evidence: Evidence | None = None
    onset: Onset | None = None
    trend: Trend | None = None
    segments: list[SegmentDrift] | None = None
    mix_shift: dict[str, Number] | None = None
    signals: list[Signal] | None = None
    golden: GoldenPairs | None = None
    versions: list[VersionMean] | None = None
    immature: Immature | None = None
    detectable_now: Number | None = None
    missing: str | None = None


# --- get_trust_score_health -----------------------------------------------------------------


class TrustPart(Part):
    rate: Fraction
    interval90: tuple[Fraction, Fraction]
    n: int


class ProviderSuspected(Part):
    provider: str
    dependencies: list[str]
    since: Time
    e_value: Number


class SegmentHealth(Part):
    segment: str
    labels: int
    residual: Number
    biased: bool | Literal["cannot_tell"]


class ScoreHealth(Part):
    status: Literal["healthy", "biased", "miscalibrated", "stale", "unknown"]
    ece: Fraction | None = None
    brier: Fraction | None = None
    labels: int = 0
    golden_deviation_sd: Number | None = None
    golden_page: bool | None = None
    golden_warning: str | None = None
    coverage: Fraction | None = None
    segments: list[SegmentHealth] | None = None
    note: str | None = None


class FleetLine(Part):
    dependency: str
    score: Points | None = None
    interval90: tuple[Points, Points] | None = None
    verdict: Verdict
    as_of: Time | None = None
    changed: str | None = None


class TrustReport(Answer):
    """The calibrated chance that the next call is good, and whether scores can be trusted."""

    dependency: str | None = None
    score: Points | None = None
    interval90: tuple[Points, Points] | None = None
    good_means: str | None = None
    n: int | None = None
    newest_ts: Time | None = None
    parts: (
        dict[Literal["availability", "quality", "latency_slo", "consistency"], TrustPart] | None
    ) = None
    provider_suspected: ProviderSuspected | None = None
    upstream: list[str] | None = Field(default=None, description="bad states of what it depends on")
    score_health: ScoreHealth | None = None
    fleet: list[FleetLine] | None = None


# --- check_budget_with_confidence -----------------------------------------------------------


class Window(Part):
    kind: str
    start: Time | None = None
    end: Time | None = None


class Binding(Part):
    budget: str
    remaining_usd: Usd


class Hold(Part):
    id: str
    held_usd: Usd
    expires_at: Time


class Calibration(Part):
    checks: int
    ece: Fraction | None = None
    note: str | None = None


class BudgetCheck(Answer):
    """Will the work fit: the probability, what remains, what is projected."""

    budget: str
    passed: bool | None = None
    confidence: Fraction | None = None
    required_confidence: Fraction
    limit_usd: Usd
    spent_usd: Usd
    held_usd: Usd
    remaining_usd: Usd
    projected_usd: Usd | None = None
    projected_interval80_usd: tuple[Usd, Usd] | None = None
    planned_calls: int | None = None
    calls_that_would_pass: int | None = None
    window: Window
    binding: Binding | None = None
    n: int = 0
    regime_start: Time | None = None
    method: str
    reservation: Hold | None = None
    hold_capped: bool | None = None
    others_hold: list[Hold] | None = None
    unpriced: str | None = None
    calibration: Calibration | None = None


class Settlement(Answer):
    """What became of a reservation."""

    reservation_id: str
    status: Literal["settled", "released", "expired_settled"]
    held_usd: Usd
    actual_usd: Usd
    overrun_usd: Usd


# --- trigger_fallback, get_route ------------------------------------------------------------


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
    checks: list[PlanCheck]
    approval: Literal["allow", "confirm", "ask", "deny"]
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


class FallbackResult(Answer):
    """What a fallback did."""

    dependency: str
    applied: bool
    route_epoch: int
    to: list[TargetShare]
    actuators: list[ActuatorResult]
    incident_id: str | None = None
    undo: Undo | None = None
    expires_at: Time | None = None
    audit_id: str
    replayed: bool | None = None


class RouteAnswer(Answer):
    """Which target to call now."""

    dependency: str
    target: str
    version: str | None = None
    share: Fraction
    route_epoch: int
    why: str
    expires_at: Time | None = None


# --- preflight, record_observations, list_dependencies, get_incidents -----------------------


class PreflightCheck(Part):
    dependency: str
    verdict: Verdict
    why: str
    score: Points | None = None
    drift_status: DriftStatus | None = None
    route_target: str | None = None


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
    """What became of the observations."""

    accepted: int
    duplicates: int
    updated: int
    rejected: list[RejectedItem]


class DependencyLine(Part):
    dependency: str
    kind: Kind | None = None
    versions: list[str]
    n: int
    newest_ts: Time | None = None
    metrics: list[str]
    verdict: Verdict
    verdict_as_of: Time | None = None


class DependencyList(Answer):
    """What is known, one line each."""

    dependencies: list[DependencyLine]
    next_cursor: str | None = None


class TimelineEvent(Part):
    ts: Time
    event: str
    actor: str


class Incident(Part):
    id: str
    dependency: str
    status: Literal["open", "acknowledged", "mitigated", "recovering", "resolved"]
    opened_at: Time
    cause: str | None = None
    onset: Time | None = None
    verdict: Verdict
    timeline: list[TimelineEvent]


class IncidentList(Answer):
    """What is being handled, with its timeline."""

    incidents: list[Incident]
