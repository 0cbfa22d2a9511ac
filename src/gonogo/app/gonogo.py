"""The one place that builds things: opens the store, calls a service, logs the decision.

The MCP server, the command line and the library all ask `Gonogo`, one method a tool, and get the
same objects. Nothing heavy is imported or opened before the first question needs it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from gonogo.answers import (
    Answer,
    BudgetCheck,
    DependencyLine,
    DependencyList,
    DriftReport,
    FallbackPlan,
    FallbackResult,
    IncidentList,
    PreflightReport,
    ProbeReport,
    RecordAnswer,
    RouteAnswer,
    Settlement,
    TrustReport,
)
from gonogo.app.memory import CheckMemory
from gonogo.app.question_arguments import as_meant
from gonogo.errors import ParameterError
from gonogo.records import Decision

if TYPE_CHECKING:
    from gonogo.answers.chart_points import History
    from gonogo.app.check_ports import Detail
    from gonogo.app.preflight import Progress

OBSERVATIONS_MAX = 1000


class Gonogo(CheckMemory):
    """Every question and action of the product, over one store."""

    @as_meant
    async def check_model_drift(
        self,
        dependency: str,
        metric: str | None = None,
        segment: str | None = None,
        baseline_version: str | None = None,
        version: str | None = None,
        since: str | None = None,
        until: str | None = None,
        detail: Detail = "brief",
    ) -> DriftReport:
        """Has a dependency degraded, improved or shifted; how much, since when, how sure."""
        from gonogo.answers.brief import briefly
        from gonogo.drift.finding import DriftQuestion
        from gonogo.fallback.traffic import beside_route

        question = DriftQuestion(
            dependency=dependency,
            metric=metric,
            segment=segment,
            baseline_version=baseline_version,
            version=version,
            since=since,
            until=until,
            detail=detail,
        )
        stores, now_ms = await self.stores(), self.clock()
        mark, report = await self._drift(question)
        # A go changes nothing where no incident is open or suspected.
        idle = mark is not None and not mark.watched and report.verdict == "go"
        if question.is_about_now and not idle:
            report = beside_route(report, await stores.routes.route(dependency))
        logged = stores.noted(
            "check_model_drift",
            question.arguments(),
            report,
            now_ms=now_ms,
            about="drift" if question.is_about_the_whole else None,
        )
        if question.is_about_now and not idle:
            signal = "drift" if metric is None else f"drift of {metric}"
            await stores.watch_for_incident(
                logged, dependency=dependency, signal=signal, now_ms=now_ms
            )
        return logged if detail == "full" else briefly(logged)

    @as_meant
    async def accept_baseline(
        self, dependency: str, *, start: str | None = None, end: str | None = None
    ) -> Decision:
        """Take a period as the new normal, and ask about drift from it: the verdict follows.

        Raises:
            UnknownTarget: nothing was recorded of the dependency.
            ParameterError: a bound is no time.
        """
        entry = await super().accept_baseline(dependency, start=start, end=end)
        await self.check_model_drift(dependency)
        return entry

    @as_meant
    async def get_trust_score_health(
        self, dependency: str | None = None, detail: Detail = "brief"
    ) -> TrustReport:
        """The calibrated chance that the next call is good; without a name the whole fleet."""
        from gonogo.answers.brief import briefly
        from gonogo.fallback.traffic import beside_route

        stores, now_ms = await self.stores(), self.clock()
        mark, report = await self._trust(dependency, detail)
        asked = _given(dependency=dependency)
        # As for drift: a go changes nothing where no incident is open or suspected.
        idle = mark is not None and not mark.watched and report.verdict == "go"
        if dependency is not None and not idle:
            report = beside_route(report, await stores.routes.route(dependency))
        logged = stores.noted(
            "get_trust_score_health",
            asked,
            report,
            now_ms=now_ms,
            about=None if dependency is None else "trust",
        )
        if dependency is not None and not idle:
            await stores.watch_for_incident(
                logged, dependency=dependency, signal="trust", now_ms=now_ms
            )
        return logged if detail == "full" else briefly(logged)

    @as_meant
    async def check_budget_with_confidence(
        self,
        budget: str,
        dependency: str | None = None,
        planned_calls: int | None = None,
        planned_cost_usd: float | None = None,
        reserve: bool = False,  # noqa: FBT001, FBT002 - the tool's argument, by name
        idempotency_key: str | None = None,
        detail: Detail = "brief",
        *,
        work: Mapping[str, int] | None = None,
        run: str | None = None,
        lease_s: int | None = None,
    ) -> BudgetCheck:
        """Will planned work fit a budget: the probability; optionally holds the money.

        `work` states planned calls by dependency, for work of several; `run` names a run that shares
        one hold, and the answer tells what it will have cost in the end. `lease_s`: how long the hold
        lasts unless it is renewed.
        """
        from gonogo.app.money_actions import check
        from gonogo.money.budget_request import BudgetRequest

        stores, now_ms = await self.stores(), self.clock()
        if reserve:
            self.refuse_read_only("reserve money")
        request = BudgetRequest(
            budget=budget,
            dependency=dependency,
            planned_calls=planned_calls,
            planned_cost_usd=planned_cost_usd,
            work=work,
            reserve=reserve,
            idempotency_key=idempotency_key,
            run=run,
            lease_s=lease_s,
            detail=detail,
        )
        asked = request.arguments() | _given(
            reserve=reserve or None,
            idempotency_key=idempotency_key,
            work=dict(work) if work is not None else None,
        )
        return await check(stores, request, asked=asked, now_ms=now_ms)

    @as_meant
    async def settle_reservation(
        self,
        reservation_id: str,
        actual_usd: float | None = None,
        renew: bool = False,  # noqa: FBT001, FBT002 - the tool's argument, by name
    ) -> Settlement:
        """Book what held money was really spent; without an amount, what its calls cost.

        With `renew` nothing is booked: the hold lasts as long again.
        """
        from gonogo.app.money_actions import renew_hold, settle

        self.refuse_read_only("settle a reservation")
        stores, now_ms = await self.stores(), self.clock()
        asked = _given(reservation_id=reservation_id, actual_usd=actual_usd, renew=renew or None)
        book = renew_hold if renew else settle
        return await book(stores, reservation_id, actual_usd, asked=asked, now_ms=now_ms)

    async def record_observations(
        self, observations: Sequence[Mapping[str, object]]
    ) -> RecordAnswer:
        """Write evidence: a malformed item is refused alone, the good ones are kept."""
        from gonogo.ingest.live import record_batch
        from gonogo.ingest.times import time_zone

        self.refuse_read_only("record observations")
        if len(observations) > OBSERVATIONS_MAX:
            raise ParameterError(
                f"observations has {len(observations)} items; send at most {OBSERVATIONS_MAX}."
            )
        stores, now_ms = await self.stores(), self.clock()
        stated = self.settings.stated_timezone
        zone = None if stated is None else time_zone(stated)
        answer = await record_batch(stores.intake(), observations, now_ms=now_ms, zone=zone)
        if answer.notes is None:
            return answer
        # What is dated back may move a verdict: the log says when, and what.
        return stores.noted("record_observations", {}, answer, now_ms=now_ms)

    @as_meant
    async def trigger_fallback(
        self,
        dependency: str,
        reason: str | None = None,
        to: str | None = None,
        share: float | None = None,
        plan_id: str | None = None,
        idempotency_key: str | None = None,
        confirm: bool = False,  # noqa: FBT001, FBT002 - the tool's argument, by name
        undo: str | None = None,
        *,
        confirmed_by: Literal["elicited"] | None = None,
    ) -> FallbackPlan | FallbackResult:
        """Plan a way back; with a plan's id carry it out, with an action's id take it back.

        `confirmed_by` is said by a surface that asked a person, never by the agent.
        """
        from gonogo.answers import FallbackPlan
        from gonogo.answers.brief import briefly
        from gonogo.fallback.ask import FallbackRequest, trigger_fallback

        stores, now_ms = await self.stores(), self.clock()
        request = FallbackRequest(
            dependency=dependency,
            reason=reason,
            to=to,
            share=share,
            plan_id=plan_id,
            idempotency_key=idempotency_key,
            undo=undo,
            confirmed_by=confirmed_by or ("confirm" if confirm else None),
            actor=self.actor,
        )
        answer = await trigger_fallback(stores.fallback, request, now_ms=now_ms)
        if not isinstance(answer, FallbackPlan):
            return answer  # an action is logged before it is answered
        return briefly(stores.noted("trigger_fallback", request.given, answer, now_ms=now_ms))

    @as_meant
    async def get_route(self, dependency: str, key: str | None = None) -> RouteAnswer:
        """Say which target to call now; the same key gets the same target."""
        from gonogo.fallback.route import get_route

        stores, now_ms = await self.stores(), self.clock()
        await stores.reconcile(dependency, now_ms=now_ms)
        return await get_route(
            stores.fallback,
            dependency=dependency,
            key=key,
            draw=secrets.randbelow(1 << 53) / (1 << 53),
            now_ms=now_ms,
        )

    @as_meant
    async def preflight(
        self,
        workload: str | None = None,
        dependencies: Sequence[str] | None = None,
        planned_calls: int | None = None,
        budget: str | None = None,
        detail: Detail = "brief",
        *,
        progress: Progress | None = None,
    ) -> PreflightReport:
        """Everything that planned work needs, in one answer; `progress` hears of each part."""
        from gonogo.answers.brief import briefly
        from gonogo.app.preflight import planned_work, run_preflight

        stores, now_ms = await self.stores(), self.clock()
        work = planned_work(
            self,
            workload=workload,
            dependencies=list(dependencies or ()),
            planned_calls=planned_calls,
            budget=budget,
        )
        asked = _given(
            workload=workload,
            dependencies=list(dependencies) if dependencies else None,
            planned_calls=planned_calls,
            budget=budget,
        )
        report = await run_preflight(
            self, stores, work, now_ms=now_ms, detail=detail, progress=progress
        )
        logged = stores.noted("preflight", asked, report, now_ms=now_ms)
        return logged if detail == "full" else briefly(logged)

    async def probe_once(self, names: Sequence[str] = ()) -> ProbeReport:
        """Ask what the named probes ask, or all of them, once; record and tell what came.

        Raises:
            UnknownTarget: a name is not configured.
        """
        from gonogo.app.probing import probe_once

        self.refuse_read_only("record what probes find")
        return await probe_once(self, names)

    @as_meant
    async def list_dependencies(
        self, query: str | None = None, cursor: str | None = None
    ) -> DependencyList:
        """List the known dependencies, one line each."""
        from gonogo.views.listing import list_dependencies

        stores, now_ms = await self.stores(), self.clock()
        return await list_dependencies(
            stores.telemetry,
            stores.decisions,
            self.settings,
            query=query,
            cursor=cursor,
            refused=await stores.refusals.recent(now_ms),
            routes=stores.routes,
            suspicion=self.suspicion,
            now_ms=now_ms,
        )

    async def dependency_names(self) -> list[str]:
        """The names of all that is known, sorted."""
        return list(await (await self.stores()).telemetry.names())

    async def dependency_line(self, name: str) -> DependencyLine:
        """Describe one dependency as the list shows it.

        Raises:
            UnknownTarget: nothing was ever recorded under this name.
        """
        from gonogo.views.listing import dependency_line

        stores, now_ms = await self.stores(), self.clock()
        return await dependency_line(
            stores.telemetry, stores.decisions, self.settings, name, now_ms=now_ms
        )

    @as_meant
    async def get_incidents(
        self,
        dependency: str | None = None,
        status: str | None = None,
        incident_id: str | None = None,
    ) -> IncidentList:
        """List incidents with their timelines."""
        from gonogo.app.people import incidents_and_plans

        return await incidents_and_plans(
            await self.stores(),
            dependency=dependency,
            status=status,
            incident_id=incident_id,
            now_ms=self.clock(),
        )

    async def history(
        self, answer: Answer, asked: Mapping[str, object], *, days: float | None = None
    ) -> History | None:
        """Chart the figures behind an answer over time; None where there is nothing to draw."""
        from gonogo.views.charts import history_of

        stores = await self.stores()
        return await history_of(
            answer,
            asked,
            telemetry=stores.telemetry,
            ledger=stores.ledger,
            traffic=await stores.traffic(),
            log=stores.decisions,
            settings=self.settings,
            now_ms=self.clock(),
            days=days,
        )


def _given(**arguments: object) -> dict[str, object]:
    """The arguments that were given, ready to be sent again."""
    return {name: value for name, value in arguments.items() if value is not None}
