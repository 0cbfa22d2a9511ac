"""The checks that preflights and probes call back: those of `Gonogo`, and no more of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from gonogo.answers import BudgetCheck, DriftReport, Settlement, TrustReport
from gonogo.records import BatchReport, Observation
from gonogo.settings import Settings

Detail = Literal["brief", "full"]


class Checks(Protocol):
    """Questions and actions of an open store that are parts of larger ones."""

    settings: Settings

    def clock(self) -> int:
        """Now in epoch milliseconds."""
        ...

    async def check_model_drift(
        self, dependency: str, *, version: str | None = None
    ) -> DriftReport:
        """Has a dependency degraded, improved or shifted."""
        ...

    async def get_trust_score_health(self, dependency: str | None = None) -> TrustReport:
        """The calibrated chance that the next call is good."""
        ...

    async def check_budget_with_confidence(
        self,
        budget: str,
        dependency: str | None = None,
        planned_calls: int | None = None,
        planned_cost_usd: float | None = None,
        reserve: bool = False,  # noqa: FBT001, FBT002 - as the tool has it
        *,
        detail: Detail = "brief",
        work: Mapping[str, int] | None = None,
    ) -> BudgetCheck:
        """Will planned work fit a budget; optionally holds the money."""
        ...

    async def settle_reservation(self, reservation_id: str) -> Settlement:
        """Book what held money was really spent."""
        ...

    async def record_evidence(
        self, observations: Sequence[Observation], *, writer: str | None = None
    ) -> BatchReport:
        """Write observations that the product made itself."""
        ...
