"""Maintenance of a store from the terminal; the agent's tools are in `gonogo.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gonogo.answers import FallbackPlan, FallbackResult, IncidentList, PromotionReport
from gonogo.app.open_store import OpenStore
from gonogo.app.question_arguments import as_meant
from gonogo.clock import spare_time
from gonogo.errors import ActionRefused
from gonogo.records import DAY_MS, BatchReport, Decision, Observation, RefusedRows, Rejection

if TYPE_CHECKING:
    from gonogo.fallback.conditions import ConfirmedBy
    from gonogo.fallback.promotion.ramp import PromotionOutcome
    from gonogo.fallback.reconcile import Reconciliation
    from gonogo.fallback.recover import RecoveryOutcome
    from gonogo.ingest.batches import Reading
    from gonogo.ingest.load import LoadReport, Progress
    from gonogo.ingest.mapping import ColumnMap
    from gonogo.money.calibration import CalibrationTable
    from gonogo.ports.actuators import Step
    from gonogo.ports.change_event import ChangeEvent
    from gonogo.store.books.audit import ChainCheck
    from gonogo.store.repair import FigureComparison, Removal
    from gonogo.views.gauges import Gauges
    from gonogo.views.movements import Movements


class Maintenance(OpenStore):
    """An open store, and what a person does with it."""

    async def ingest(
        self,
        paths: Sequence[str],
        mapping: ColumnMap,
        *,
        reading: Reading,
        stdin: BinaryIO,
        progress: Callable[[Progress], None],
    ) -> LoadReport:
        """Record files of observations; lines that are malformed are named, the rest are kept."""
        from gonogo.ingest.hour_cells.hours_load import load_files

        self.refuse_read_only("record observations")
        intake, clock = (await self.stores()).intake(from_files=True), self.clock
        loaded = await load_files(
            paths, intake, mapping, self.settings, clock, stdin, reading, progress
        )
        loaded.notes += intake.notes
        return loaded

    async def record_evidence(
        self,
        observations: Sequence[Observation],
        refused: Sequence[Rejection] = (),
        *,
        writer: str | None = None,
    ) -> BatchReport:
        """Write observations in stored units, as the actor or a writer; what was refused before is counted."""
        self.refuse_read_only("record observations")
        intake, now_ms = (await self.stores()).intake(writer=writer), self.clock()
        stored = await intake.record(observations, now_ms)
        intake.refuse([*refused, *stored.rejected], now_ms)
        return stored.refuse_left()

    async def refused_rows(self) -> list[RefusedRows]:
        """Count the rows refused on the way in within 30 days, by dependency, most refused first."""
        return await (await self.stores()).refusals.recent(self.clock())

    async def claim(self, work: str, holder: str, *, for_s: float) -> bool:
        """Claim work that only one process may do, or hold it longer; False: another holds it."""
        stores, now_ms = await self.stores(), self.clock()
        until_ms = now_ms + round(for_s * 1000)
        return await stores.leases.claim(work, holder, now_ms=now_ms, until_ms=until_ms)

    async def release(self, work: str, holder: str) -> None:
        """Let go of claimed work."""
        await (await self.stores()).leases.release(work, holder)

    async def watched(self) -> list[str]:
        """Name the duties that a running `gonogo watch` carries out now."""
        return await (await self.stores()).leases.held(now_ms=self.clock())

    async def accept_baseline(
        self, dependency: str, *, start: str | None = None, end: str | None = None
    ) -> Decision:
        """Take a period as the new normal: the one named, or the current one as drift sees it.

        Raises:
            UnknownTarget: nothing was recorded of the dependency.
            ParameterError: a bound is no time.
        """
        from gonogo.drift.acceptance import acceptance

        self.refuse_read_only("accept a baseline")
        stores, now_ms = await self.stores(), self.clock()
        entry = await acceptance(
            stores.telemetry,
            stores.decisions,
            self.settings,
            dependency,
            start=start,
            end=end,
            entry_id=stores.new_id(now_ms),
            actor=self.actor,
            now_ms=now_ms,
        )
        await stores.decisions.append(entry)
        return entry

    async def approve(
        self, plan_id: str, reason: str | None = None, *, how: ConfirmedBy = "approved"
    ) -> FallbackResult:
        """A person's yes: carries the plan out; with a `reason` also past what stops agents."""
        from gonogo.fallback.ask import approve

        ports, now_ms = (await self.stores()).fallback, self.clock()
        return await approve(
            ports, plan_id, actor=self.actor, how=how, overrule=reason, now_ms=now_ms
        )

    @as_meant
    async def promote(
        self,
        dependency: str,
        version: str | None = None,
        *,
        reason: str | None = None,
        share: float | None = None,
        policy: str | None = None,
        at_once: bool = False,
        shadow: bool = False,
        idempotency_key: str | None = None,
    ) -> FallbackPlan | FallbackResult | PromotionReport:
        """Plan to give a version all calls in stages, or `share` of them; of one on trial, how it stands.

        `policy`: whose yes each stage needs. `at_once`: an A/B split, begun at its `share`. `shadow`: the
        application calls it beside each call, too. Without a version, how the newest promotion stands.
        """
        from gonogo.answers import FallbackResult
        from gonogo.answers.brief import briefly
        from gonogo.fallback.ask import FallbackRequest, promote

        stores, now_ms = await self.stores(), self.clock()
        request = FallbackRequest(
            dependency, reason, share=share, idempotency_key=idempotency_key, actor=self.actor
        )
        request = replace(request, promote=version, policy=policy, at_once=at_once, shadow=shadow)
        answer = await promote(stores.fallback, request, now_ms=now_ms)
        if isinstance(answer, FallbackResult):
            return answer  # an action is logged before it is answered
        return briefly(stores.noted("trigger_fallback", request.given, answer, now_ms=now_ms))

    async def plan_to_approve(
        self, dependency: str, plan_id: str | None = None, undo: str | None = None
    ) -> FallbackPlan | None:
        """Read a plan that needs a person's approval; None where it needs none."""
        from gonogo.fallback.ask import plan_to_approve

        stores = await self.stores()
        return await plan_to_approve(
            stores.fallback,
            dependency=dependency,
            plan_id=plan_id,
            undo=undo,
            actor=self.actor,
            now_ms=self.clock(),
        )

    async def reconcile(self) -> list[Reconciliation]:
        """Make every route real again; what had to be done, a dependency each."""
        from gonogo.fallback.reconcile import reconcile

        return await reconcile((await self.stores()).fallback, now_ms=self.clock())

    async def recover(self) -> list[RecoveryOutcome]:
        """Look at every fallback in force: back by a stage, away again, or renewed."""
        from gonogo.fallback.recover import recover

        return await recover((await self.stores()).fallback, now_ms=self.clock())

    async def carry_promotions_on(self) -> list[PromotionOutcome]:
        """Look at every promotion under way: on by a stage, or back."""
        from gonogo.fallback.promotion.ramp import carry_on

        return await carry_on((await self.stores()).fallback, now_ms=self.clock())

    async def let_go(self) -> Removal:
        """Let old rows and unreferenced checks go, as configured; their rollups stay.

        Raises:
            ActionRefused: started read-only.
        """
        from gonogo.store.repair import let_go

        self.refuse_read_only("let old rows go")
        stores = await self.stores()
        return await let_go(
            stores.db, stores.decisions, days=self.settings.retention_days, now_ms=self.clock()
        )

    async def compare(self, seconds: float) -> FigureComparison:
        """Compare all that can be derived with what is stored, for about so long; reads only."""
        from gonogo.store.repair import compare

        database, now_ms = (await self.stores()).db, self.clock()
        return await compare(database, has_time=spare_time(seconds), now_ms=now_ms)

    async def repair(self) -> FigureComparison:
        """Compare everything, and make anew what can be derived; figures as they were found.

        Raises:
            ActionRefused: started read-only.
        """
        from gonogo.store.repair import mend

        self.refuse_read_only("repair the store")
        stores = await self.stores()
        return await mend(stores.db, stores.telemetry, self.settings, now_ms=self.clock())

    @as_meant
    async def hold_route(
        self, dependency: str, *, reason: str | None, until: str | None = None
    ) -> None:
        """Hold a route where it is against agents and automation; without a reason let it go.

        Raises:
            ParameterError: the reason is empty, or `until` is no time ahead.
            UnknownTarget: nothing is known of the dependency.
        """
        from gonogo.fallback.route import hold_route

        self.refuse_read_only("hold a route")
        stores = await self.stores()
        await hold_route(
            stores.fallback,
            dependency,
            reason=reason,
            until=until,
            actor=self.actor,
            now_ms=self.clock(),
        )

    async def tell(self, name: str | None = None) -> list[tuple[str, Step]]:
        """Tell people what is news, or the one receiver; what became of each page."""
        from gonogo.app.people import tell_people

        return await tell_people(await self.stores(), name=name, now_ms=self.clock())

    async def acknowledge(self, incident_id: str, *, alone: bool = False) -> IncidentList:
        """Say that a person has seen an incident and what is told on its page; all as they stand then.

        `incident_id` may be the key of the page; `alone`: only this incident.

        Raises:
            UnknownTarget: there is none with this id.
        """
        from gonogo.app.incident_actions import acknowledge_incident

        self.refuse_read_only("acknowledge an incident")
        stores, now_ms = await self.stores(), self.clock()
        return await acknowledge_incident(stores, incident_id, alone=alone, now_ms=now_ms)

    async def resolve(self, incident_id: str, *, false_alarm: bool = False) -> IncidentList:
        """Close an incident by a person's word; the incident as it stands then.

        A false alarm is fed back: what is now becomes the new normal, where drift had said no_go,
        since the same evidence would open it again.

        Raises:
            UnknownTarget: there is none with this id.
        """
        from gonogo.app.incident_actions import changed_by_hand, incident_now
        from gonogo.incidents.by_hand import resolve

        self.refuse_read_only("resolve an incident")
        stores, now_ms = await self.stores(), self.clock()
        hand = resolve(false_alarm=false_alarm)
        found = await changed_by_hand(stores, incident_id, hand, now_ms=now_ms)
        if false_alarm and any(signal.startswith("drift") for signal in found.bad_signals):
            await self.accept_baseline(found.dependency)
        return await incident_now(stores, incident_id, now_ms=now_ms)

    async def post_mortem(self, incident_id: str) -> str:
        """Write an incident's post-mortem in Markdown, each claim with the decision that it rests on.

        Raises:
            UnknownTarget: there is no incident with this id.
        """
        from gonogo.incidents.post_mortem import post_mortem

        stores = await self.stores()
        return await post_mortem(
            stores.incidents, stores.decisions, incident_id, now_ms=self.clock()
        )

    async def verify_audit(self, kept: str | None = None) -> ChainCheck:
        """Walk the hash chain of actions; where it is broken, if it is.

        `kept` is a head of it that was kept elsewhere.
        """
        return await (await self.stores()).decisions.verify(kept)

    async def decision(self, decision_id: str) -> Decision:
        """One entry of the decision log, whole.

        Raises:
            UnknownTarget: there is none with this id.
        """
        from gonogo.views.decision_log import find_decision

        return await find_decision((await self.stores()).decisions, decision_id)

    async def decisions(
        self, dependency: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[Decision]:
        """The newest entries of the decision log, newest first."""
        stores = await self.stores()
        return await stores.decisions.decisions(dependency=dependency, kind=kind, limit=limit)

    async def plan_ids(self, limit: int = 50) -> list[str]:
        """The newest fallback plans' ids, newest first."""
        return await (await self.stores()).routes.plan_ids(limit=limit)

    async def changes(self, dependency: str, limit: int = 20) -> list[ChangeEvent]:
        """The newest recorded changes that may touch a dependency, newest first."""
        from gonogo.incidents.change_events import recorded_changes

        log = (await self.stores()).decisions
        until_ms = self.clock() + DAY_MS
        return (await recorded_changes(log, dependency, start_ms=0, end_ms=until_ms))[:limit]

    async def actions(self, limit: int = 50) -> list[Decision]:
        """The newest actions of the hash chain, newest first."""
        return await (await self.stores()).decisions.actions(limit=limit)

    async def gauges(self) -> Gauges:
        """Read the metrics that a monitoring system scrapes; the decision log gets none of it."""
        from gonogo.views.gauges import SCRAPE_S, read_gauges

        stores = await self.stores()
        return await read_gauges(
            stores.telemetry,
            stores.decisions,
            stores.incidents,
            stores.ledger,
            self.settings,
            traffic=await stores.traffic(),
            may_write=stores.log_is_writable and not self.settings.read_only,
            has_time=spare_time(SCRAPE_S),
            routes=stores.routes,
            now_ms=self.clock(),
        )

    async def movements(self) -> AsyncGenerator[Movements]:
        """Yield the changes since the last look, whichever process made them.

        Raises:
            StoreError: the store failed.
        """
        from gonogo.views.movements import look, moved

        stores, before = await self.stores(), None
        async with aclosing(stores.changes.changes()) as changes:
            async for _ in changes:
                now = await look(stores.decisions, stores.incidents)
                if before is not None and now != before:
                    yield moved(before, now)
                before = now

    async def calibration(self) -> CalibrationTable:
        """Compare the confidence of settled budget checks with how often they came true."""
        from gonogo.money.calibration import calibration_table

        return await calibration_table((await self.stores()).ledger)

    async def backup(self, to: Path) -> int:
        """Copy the store while it is in use; the bytes written.

        Raises:
            StoreError: the target is there already or cannot be written.
        """
        return await (await self.stores()).db.backup(to, now_ms=self.clock())

    def refuse_read_only(self, action: str) -> None:
        """Refuse an action in a read-only process, by an ActionRefused that says what to do."""
        if self.settings.read_only:
            raise ActionRefused(f"Cannot {action}: started read-only; restart without --read-only.")
