"""Checks as they are computed, before they are logged: with what earlier ones left to later ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gonogo.answers import DriftReport, TrustReport
from gonogo.app.maintenance import Maintenance
from gonogo.clock import spare_time, wall_clock_ms
from gonogo.records import Mark
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.app.check_ports import Detail
    from gonogo.app.parts import Stores
    from gonogo.drift.drift_memory import DriftMemory
    from gonogo.drift.finding import DriftQuestion
    from gonogo.hours.stream_cache import AnswerCache
    from gonogo.money.scopes import BudgetFill
    from gonogo.text.row_notes import Report
    from gonogo.trust.fleet_scores import Suspicion

# How long a look at the fleet goes on scoring before it answers with what there is.
FLEET_LOOK_S = 1.5
# Limits of single values, the fullest of them.
VALUES_LISTED = 50


class CheckMemory(Maintenance):
    """An open store, and what earlier checks leave to later ones.

    Args:
        settings: The configuration; where it was read from a file, edits of that are followed.
        clock: Now in epoch milliseconds; a drill or a test passes its own.
        actor: Who asks, for the decision log.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = wall_clock_ms,
        actor: str = "agent",
    ) -> None:
        super().__init__(settings, clock=clock, actor=actor)
        self._memory: tuple[DriftMemory, AnswerCache[TrustReport]] | None = None
        self._suspicion: Suspicion | None = None

    def _forget(self) -> None:
        self._memory = self._suspicion = None

    async def _drift(self, question: DriftQuestion) -> tuple[Mark | None, DriftReport]:
        from gonogo.drift.drift_check import check_drift
        from gonogo.hours.periods import check_until
        from gonogo.trust.writers import doubts_about

        stores, now_ms = await self.stores(), self.clock()
        if question.until is not None:
            check_until(question.until, zone=self.settings.timezone, now_ms=now_ms)
        mark = await stores.telemetry.mark(question.dependency)
        memory = self._remembered()[0]
        report = await check_drift(
            stores.telemetry,
            stores.decisions,
            self.settings,
            question,
            now_ms=now_ms,
            memory=memory,
            mark=mark,
            doubts=partial(
                doubts_about, stores.telemetry, self.settings, question.dependency, now_ms=now_ms
            ),
        )
        if mark is not None:
            # Of the past as well: what a file of history refused is of its days, and by itself says none.
            report = self._given_refused(report, report.dependency, mark, now_ms)
        report = await _beside_changes(stores, report)
        if question.is_about_the_whole:
            return mark, report
        return mark, await self._beside_whole(stores, report, question, now_ms)

    async def _beside_whole(
        self, stores: Stores, report: DriftReport, question: DriftQuestion, now_ms: int
    ) -> DriftReport:
        """An answer about a part, with what the whole stands at where that is worse."""
        from gonogo.ports.standing_verdicts import NEVER_ASKED, verdicts_now
        from gonogo.views.worse_whole import beside_worse_whole

        name = report.dependency
        found = await verdicts_now(stores.decisions, self.settings, now_ms=now_ms, names=[name])
        return beside_worse_whole(report, found.get(name, NEVER_ASKED), question)

    async def _trust(
        self, dependency: str | None, detail: Detail
    ) -> tuple[Mark | None, TrustReport]:
        from gonogo.trust.trust_check import check_trust

        stores, now_ms = await self.stores(), self.clock()
        if dependency is None:
            return None, await self._fleet(stores, detail, now_ms)
        mark = await stores.telemetry.mark(dependency)
        report = await check_trust(
            stores.telemetry,
            stores.decisions,
            self.settings,
            dependency=dependency,
            now_ms=now_ms,
            detail=detail,
            recent=self._remembered()[1],
            mark=mark,
        )
        if mark is not None:
            report = self._given_refused(report, dependency, mark, now_ms)
        return mark, report

    def _given_refused(self, report: Report, name: str, mark: Mark, now_ms: int) -> Report:
        """The report, with the rows of its dependency that were refused lately and what they make of its verdict."""
        from gonogo.drift.drift_words import given_refused
        from gonogo.text.row_notes import beside_refused

        report = beside_refused(report, mark.refused, now_ms=now_ms)
        taken = None if mark.refused is None else mark.refused.taken
        least = self.settings.dependency(name).min_effect
        return given_refused(report, taken=taken, min_effect=least)

    @property
    def suspicion(self) -> Suspicion:
        """Findings of earlier looks of this process: shared causes and doubtful writers."""
        from gonogo.trust.fleet_scores import Suspicion

        if self._suspicion is None:
            self._suspicion = Suspicion()
        return self._suspicion

    async def _fleet(self, stores: Stores, detail: Detail, now_ms: int) -> TrustReport:
        """A look at the fleet that answers in time, with what an earlier one found in mind."""
        from gonogo.ports.routes import shadow_names
        from gonogo.trust.fleet import check_fleet

        return await check_fleet(
            stores.telemetry,
            stores.decisions,
            self.settings,
            now_ms=now_ms,
            detail=detail,
            has_time=spare_time(FLEET_LOOK_S),
            suspicion=self.suspicion,
            shadows=await shadow_names(stores.routes),
        )

    async def budget_fills(self) -> list[BudgetFill]:
        """Read what is spent and held of each budget: as configured, then of single values, the fullest first."""
        from gonogo.money.scopes import budget_fills

        stores = await self.stores()
        traffic, now_ms = await stores.traffic(), self.clock()
        return await budget_fills(stores.ledger, self.settings, traffic, now_ms=now_ms)

    async def budget_names(self) -> list[str]:
        """The budgets there are: as configured; where some are a limit for each value, those that were seen too.

        Then the fullest come first, and of values `VALUES_LISTED`.
        """
        settings = self.settings
        if not settings.keyed_budgets:
            return list(settings.budgets)
        shown = (await self.budget_fills())[: len(settings.budgets) + VALUES_LISTED]
        return [fill.budget.name for fill in sorted(shown, key=lambda fill: -fill.share)]

    def _remembered(self) -> tuple[DriftMemory, AnswerCache[TrustReport]]:
        """The caches that earlier drift and trust checks fill for later ones."""
        from gonogo.drift.drift_memory import DriftMemory
        from gonogo.hours.stream_cache import AnswerCache

        if self._memory is None:
            self._memory = DriftMemory(), AnswerCache()
        return self._memory


async def _beside_changes(stores: Stores, report: DriftReport) -> DriftReport:
    """A report whose onset says which recorded changes lie near it."""
    if report.onset is None:
        return report
    from gonogo.incidents.change_events import changes_in_words

    known = await stores.telemetry.dependency(report.dependency)
    changes = await changes_in_words(stores.decisions, report, known)
    if not changes:
        return report
    onset = report.onset.model_copy(update={"changes": changes})
    summary = f"{report.summary} Recorded near its start: {changes[0]}."
    return report.model_copy(update={"onset": onset, "summary": summary})
