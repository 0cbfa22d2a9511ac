"""The arguments of the tools: each has a type, its bounds, and a description for the model.

Explicit nulls are taken as "absent": some clients send every optional argument.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field


def _whole(value: object) -> object:
    """JSON has one sort of number: 40.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


NAME_CHARS_MAX = 200
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000), BeforeValidator(_whole)]
Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

Dependency = Annotated[Name, Field(description="model, skill, tool, api or prompt, as recorded")]
AnyDependency = Annotated[Name | None, Field(description="leave out for all")]
Detail = Annotated[Literal["brief", "full"], Field(description="full: every segment and table row")]
Metric = Annotated[
    Name | None, Field(description="outcome, error, latency_ms, cost_usd, ...; leave out for all")
]
Segment = Annotated[Name | None, Field(description="one slice: key=value, as day_type=weekend")]
BaselineVersion = Annotated[Name | None, Field(description="version to compare with")]
Version = Annotated[Name | None, Field(description="version to judge; default: the current one")]
Since = Annotated[Name | None, Field(description="start: RFC 3339 time or date")]
Until = Annotated[Name | None, Field(description="end; the answer is as of then")]

Budget = Annotated[Name, Field(description="budget name, from the configuration")]
SpentOn = Annotated[Name | None, Field(description="what the planned calls go to")]
PlannedCalls = Annotated[Count | None, Field(description="calls the work will make")]
PlannedCost = Annotated[Usd | None, Field(description="declared cost, instead of planned_calls")]
Reserve = Annotated[bool, Field(description="hold the money if it fits; settle afterwards")]
Key = Annotated[Name | None, Field(description="your id of this call: a retry changes nothing")]

Reason = Annotated[Name | None, Field(description="why; needed for a plan, goes into the log")]
Target = Annotated[
    Name | None,
    Field(
        description="name, name@version, rules:NAME, refuse or human; default: next of its ladder"
    ),
]
ToShare = Annotated[Share | None, Field(description="share of traffic to move; default 1")]
PlanId = Annotated[Name | None, Field(description="carry out this plan")]
Confirm = Annotated[bool, Field(description="with plan_id, where the plan's approval is confirm")]
UndoId = Annotated[Name | None, Field(description="audit_id of the fallback to take back")]

Workload = Annotated[Name | None, Field(description="workload name, from the configuration")]
Dependencies = Annotated[
    list[Name] | None,
    Field(description="instead of workload", min_length=1, max_length=100),
]
WorkCalls = Annotated[Count | None, Field(description="calls to each dependency")]
WorkBudget = Annotated[Name | None, Field(description="budget that pays")]

ReservationId = Annotated[Name, Field(description="reservation.id of the budget check")]
ActualCost = Annotated[
    Usd | None, Field(description="what it cost; default: its observations' cost, else release")
]
StickyKey = Annotated[Name | None, Field(description="same key, same target: a user or session id")]
Query = Annotated[Name | None, Field(description="part of a name")]
Cursor = Annotated[Name | None, Field(description="next_cursor of the page before")]
Status = Annotated[
    Literal["open", "acknowledged", "mitigated", "recovering", "resolved"] | None,
    Field(description="leave out for all"),
]
IncidentId = Annotated[Name | None, Field(description="one incident, with its timeline")]

# Each item is checked on its own: a malformed one is refused by index, and the others are kept.
Observations = Annotated[
    list[object], Field(description="calls or evaluations", min_length=1, max_length=1000)
]
