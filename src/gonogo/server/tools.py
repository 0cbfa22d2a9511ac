"""The ten tools: each passes its arguments to the application and puts the answer into words."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, cast

from mcp.server.elicitation import (
    AcceptedElicitation,
    CancelledElicitation,
    DeclinedElicitation,
    ElicitationResult,
)
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field, model_validator

from gonogo.answers import Answer
from gonogo.app import Gonogo
from gonogo.server import arguments as a
from gonogo.text.answer_text import as_text, body, footer, question

# Reports that are asked for again and again while nothing changes.
TEXTS_KEPT_MAX = 256
_TIMES = {"as_of", "data_age_s", "decision_id"}
DECLINED = (
    "The person declined: nothing was changed. Do not ask again for this plan; tell them what you "
    "would do instead, or plan another target."
)
CANCELLED = (
    "The person closed the question without an answer: nothing was changed. Call again with the "
    "same arguments to ask once more, while the plan is valid."
)

NO_ANSWER = (
    "The client sent the form back without an answer: nothing was changed. Call again with the same "
    "arguments to ask once more, while the plan is valid."
)


def answered(answer: Answer) -> CallToolResult:
    """The answer twice, each enough alone: clients show a model the words or the object."""
    return _result(answer, as_text(answer))


def _result(answer: Answer, text: str) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=answer.as_object(),
    )


class Texts:
    """Puts answers into words, and remembers the newest: most differ in their times alone."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()

    def answered(self, answer: Answer) -> CallToolResult:
        """The answer as a tool's result, text and object."""
        same = answer.model_dump_json(by_alias=True, exclude=_TIMES)
        text = self._kept.pop(same, None) or body(answer)
        self._kept[same] = text
        if len(self._kept) > TEXTS_KEPT_MAX:
            self._kept.popitem(last=False)
        return _result(answer, f"{text}\n{footer(answer)}")


