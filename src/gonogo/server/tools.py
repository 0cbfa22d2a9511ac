"""The ten tools: each passes its arguments to the application and puts the answer into words."""

from __future__ import annotations

from typing import Annotated, cast

from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Resolve
from mcp_types import CallToolResult, TextContent

from gonogo.answers import Answer
from gonogo.app import Gonogo
from gonogo.server import arguments as a
from gonogo.server.consent import Consent, consent_given, person_asked
from gonogo.text import as_text


def answered(answer: Answer) -> CallToolResult:
    """The answer twice, each enough alone: clients show a model the words or the object."""
    return CallToolResult(
        content=[TextContent(type="text", text=as_text(answer))],
        structured_content=answer.model_dump(mode="json", by_alias=True, exclude_none=True),
    )


class Tools:
    """The tools of one application; `definitions.py` says how each is described."""

    def __init__(self, app: Gonogo) -> None:
        self._app = app

    async def preflight(
        self,
        *,
        workload: a.Workload = None,
        dependencies: a.Dependencies = None,
        planned_calls: a.WorkCalls = None,
        budget: a.WorkBudget = None,
        detail: a.Detail = "brief",
    ) -> CallToolResult:
        """Everything the work needs, in one answer."""
        return answered(
            await self._app.preflight(
                workload=workload,
                dependencies=dependencies,
                planned_calls=planned_calls,
                budget=budget,
                detail=detail,
            )
        )

    async def check_model_drift(
        self,
        *,
        dependency: a.Dependency,
        metric: a.Metric = None,
        segment: a.Segment = None,
        baseline_version: a.BaselineVersion = None,
        version: a.Version = None,
        since: a.Since = None,
        until: a.Until = None,
        detail: a.Detail = "brief",
    ) -> CallToolResult:
        """Has it degraded, improved or shifted."""
        return answered(
            await self._app.check_model_drift(
                dependency,
                metric=metric,
                segment=segment,
                baseline_version=baseline_version,
                version=version,
                since=since,
                until=until,
                detail=detail,
            )
        )

    async def get_trust_score_health(
        self, *, dependency: a.AnyDependency = None, detail: a.Detail = "brief"
    ) -> CallToolResult:
        """The calibrated chance that the next call is good."""
        return answered(await self._app.get_trust_score_health(dependency, detail=detail))

    async def check_budget_with_confidence(
        self,
        *,
        budget: a.Budget,
        dependency: a.SpentOn = None,
        planned_calls: a.PlannedCalls = None,
        planned_cost_usd: a.PlannedCost = None,
        reserve: a.Reserve = False,
        idempotency_key: a.Key = None,
        detail: a.Detail = "brief",
    ) -> CallToolResult:
        """Will the work fit."""
        return answered(
            await self._app.check_budget_with_confidence(
                budget,
                dependency=dependency,
                planned_calls=planned_calls,
                planned_cost_usd=planned_cost_usd,
                reserve=reserve,
                idempotency_key=idempotency_key,
                detail=detail,
            )
        )

    async def trigger_fallback(
        self,
        *,
        dependency: a.Dependency,
        reason: a.Reason = None,
        to: a.Target = None,
        share: a.ToShare = None,
        plan_id: a.PlanId = None,
        idempotency_key: a.Key = None,
        confirm: a.Confirm = False,
        undo: a.UndoId = None,
        consent: Annotated[ElicitationResult[Consent], Resolve(person_asked)],
    ) -> CallToolResult:
        """Plan a fallback, carry out a plan, or take one back."""
        given = consent_given(consent)
        if isinstance(given, str):
            raise ToolError(given)
        return answered(
            await self._app.trigger_fallback(
                dependency,
                reason=reason,
                to=to,
                share=share,
                plan_id=plan_id,
                idempotency_key=idempotency_key,
                confirm=confirm,
                undo=undo,
                confirmed_by="elicited" if given else None,
            )
        )

    async def get_route(
        self, *, dependency: a.Dependency, key: a.StickyKey = None
    ) -> CallToolResult:
        """Which target to call now."""
        return answered(await self._app.get_route(dependency, key=key))

    async def record_observations(self, *, observations: a.Observations) -> CallToolResult:
        """Write evidence."""
        items = cast("list[dict[str, object]]", observations)
        return answered(await self._app.record_observations(items))

    async def settle_reservation(
        self, *, reservation_id: a.ReservationId, actual_usd: a.ActualCost = None
    ) -> CallToolResult:
        """Book what the reserved work cost."""
        return answered(await self._app.settle_reservation(reservation_id, actual_usd=actual_usd))

    async def list_dependencies(
        self, *, query: a.Query = None, cursor: a.Cursor = None
    ) -> CallToolResult:
        """What is known."""
        return answered(await self._app.list_dependencies(query=query, cursor=cursor))

    async def get_incidents(
        self,
        *,
        dependency: a.AnyDependency = None,
        status: a.Status = None,
        incident_id: a.IncidentId = None,
    ) -> CallToolResult:
        """What is being handled."""
        return answered(
            await self._app.get_incidents(
                dependency=dependency, status=status, incident_id=incident_id
            )
        )
