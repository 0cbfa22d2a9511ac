"""The arguments of the tools: each has a type, its bounds, and a description for the model.

What is optional is None where it is absent: `filled.py` takes out what clients fill in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gonogo.records import AMOUNT_MAX


def _whole(value: object) -> object:
    """JSON has one sort of number: 40.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


NAME_CHARS_MAX = 200
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000), BeforeValidator(_whole)]
# In a budget's unit: how much is too much is known where the unit is.
Usd = Annotated[float, Field(ge=0, le=float(AMOUNT_MAX), allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Level = Literal["brief", "full"]

Dependency = Annotated[
    Name,
    Field(description="Name of the model, skill, tool or API to judge, as in list_dependencies."),
]
Moved = Annotated[Name, Field(description="Name of the dependency whose traffic moves.")]
Routed = Annotated[Name, Field(description="Name of the dependency that you are about to call.")]
AnyDependency = Annotated[
    Name | None, Field(description="Name of one dependency. Leave out for all of them.")
]
Detail = Annotated[
    Level | None, Field(description="full adds slices, tables and holds. Default: brief.")
]
Metric = Annotated[
    Name | None,
    Field(
        description="One measure alone: outcome, error, latency_ms, cost_usd, input_tokens, "
        "output_tokens or metrics.NAME. Leave out to look at all."
    ),
]
Segment = Annotated[
    Name | None,
    Field(description="One slice alone, written key=value, for example day_type=weekend."),
]
BaselineVersion = Annotated[
    Name | None,
    Field(description="Version to compare with. Leave out for the learned baseline."),
]
Version = Annotated[
    Name | None, Field(description="Version to judge. Leave out for the one in use.")
]
Since = Annotated[
    Name | None, Field(description="Start of the time to judge: 2026-05-01 or RFC 3339.")
]
Until = Annotated[
    Name | None, Field(description="Judge as of this earlier time: 2026-05-01 or RFC 3339.")
]

Budget = Annotated[Name, Field(description="Name of a budget in gonogo.toml.")]
SpentOn = Annotated[
    Name | None,
    Field(description="What the planned calls go to. Leave out for the budget's usual mix."),
]
PlannedCalls = Annotated[
    Count | None,
    Field(description="How many calls the work makes, retries included. Default: 1."),
]
PlannedCost = Annotated[
    Usd | None,
    Field(description="Expected cost in the budget's unit (USD), if known better than by history."),
]
Reserve = Annotated[
    bool | None,
    Field(description="true holds the money if the check passes. Default: false."),
]
Key = Annotated[
    Name | None,
    Field(description="Any id of yours. Sent again, the call does nothing twice."),
]
Run = Annotated[
    Name | None,
    Field(
        description="With reserve: names a run. Whoever names it shares its hold, and hears what "
        "it is going to cost."
    ),
]
Renew = Annotated[
    bool | None,
    Field(description="true books nothing and lets the hold last as long again: a heartbeat."),
]

Reason = Annotated[Name | None, Field(description="Why, in a few words. Needed to make a plan.")]
Target = Annotated[
    Name | None,
    Field(
        description="Where to: a name, name@version, rules:NAME, refuse (no calls) or human. Leave "
        "out for the next of the configured ladder."
    ),
]
ToShare = Annotated[
    Share | None,
    Field(description="Part of the traffic that moves, above 0 up to 1. Default: 1."),
]
PlanId = Annotated[
    Name | None, Field(description="plan_id of an answer of this tool: carries that plan out.")
]
Confirm = Annotated[
    bool | None,
    Field(description="true where the plan's approval is confirm. Default: false."),
]
UndoId = Annotated[
    Name | None, Field(description="audit_id of an applied fallback: takes it back.")
]

Candidate = Annotated[
    Name | None,
    Field(description="A version to give all calls in stages, on evidence; again: how it does."),
]
PromoteBy = Annotated[
    Literal["stages", "shadow", "split"] | None,
    Field(
        description="With promote. shadow: stages, and you call it beside each call, too; split: an "
        "A/B test at share. Default: stages."
    ),
]

Workload = Annotated[
    Name | None,
    Field(description="Name of a workload in gonogo.toml: its dependencies, calls and budget."),
]
Dependencies = Annotated[
    Sequence[Name] | None,
    Field(description="Names of what the work calls, instead of workload.", max_length=100),
]
WorkCalls = Annotated[
    Count | None,
    Field(description="How many calls go to each dependency. Leave out where not known."),
]
WorkBudget = Annotated[
    Name | None, Field(description="Budget that pays. Leave out for the workload's own.")
]

ReservationId = Annotated[
    Name, Field(description="reservation.id of the check_budget_with_confidence that held it.")
]
ActualCost = Annotated[
    Usd | None,
    Field(description="What it cost, in the budget's unit (USD). Leave out to book its calls."),
]
StickyKey = Annotated[
    Name | None,
    Field(description="Id of a user or session: the same key gets the same target."),
]
Query = Annotated[Name | None, Field(description="Part of a name. Leave out for all.")]
Cursor = Annotated[
    Name | None, Field(description="next_cursor of the page before. Leave out for the first.")
]
Status = Annotated[
    Literal["all", "open", "acknowledged", "mitigated", "recovering", "resolved"] | None,
    Field(description="How far they are. Default: all."),
]
IncidentId = Annotated[
    Name | None, Field(description="One incident with its whole timeline. Leave out for a list.")
]

# Each item is checked on its own: a malformed one is refused by index, and the others are kept.
Observations = Annotated[
    list[object],
    Field(description="One for each call or evaluation.", min_length=1, max_length=1000),
]