class Tools:
    """The tools of one application; `definitions.py` says how each is described."""

    def __init__(self, app: Gonogo) -> None:
        self._app = app
        self._texts = Texts()

    async def preflight(
        self,
        *,
        workload: a.Workload = None,
        dependencies: a.Dependencies = None,
        planned_calls: a.WorkCalls = None,
        budget: a.WorkBudget = None,
        detail: a.Detail = None,
        ctx: Context[Gonogo],
    ) -> CallToolResult:
        """Everything the work needs, in one answer; tells how far it is."""
        return answered(
            await self._app.preflight(
                workload=workload,
                dependencies=dependencies or None,
                planned_calls=planned_calls or None,
                budget=budget,
                detail=detail or "brief",
                progress=ctx.report_progress,
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
        detail: a.Detail = None,
    ) -> CallToolResult:
        """Has it degraded, improved or shifted."""
        return self._texts.answered(
            await self._app.check_model_drift(
                dependency,
                metric=metric,
                segment=segment,
                baseline_version=baseline_version,
                version=version,
                since=since,
                until=until,
                detail=detail or "brief",
            )
        )

    async def get_trust_score_health(
        self, *, dependency: a.AnyDependency = None, detail: a.Detail = None
    ) -> CallToolResult:
        """The calibrated chance that the next call is good."""
        return self._texts.answered(
            await self._app.get_trust_score_health(dependency, detail=detail or "brief")
        )

    async def check_budget_with_confidence(
        self,
        *,
        budget: a.Budget,
        dependency: a.SpentOn = None,
        planned_calls: a.PlannedCalls = None,
        planned_cost_usd: a.PlannedCost = None,
        reserve: a.Reserve = None,
        idempotency_key: a.Key = None,
        run: a.Run = None,
        detail: a.Detail = None,
    ) -> CallToolResult:
        """Will the work fit."""
        return answered(
            await self._app.check_budget_with_confidence(
                budget,
                dependency=dependency,
                planned_calls=planned_calls or None,
                planned_cost_usd=planned_cost_usd,
                reserve=bool(reserve),
                idempotency_key=idempotency_key,
                run=run,
                detail=detail or "brief",
            )
        )

    async def trigger_fallback(
        self,
        *,
        dependency: a.Moved,
        reason: a.Reason = None,
        to: a.Target = None,
        share: a.ToShare = None,
        plan_id: a.PlanId = None,
        idempotency_key: a.Key = None,
        confirm: a.Confirm = None,
        undo: a.UndoId = None,
        promote: a.Candidate = None,
        promote_by: a.PromoteBy = None,
        consent: Annotated[ElicitationResult[Consent], Resolve(person_asked)],
    ) -> CallToolResult:
        """Plan a fallback, carry out a plan, or take one back."""
        given = consent_given(consent)
        if isinstance(given, str):
            raise ToolError(given)
        if promote and not (plan_id or undo):
            if to:
                raise ToolError("`promote` and `to` exclude each other: name the version alone.")
            return answered(
                await self._app.promote(
                    dependency,
                    promote,
                    reason=reason,
                    share=share,
                    at_once=promote_by == "split",
                    shadow=promote_by == "shadow",
                    idempotency_key=idempotency_key,
                )
            )
        if promote_by in ("shadow", "split") and not (plan_id or undo):
            raise ToolError("`promote_by` needs `promote`, the version that is to be tried.")
        return answered(
            await self._app.trigger_fallback(
                dependency,
                reason=reason,
                to=to,
                share=share,
                plan_id=plan_id,
                idempotency_key=idempotency_key,
                confirm=bool(confirm),
                undo=undo,
                confirmed_by="elicited" if given else None,
            )
        )

    async def get_route(self, *, dependency: a.Routed, key: a.StickyKey = None) -> CallToolResult:
        """Say which target to call now."""
        return answered(await self._app.get_route(dependency, key=key))

    async def record_observations(self, *, observations: a.Observations) -> CallToolResult:
        """Write evidence."""
        from gonogo.server.filled import observations_meant

        items = cast("list[dict[str, object]]", observations_meant(observations))
        return answered(await self._app.record_observations(items))

    async def settle_reservation(
        self,
        *,
        reservation_id: a.ReservationId,
        actual_usd: a.ActualCost = None,
        renew: a.Renew = None,
    ) -> CallToolResult:
        """Book what the reserved work cost."""
        return answered(
            await self._app.settle_reservation(
                reservation_id, actual_usd=actual_usd, renew=bool(renew)
            )
        )

    async def list_dependencies(
        self, *, query: a.Query = None, cursor: a.Cursor = None
    ) -> CallToolResult:
        """List the known dependencies."""
        return answered(await self._app.list_dependencies(query=query, cursor=cursor))

    async def get_incidents(
        self,
        *,
        dependency: a.AnyDependency = None,
        status: a.Status = None,
        incident_id: a.IncidentId = None,
    ) -> CallToolResult:
        """List the incidents."""
        from gonogo.answers.brief import briefly

        found = await self._app.get_incidents(
            dependency=dependency,
            status=None if status == "all" else status,
            incident_id=incident_id,
        )
        return answered(found if incident_id else briefly(found))


# Asking the person before a plan is carried out, where its approval is `ask`.
#
# The question is put through the client where it can ask: as a request of its own in the handshake
# era, as `input_required` from 2026-07-28 on. The resolver runs again on every round, so it only
# reads. A client that cannot ask gets the plan back with the command that approves it.


class Consent(BaseModel):
    """The form that a person is asked to fill in; whatever else than true comes back is no yes."""

    approve: bool = Field(description="Carry out the plan now")

    @model_validator(mode="before")
    @classmethod
    def _only_true(cls, filled: object) -> object:
        return {"approve": isinstance(filled, dict) and filled.get("approve") is True}


class NoQuestion(Consent):
    """No question was put: the policy needs none, or the client cannot ask."""

    approve: bool = False


async def person_asked(
    ctx: Context[Gonogo], dependency: str, plan_id: str | None, undo: str | None
) -> Consent | Elicit[Consent]:
    """Put the plan to the person where its approval is `ask` and the client can."""
    if (plan_id is None and undo is None) or not can_ask(ctx):
        return NoQuestion()
    app = ctx.request_context.lifespan_context
    plan = await app.plan_to_approve(dependency, plan_id=plan_id, undo=undo)
    return NoQuestion() if plan is None else Elicit(question(plan), Consent)


def can_ask(ctx: Context[Gonogo]) -> bool:
    """Whether the client declared that it can show a form to a person."""
    declared = ctx.client_capabilities
    asks = declared.elicitation if declared is not None else None
    return asks is not None and (asks.form is not None or asks.url is None)


def consent_given(
    outcome: AcceptedElicitation[Consent] | DeclinedElicitation | CancelledElicitation,
) -> bool | str:
    """Read the client's reply to a form: true for yes, a text where the person was asked and did not agree."""
    match outcome:
        case AcceptedElicitation(data=NoQuestion()):
            return False
        case AcceptedElicitation(data=consent):
            return True if consent.approve else DECLINED
        case CancelledElicitation():
            return CANCELLED
        case _:
            return DECLINED
