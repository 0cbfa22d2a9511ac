"""The arguments of the tools: each has a type, its bounds, and a description for the model.

Explicit nulls are taken as "absent": some clients send every optional argument.
"""

from __future__ import annotations

from collections.abc import Sequence
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

# Where nothing is required, each argument has a default of its own type: an empty one is absent.
Optional = Annotated[str, Field(max_length=NAME_CHARS_MAX)]

Dependency = Annotated[Name, Field(description="what to judge")]
Moved = Annotated[Name, Field(description="whose traffic")]
Routed = Annotated[Name, Field(description="what to call")]
AnyDependency = Annotated[Optional | None, Field(description="default: all")]
Level = Literal["brief", "full"]
WorkDetail = Annotated[Level, Field(description="default brief; full: checks")]
DriftDetail = Annotated[Level, Field(description="default brief; full: slices")]
TrustDetail = Annotated[Level, Field(description="default brief; full: parts")]
BudgetDetail = Annotated[Level, Field(description="default brief; full: holds")]
Metric = Annotated[Name | None, Field(description="as outcome; absent: all")]
Segment = Annotated[Name | None, Field(description="as day_type=weekend")]
BaselineVersion = Annotated[Name | None, Field(description="reference version")]
Version = Annotated[Name | None, Field(description="absent: the current one")]
Since = Annotated[Name | None, Field(description="RFC 3339 or date")]
Until = Annotated[Name | None, Field(description="judge as of then")]

Budget = Annotated[Name, Field(description="as configured")]
SpentOn = Annotated[Name | None, Field(description="target of the calls")]
PlannedCalls = Annotated[Count | None, Field(description="retries included")]
PlannedCost = Annotated[Usd | None, Field(description="instead of planned_calls")]
Reserve = Annotated[bool, Field(description="hold it (default false)")]
Key = Annotated[Name | None, Field(description="makes a retry safe")]

Reason = Annotated[Name | None, Field(description="needed for a plan")]
Target = Annotated[
    Name | None,
    Field(description="name, name@version, rules:NAME, refuse, human; absent: next of ladder"),
]
ToShare = Annotated[Share | None, Field(description="of traffic; absent: all")]
PlanId = Annotated[Name | None, Field(description="plan to carry out")]
Confirm = Annotated[bool, Field(description="if the plan asks (default false)")]
UndoId = Annotated[Name | None, Field(description="audit_id to take back")]

Workload = Annotated[Optional | None, Field(description="as configured (default: none)")]
Dependencies = Annotated[
    Sequence[Name] | None,
    Field(description="instead of workload (default: none)", max_length=100),
]
WorkCalls = Annotated[
    int | None,
    Field(description="each (default 0: not stated)", ge=0, le=1_000_000_000),
    BeforeValidator(_whole),
]
WorkBudget = Annotated[Optional | None, Field(description="default: the workload's")]

ReservationId = Annotated[Name, Field(description="id of the hold")]
ActualCost = Annotated[
    Usd | None, Field(description="absent: its observations' cost, else release")
]
StickyKey = Annotated[Name | None, Field(description="same key, same target")]
# One line, as every name is.
Query = Annotated[
    Annotated[Optional, Field(pattern=r"^.*$")] | None,
    Field(description="part of a name (default: all)"),
]
Cursor = Annotated[Optional | None, Field(description="default: first page")]
Status = Annotated[
    Literal["all", "open", "acknowledged", "mitigated", "recovering", "resolved"],
    Field(description="default all"),
]
IncidentId = Annotated[Optional | None, Field(description="one (default: all)")]

# Each item is checked on its own: a malformed one is refused by index, and the others are kept.
Observations = Annotated[
    list[object], Field(description="one for each call", min_length=1, max_length=1000)
]
