"""What a monitoring system scrapes: a few small reads and a bounded number of scores made new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo.services.budget import scope_at
from gonogo.services.fleet import rescore

if TYPE_CHECKING:
    from gonogo.records import Verdict
    from gonogo.services.ports import DecisionLog
    from gonogo.services.ports_actions import Incidents
    from gonogo.services.ports_money import Ledger
    from gonogo.services.ports_trust import KeptScore, TrustTelemetry
    from gonogo.settings import Settings

RESCORED_MAX = 25
INCIDENTS_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class BudgetGauge:
    """One budget in its window, in micro-dollars."""

    limit: int
    spent: int
    held: int

    @property
    def remaining(self) -> int:
        """What could still be spent."""
        return self.limit - self.spent - self.held


@dataclass(frozen=True, slots=True)
class Gauges:
    """One reading.

    Attributes:
        verdicts: The last verdict that was asked for and when (epoch ms), by dependency.
        scores: Trust scores by dependency.
        budgets: By name.
        incidents: Incidents that are not resolved, by dependency and status.
    """

    verdicts: Mapping[str, tuple[Verdict, int]]
    scores: Mapping[str, KeptScore]
    budgets: Mapping[str, BudgetGauge]
    incidents: Mapping[tuple[str, str], int]


async def read_gauges(
    telemetry: TrustTelemetry,
    log: DecisionLog,
    incidents: Incidents,
    ledger: Ledger,
    settings: Settings,
    *,
    may_write: bool,
    now_ms: int,
) -> Gauges:
    """Read every gauge; where `may_write`, up to 25 scores with newer evidence are made new."""
    if may_write:
        await rescore(telemetry, settings, now_ms=now_ms, limit=RESCORED_MAX)
    scores = await telemetry.kept_scores()
    budgets = list(settings.budgets.values())
    scopes = [scope_at(settings, budget, now_ms) for budget in budgets]
    balances = await ledger.balances(scopes, now_ms=now_ms, holds_max=0) if scopes else ()
    handled = await incidents.incidents(limit=INCIDENTS_COUNTED)
    return Gauges(
        verdicts=await log.last_verdicts(),
        scores={score.dependency: score for score in scores},
        budgets={
            budget.name: BudgetGauge(
                budget.limit_micro_usd, balance.spent_micro_usd, balance.held_micro_usd
            )
            for budget, balance in zip(budgets, balances, strict=True)
        },
        incidents=Counter(
            (found.dependency, found.status) for found, _ in handled if found.status != "resolved"
        ),
    )
