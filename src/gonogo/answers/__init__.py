"""Every answer's shape: the same objects from the MCP tools, `--json` and the library.

Names, units and meanings are the product's contract. Rates and probabilities are fractions with 4
digits, money is USD with 6, times are UTC in RFC 3339. A field that would be null is left out.
"""

from __future__ import annotations

from gonogo.answers.base import (
    Ahead,
    Answer,
    NextAction,
    RefusalCount,
    RefusedName,
    in_points,
    rfc3339,
    rounded,
)
from gonogo.answers.budget_report import (
    Binding,
    BudgetCheck,
    Calibration,
    Days,
    Hold,
    NotCounted,
    OtherHold,
    RunReport,
    Settlement,
    StepDown,
    Substitute,
    UnconfiguredHold,
    UnpricedShare,
    Window,
)
from gonogo.answers.drift_report import (
    Baseline,
    Change,
    Current,
    DriftReport,
    DriftStatus,
    Effect,
    Estimate,
    Evidence,
    GoldenPairs,
    Immature,
    JudgeReport,
    Latest,
    MixShift,
    Onset,
    RecordedData,
    SegmentDrift,
    ShareShift,
    Signal,
    SignalKind,
    Since,
    Trend,
    VersionMean,
    WholeVerdict,
)
from gonogo.answers.fallback_report import (
    ActuatorResult,
    Approver,
    FallbackPlan,
    FallbackResult,
    PlanCheck,
    PromotionLine,
    PromotionReport,
    PromotionState,
    RouteAnswer,
    ShadowCall,
    TargetHealth,
    TargetShare,
    TrialMetric,
    Undo,
)
from gonogo.answers.trust_report import (
    DoubtfulWriter,
    FleetLine,
    ScoreHealth,
    SegmentHealth,
    SuspectedProvider,
    TrustPart,
    TrustReport,
    UndoubtedScore,
)
from gonogo.answers.work_report import (
    DependencyLine,
    DependencyList,
    ForgetReport,
    Incident,
    IncidentBrief,
    IncidentList,
    PreflightCheck,
    PreflightReport,
    ProbeLine,
    ProbeReport,
    RecordAnswer,
    RejectedItem,
    TimelineEvent,
    WaitingPlan,
)
